"""Random trips through real encoders: what is drawn, and what comes out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unreel.data.canonical import CONDITIONS, decoded
from unreel.data.codec_chain import (
    LOSSY,
    Chain,
    check_names,
    draw_chain,
    encode_as,
    encode_chain,
    settings_of,
)
from unreel.data.codecs import CODECS
from unreel.data.manifest import Clip
from unreel.detector.encode import H264Writer
from unreel.detector.errors import MediaError, UsageError

PLAIN = Chain(640, None, 0.0, 0.0, 0.0, "", (("h264", 20),), 7)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of 24 frames, 320x180, a texture that drifts."""
    path = tmp_path_factory.mktemp("source") / "in.mp4"
    rng = np.random.default_rng(0)
    ground = rng.integers(60, 190, (9, 16, 3), dtype=np.uint8).repeat(20, 0).repeat(20, 1)
    with H264Writer(str(path), width=320, height=180, crf=10, preset="ultrafast") as writer:
        for number in range(24):
            writer.write(np.roll(ground, number, axis=1), number / 24)
    return path


def pictures(path: Path) -> np.ndarray:
    return np.stack([f.to_ndarray(format="rgb24") for f, _ in decoded(path, None, 99)])


@given(st.integers(0, 2**32 - 1))
def test_what_is_drawn_keeps_to_its_bounds(seed: int) -> None:
    chain = draw_chain(np.random.default_rng(seed))
    assert chain == draw_chain(np.random.default_rng(seed))
    assert 1 <= len(chain.trips) <= 2
    assert all(codec in LOSSY and 18 <= crf <= 40 for codec, crf in chain.trips)
    assert not (chain.blur_sigma and chain.sharpen)


def test_everything_is_drawn_now_and_then() -> None:
    drawn = [draw_chain(np.random.default_rng(seed)) for seed in range(300)]
    assert {codec for chain in drawn for codec, _ in chain.trips} == set(LOSSY)
    assert {chain.logo for chain in drawn} == {"", "paste", "erase"}
    assert {len(chain.trips) for chain in drawn} == {1, 2}
    for name in ("blur_sigma", "sharpen", "noise", "max_fps"):
        assert 0.05 < np.mean([bool(getattr(chain, name)) for chain in drawn]) < 0.6


@pytest.mark.parametrize("codec", LOSSY)
def test_a_clip_comes_out_as_the_codec_that_was_drawn(
    source: Path, tmp_path: Path, codec: str
) -> None:
    chain = replace(PLAIN, trips=(("h264", 30), (codec, 34)), max_fps=12.0, long_side=160)
    out = encode_chain(source, tmp_path / "out.mp4", chain)
    assert out.suffix == CODECS[codec].suffix
    with av.open(str(out)) as container:
        named = container.streams.video[0].codec_context.name
    assert named == {"h265": "hevc", "av1": "libdav1d"}.get(codec, codec)
    assert pictures(out).shape == (12, 90, 160, 3)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_each_change_of_the_picture_is_seen(source: Path, tmp_path: Path) -> None:
    plain = pictures(encode_chain(source, tmp_path / "plain.mp4", PLAIN)).astype(int)
    changed = {
        "noise": replace(PLAIN, noise=5.0), "blur": replace(PLAIN, blur_sigma=1.2),
        "sharpen": replace(PLAIN, sharpen=1.0), "paste": replace(PLAIN, logo="paste"),
        "erase": replace(PLAIN, logo="erase"),
    }  # fmt: skip
    for name, chain in changed.items():
        found = pictures(encode_chain(source, tmp_path / f"{name}.mp4", chain)).astype(int)
        difference = np.abs(found - plain).mean(axis=(0, 3))
        assert difference.max() > 5, name
        if chain.logo:  # in one corner of all frames, nowhere else
            touched = difference > 20
            assert 0 < touched.mean() < 0.15, name
            assert difference[60:120, 110:210].max() < 10, name


def test_halves_of_a_pair_go_the_same_way_and_others_their_own(
    source: Path, tmp_path: Path
) -> None:
    camera = Clip(source, "real", "g", pair_id="p", sha256="a" * 64)
    made = replace(camera, label="generated", sha256="b" * 64)
    first, second = (
        encode_as(clip, "chain4", tmp_path / f"{clip.label}.mp4") for clip in (camera, made)
    )
    assert first.suffix == second.suffix and first.read_bytes() == second.read_bytes()
    other = encode_as(replace(made, pair_id=""), "chain4", tmp_path / "other.mp4")
    assert other.read_bytes() != first.read_bytes()
    assert encode_as(camera, "raw", tmp_path / "raw.mp4") == source


def test_caches_tell_chains_and_conditions_apart() -> None:
    assert settings_of("canonical") == repr(CONDITIONS["canonical"])
    assert settings_of("chain1") != settings_of("chain2")
    check_names(["raw", "hard", "chain12"])
    with pytest.raises(UsageError, match="chain0 to chain999"):
        check_names(["chain"])


def test_what_holds_no_frame_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing")
    with pytest.raises(MediaError, match="no frame"):
        encode_chain(broken, tmp_path / "out.mp4", PLAIN)
    assert [path.name for path in tmp_path.iterdir()] == ["broken.mp4"]
