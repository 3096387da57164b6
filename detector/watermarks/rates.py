"""How often each decoder says "found" of camera footage; measured by benchmarks/watermarks.py."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _rates() -> dict[str, Any]:
    text = (Path(__file__).parent / "rates.json").read_text(encoding="utf-8")
    rates: dict[str, Any] = json.loads(text)
    return rates


def false_alarm_rate(decoder: str) -> float | None:
    """Share of reference camera clips on which it says "found"; None = not measured."""
    counts = _rates().get(decoder)
    return round(counts["found"] / counts["camera_clips"], 4) if counts else None
