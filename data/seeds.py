"""Random numbers that belong to what they are drawn for, not to the order in which it is met."""

from __future__ import annotations

import hashlib

import numpy as np


def seed_of(*parts: object) -> int:
    """A seed out of whatever tells one draw from another; the same on every machine."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def rng_of(*parts: object) -> np.random.Generator:
    """Random numbers that belong to `parts`."""
    return np.random.default_rng(seed_of(*parts))
