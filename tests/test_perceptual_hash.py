"""Perceptual hashes: the same pictures are found again, others are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from make_media import decode_plainly
from numpy.typing import NDArray

from unreel.data.canonical import CONDITIONS, encode_condition
from unreel.data.perceptual_hash import FRAMES, SAME_BITS, clip_hashes, find_matches, frame_hash
from unreel.detector.encode import H264Writer


def film(seed: int, frames: int = 40) -> NDArray[np.uint8]:
    """(frames, 144, 192, 3): a textured picture that a window moves over."""
    import cv2

    rng = np.random.default_rng(seed)
    ground = rng.integers(20, 230, (9, 22, 3), dtype=np.uint8)
    ground = cv2.resize(ground, (352, 144), interpolation=cv2.INTER_CUBIC)
    return np.stack([ground[:, 3 * n : 3 * n + 192] for n in range(frames)])


def written(path: Path, frames: NDArray[np.uint8]) -> Path:
    height, width = frames.shape[1:3]
    with H264Writer(str(path), width=width, height=height, crf=18, preset="ultrafast") as writer:
        for number, frame in enumerate(frames):
            writer.write(frame, number / 12)
    return path


def test_a_hash_has_64_bits_of_which_about_half_are_set() -> None:
    rng = np.random.default_rng(1)
    found = [frame_hash(rng.normal(120, 40, (32, 32)).astype(np.float32)) for _ in range(50)]
    assert all(0 <= h < 1 << 64 for h in found)
    assert 28 < np.mean([h.bit_count() for h in found]) < 36


def test_a_hash_ignores_brightness_and_contrast() -> None:
    picture = film(2)[0, :, :, 1].astype(np.float32)[:128:4, :128:4]
    assert frame_hash(picture) == frame_hash(picture * 0.5 + 60)


def test_clips_are_known_by_eight_frames_both_ways_round() -> None:
    assert clip_hashes(film(3)).shape == (2, FRAMES)
    assert clip_hashes(film(3)[:3]).shape == (2, 3)


def test_flat_frames_have_no_hash() -> None:
    assert clip_hashes(np.full((20, 64, 64, 3), 16, np.uint8)).shape == (2, 0)
    assert find_matches([clip_hashes(np.zeros((5, 64, 64, 3), np.uint8))] * 2,
                        [clip_hashes(np.zeros((5, 64, 64, 3), np.uint8))] * 2) == []  # fmt: skip


@pytest.mark.parametrize("condition", ["canonical", "hard", "reshare", "screen"])
def test_a_reencoded_clip_is_found_among_others(tmp_path: Path, condition: str) -> None:
    original = written(tmp_path / "a.mp4", film(4))
    copy = encode_condition(original, tmp_path / "b.mp4", CONDITIONS[condition])
    known = [clip_hashes(film(seed)) for seed in range(5, 25)]
    known.insert(7, clip_hashes(film(4)))
    matches = find_matches([clip_hashes(decode_plainly(copy)[0])], known)
    assert [(m.first, m.second) for m in matches] == [(0, 7)]
    assert matches[0].bits <= SAME_BITS


def test_a_mirrored_clip_and_a_part_of_a_clip_are_found() -> None:
    whole = film(4, 50)
    known = [clip_hashes(film(seed, 50)) for seed in range(5)]
    for copy in (whole[:, :, ::-1], whole[20:34]):
        assert [m.second for m in find_matches([clip_hashes(copy)], known)] == [4]


def test_pairs_inside_a_set_are_named_once() -> None:
    clips = [film(1), film(2), film(1)[:, :, ::-1], film(3), film(1)]
    hashes = [clip_hashes(c) for c in clips]
    pairs = {(m.first, m.second) for m in find_matches(hashes, hashes)}
    assert pairs == {(0, 2), (0, 4), (2, 4)}


def test_different_films_do_not_match() -> None:
    hashes = [clip_hashes(film(seed)) for seed in range(60)]
    assert find_matches(hashes, hashes) == []
