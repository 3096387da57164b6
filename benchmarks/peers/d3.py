"""D3 (Zheng et al. 2025, "D3: training-free detection by second-order features").

The distance of neighbouring frames' embeddings over time is a first derivative; D3 takes the
differences of that and calls flat what has little spread: generated motion is smoother. Written
from the published description, on whatever embeddings are given; nothing is trained.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIN_FRAMES = 4
"""Two second differences."""


def d3_score(embedding: NDArray[np.float64]) -> float:
    """Minus the standard deviation of the second-order differences; higher = generated.

    Args:
        embedding: (T, D) of evenly spaced frames; NaN for fewer than MIN_FRAMES.
    """
    if len(embedding) < MIN_FRAMES:
        return float("nan")
    first = np.linalg.norm(np.diff(embedding, axis=0), axis=1)  # (T - 1,)
    return -float(np.diff(first).std())
