"""Settings of a model on the tokens of a frozen encoder."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TokenRecipe:
    """What such a run does. The defaults are those of `base`."""

    kind: str = "tokens"
    name: str = "base"
    version: str = "0.1.0"
    backbone: str = "clip-vit-base-patch16"
    layers: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
    """Whose class tokens are judged, counted from 0."""
    map_layer: int = 7
    """Whose place tokens become the heat map."""
    components: int = 250
    """Principal components that the regression sees."""
    strength: float = 0.002
    """Inverse of the regression's penalty (C)."""
    teacher_share: float = 0.0
    """Share of a label that heads on the whole encoder give, which then is needed beside a
    compressed one; 0 = none. See distil.py."""
    short_side: int = 288
    """Frames are decoded to this short side, then squeezed to the encoder's square."""
    frames_per_window: int = 8
    frame_step_seconds: float = 0.25
    frame_stride: int = 2
    """Every so many-th frame of a window is judged: neighbours say nearly the same."""
    conditions: dict[str, float] = field(
        default_factory=lambda: {"raw": 1.0, "canonical": 1.0, "hard": 1.0}
    )
    """Conditions that training clips are seen under, with their weights."""
    folds: int = 5
    seed: int = 0
    calibration_conditions: tuple[str, ...] = ("raw", "canonical")
    """Out-of-fold scores of these fit the calibration."""
