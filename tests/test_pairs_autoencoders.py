"""Autoencoders: their layout, that time flows forward, that a training run goes on."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import numpy as np
import pytest
from make_media import Recipe, write_video

torch = pytest.importorskip("torch")

from unreel.data.manifest import read_manifest
from unreel.data.pairs.autoencoders import open_autoencoder
from unreel.data.pairs.image_autoencoder import load_tiny
from unreel.data.pairs.latents import Strength, moved
from unreel.data.pairs.train_autoencoder import Settings, train
from unreel.data.pairs.video_autoencoder import (
    CausalVideoAutoencoder,
    CausalVideoNetwork,
    Size,
    load_causal,
    save_network,
)
from unreel.detector.errors import ModelError, UsageError

SMALL = Size(latent=4, fine=8, middle=8, deep=8)
FRAMES = np.random.default_rng(5).integers(0, 256, (9, 32, 40, 3), np.uint8)


def network(seed: int = 0) -> CausalVideoNetwork:
    """One whose zero-initialised branches are not zero, so that they take part."""
    torch.manual_seed(seed)
    made = CausalVideoNetwork(SMALL).eval()
    for value in made.parameters():
        torch.nn.init.normal_(value, std=0.2)
    return made


# -- latents


def test_noise_is_a_share_of_each_channel_and_the_same_for_the_same_seed() -> None:
    latents = torch.randn(3, 2, 40, 40) * torch.tensor([1.0, 9.0]).view(1, 2, 1, 1)
    change = moved(latents, Strength(0.5), seed=4) - latents
    assert change.std(dim=(0, 2, 3)) == pytest.approx([0.5, 4.5], rel=0.1)
    assert torch.equal(moved(latents, Strength(0.5), 4), moved(latents, Strength(0.5), 4))
    assert not torch.equal(moved(latents, Strength(0.5), 4), moved(latents, Strength(0.5), 5))


def test_quantised_latents_take_few_values() -> None:
    found = moved(torch.randn(2, 1, 64, 64), Strength(levels=8), seed=0)
    assert 6 <= len(found.unique()) <= 14  # eight steps in +-3 standard deviations, and tails
    assert torch.equal(moved(found, Strength(), 0), found)


# -- the TAESD family


def tiny_states(latent: int = 4, width: int = 8, pooled: int = 16) -> tuple[dict, dict]:
    """State dicts with the names of that family, one halving, small."""

    def block(n: int) -> dict:
        names = {f"{n}.conv.{k}.weight": (width, width, 3, 3) for k in (0, 2, 4)}
        names |= {f"{n}.conv.{k}.bias": (width,) for k in (0, 2, 4)}
        names |= {f"{n}.pool.0.weight": (pooled, width, 1, 1)}
        names |= {f"{n}.pool.1.{k}": (pooled,) for k in ("weight", "bias")}
        return names | {f"{n}.pool.3.weight": (width, pooled, 1, 1)}

    encoder = {"0.weight": (width, 3, 3, 3), "0.bias": (width,), **block(1)}
    encoder |= {"2.weight": (width, width, 3, 3), "3.weight": (latent, width, 3, 3)}
    encoder |= {"3.bias": (latent,)}
    decoder = {"1.weight": (width, latent, 3, 3), "1.bias": (width,), **block(3)}
    decoder |= {"5.weight": (width, width, 3, 3), "6.weight": (3, width, 3, 3), "6.bias": (3,)}
    torch.manual_seed(0)
    return tuple({k: 0.1 * torch.randn(v) for k, v in s.items()} for s in (encoder, decoder))


def test_a_state_dict_tells_its_layout(tmp_path: Path) -> None:
    encoder, decoder = tiny_states()
    torch.save(encoder, tmp_path / "some_encoder.pth")
    torch.save(decoder, tmp_path / "some_decoder.pth")
    found = load_tiny(tmp_path, "cpu")
    assert found.name == "some"
    layers = [type(layer).__name__ for layer in found._decoder]
    assert layers == ["_Bound", "Conv2d", "ReLU", "_Block", "Upsample", "Conv2d", "Conv2d"]
    assert [layer.stride for layer in found._encoder if hasattr(layer, "stride")] == [
        (1, 1), (2, 2), (1, 1),
    ]  # fmt: skip
    made = found.reconstruct(FRAMES, Strength(0.2, 16), seed=1)
    assert made.shape == FRAMES.shape and made.dtype == np.uint8


def test_other_weights_are_refused_with_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds 0 files"):
        open_autoencoder(str(tmp_path))
    torch.save({"0.odd": torch.zeros(3)}, tmp_path / "x_encoder.pth")
    torch.save({"0.odd": torch.zeros(3)}, tmp_path / "x_decoder.pth")
    with pytest.raises(ModelError, match="none of the TAESD family"):
        open_autoencoder(str(tmp_path))
    (tmp_path / "x_decoder.pth").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot read weights"):
        open_autoencoder(str(tmp_path))
    with pytest.raises(ModelError, match="allowed are"):
        open_autoencoder("no such thing")


def test_taef2_gives_back_what_it_was_shown(corpus: Path) -> None:
    weights = corpus.parent / "weights"
    if not (weights / "taef2_encoder.pth").exists():
        pytest.skip("no TAEF2 weights in ../shared/weights: they are not part of the project")
    rows, columns = np.mgrid[:128, :128]
    waves = 128 + 60 * np.sin(rows / 9) + 50 * np.cos(columns / 13)
    frames = np.repeat(waves[None, ..., None], 3, axis=-1).astype(np.uint8)
    taef2 = open_autoencoder(str(weights))
    errors = [
        float((taef2.reconstruct(frames, s, 0).astype(float) - frames).std())
        for s in (Strength(), Strength(0.3, 8))
    ]
    assert errors[0] < 8 < errors[1]  # 8 grey levels are 30 dB


# -- the causal video autoencoder


def test_a_latent_stands_for_four_frames_and_the_first_for_one() -> None:
    frames = torch.randn(2, 9, 3, 32, 48)
    latents = network().encode(frames)
    assert latents.shape == (2, 3, 4, 4, 6)
    assert network().decode(latents).shape == frames.shape


def test_time_flows_forward_only() -> None:
    made, frames = network(), torch.randn(1, 9, 3, 16, 16)
    changed = frames.clone()
    changed[:, 5:] += 1  # the third group: frames 5 to 8
    first, second = made.encode(frames), made.encode(changed)
    assert torch.equal(first[:, :2], second[:, :2])
    assert not torch.allclose(first[:, 2], second[:, 2])
    assert torch.equal(made.decode(first)[:, :5], made.decode(second)[:, :5])


@pytest.mark.parametrize("count", [1, 5, 7, 9])
def test_any_number_of_frames_comes_back(count: int) -> None:
    model = CausalVideoAutoencoder(network(), name="own", device="cpu")
    assert model.reconstruct(FRAMES[:count], Strength(0.1), 0).shape == FRAMES[:count].shape


def test_a_saved_network_gives_the_same_frames(tmp_path: Path) -> None:
    made = network()
    save_network(made, tmp_path, {"name": "own", "seen_sha256": []})
    made.load_state_dict({k: v.half().float() for k, v in made.state_dict().items()})  # as stored
    want = CausalVideoAutoencoder(made, name="own", device="cpu").reconstruct(FRAMES, Strength(), 0)
    found = open_autoencoder(str(tmp_path))
    assert found.name == "own"
    assert np.array_equal(found.reconstruct(FRAMES, Strength(), 0), want)
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(ModelError, match="cannot use the video autoencoder"):
        load_causal(tmp_path, "cpu")


def test_the_one_in_the_package_draws_what_it_was_shown() -> None:
    """A textured square that drifts over a ramp, nine frames of 96x96."""
    rng = np.random.default_rng(3)
    ramp = np.linspace(40, 200, 96)
    ground = np.stack([np.add.outer(ramp, ramp[::-1]) / 2] * 3, axis=-1)
    square = rng.integers(60, 200, (6, 6, 3)).repeat(6, 0).repeat(6, 1)
    frames = np.stack([ground] * 9).astype(np.uint8)
    for number, frame in enumerate(frames):
        frame[20:56, 10 + 3 * number : 46 + 3 * number] = square
    drawn = open_autoencoder("causal4").reconstruct(frames, Strength(), 0).astype(float)
    psnr = -10 * np.log10(((drawn - frames) ** 2).mean() / 255**2)
    assert 24 < psnr < 60
    assert not np.array_equal(drawn, frames)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rows = ["path,label,group,sha256"]
    for n in range(6):
        name = write_video(tmp_path, Recipe(width=96, height=64, frames=18), f"c{n}").name
        rows.append(f"{name},real,g{n},{str(n) * 64}")
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_training_learns_holds_a_fold_out_and_goes_on_where_it_stopped(
    tmp_path: Path, manifest: Path
) -> None:
    settings = Settings(
        hold_out=0, folds=3, steps=200, batch=1, crop=32, frames=5, rate=5e-3, size=SMALL
    )
    metrics = train(manifest, tmp_path / "run", settings)
    assert metrics["clips"] == 2 and metrics["psnr_db"] > 12
    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert config["trained_on"] == 4 == len(config["seen_sha256"])
    held = {c.sha256[:16] for c in read_manifest(manifest)} - set(config["seen_sha256"])
    assert len(held) == 2

    assert train(manifest, tmp_path / "run", settings) == metrics  # DONE: nothing is done again
    with pytest.raises(UsageError, match="other clips or settings"):
        train(manifest, tmp_path / "run", Settings(hold_out=1, folds=3))


def test_a_run_that_was_killed_ends_with_the_same_weights(
    tmp_path: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unreel.data.pairs import train_autoencoder

    monkeypatch.setattr(train_autoencoder, "CHECKPOINT_STEPS", 4)
    settings = Settings(steps=10, batch=1, crop=32, frames=5, size=SMALL)
    train(manifest, tmp_path / "whole", settings)

    def killed(line: str) -> None:
        if line.startswith("step 8 "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(manifest, tmp_path / "cut", settings, tell=killed)
    assert not (tmp_path / "cut" / "DONE").exists()
    train(manifest, tmp_path / "cut", settings)
    names = [tmp_path / run / "model" / "model.safetensors" for run in ("whole", "cut")]
    assert names[0].read_bytes() == names[1].read_bytes()


# -- diffusers


def test_a_folder_of_diffusers_is_an_autoencoder(tmp_path: Path) -> None:
    diffusers = pytest.importorskip("diffusers")
    made = diffusers.AutoencoderKL(
        block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2, norm_num_groups=2,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4,
    )  # fmt: skip
    made.save_pretrained(tmp_path / "vae")
    found = open_autoencoder(str(tmp_path / "vae"))
    assert found.reconstruct(FRAMES[:2, :32, :32], Strength(0.1), 0).shape == (2, 32, 32, 3)


def test_a_hub_that_cannot_be_asked_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("diffusers")
    with socket.socket() as taken:  # bound and not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        _expect_advice()


def _expect_advice() -> None:
    with pytest.raises(ModelError, match=r"hf download some/vae --local-dir DIR"):
        open_autoencoder("hf-hub:some/vae")
