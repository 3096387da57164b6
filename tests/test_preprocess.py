"""Frames reach the model at sizes that its graph can take, by one path."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unreel.detector.preprocess import MULTIPLE, model_size, normalise, to_model_size


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (1080, 1920, (288, 512)),
        (1920, 1080, (512, 288)),
        (512, 512, (288, 288)),
        (240, 320, (224, 288)),  # smaller than asked for: kept, to the multiple below
        (720, 5120, (288, 576)),  # a panorama is squeezed to 2:1
        (40, 30, (96, 64)),  # tiny: filled up to the smallest size
    ],
)
def test_size_at_which_frames_are_judged(
    height: int, width: int, expected: tuple[int, int]
) -> None:
    assert model_size(height, width, short_side=288) == expected


@given(st.integers(1, 9000), st.integers(1, 9000))
def test_sides_are_multiples_of_the_stride(height: int, width: int) -> None:
    sides = model_size(height, width, short_side=288)
    assert all(side % MULTIPLE == 0 and 64 <= side <= 576 for side in sides)
    assert (sides[0] <= sides[1]) == (height <= width) or sides[0] == sides[1]


def test_a_frame_of_the_right_size_is_left_alone() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 288, 512, 3), dtype=np.uint8)
    assert to_model_size(frames, short_side=288) is frames


def test_shrinking_averages_areas() -> None:
    # A checkerboard of 0 and 200 becomes flat grey; nearest-neighbour or bilinear would alias.
    board = (np.indices((576, 576)).sum(axis=0) % 2 * 200).astype(np.uint8)
    frames = np.repeat(board[None, :, :, None], 3, axis=-1)
    small = to_model_size(frames, short_side=288)
    assert small.shape == (1, 288, 288, 3)
    assert (small == 100).all()


def test_normalised_values_and_axes() -> None:
    frames = np.zeros((2, 4, 5, 3), np.uint8)
    frames[..., 1] = 255
    out = normalise(frames, (0.5, 0.5, 0.25), (0.5, 0.25, 0.25))
    assert out.shape == (2, 3, 4, 5)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out[0, :, 0, 0], [-1, 2, -1], atol=1e-6)


def test_a_side_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="positive sides, got 0 x 5"):
        model_size(0, 5, short_side=288)
