"""C2PA: signed, edited, tampered, stripped and re-muxed files, made here with an own authority."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from make_media import Recipe, numbered_frames, write_video
from make_signed import authority, edited_manifest, generated_manifest, sign

from unreel.detector.lanes import provenance as lane
from unreel.detector.lanes.provenance import look_at
from unreel.detector.provenance.c2pa_claims import SOURCE_TYPES, claims_of
from unreel.detector.provenance.c2pa_process import C2paProcess, c2pa_process
from unreel.detector.provenance.records import Provenance
from unreel.detector.provenance.words import manifest_tree, summary

RECIPES = {
    "mp4": Recipe(frames=12, audio=True),
    "mov": Recipe(suffix=".mov", frames=12),
    "avi": Recipe("mpeg4", ".avi", frames=12),
    "gif": Recipe("gif", ".gif", "rgb8", frames=6),
}
FORMATS = (*RECIPES, "jpg", "png")


def plain(folder: Path, kind: str) -> Path:
    if kind in RECIPES:
        return write_video(folder, RECIPES[kind], name="plain")
    path = folder / f"plain.{kind}"
    assert cv2.imwrite(str(path), numbered_frames(1, 160, 96)[0])
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("signed")


@pytest.fixture(scope="module")
def trust_list(folder: Path) -> str:
    path = folder / "root.pem"
    # The public list has a line with the subject before each certificate.
    heads = ("Subject\tCN=Somebody Else\n", "\nSubject\tCN=Prüfstelle, C=DE\n")
    roots = (authority("Somebody Other").root, authority("Test signer").root)
    path.write_bytes(b"".join(h.encode() + r for h, r in zip(heads, roots, strict=True)))
    return str(path)


@pytest.fixture(scope="module")
def signed(folder: Path) -> dict[str, Path]:
    return {kind: sign(plain(folder, kind), folder / f"signed.{kind}") for kind in FORMATS}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_signed_file_is_trusted_only_with_a_list(
    signed: dict[str, Path], trust_list: str, kind: str
) -> None:
    found = look_at(signed[kind], trust_lists=(trust_list,)).c2pa
    assert (found.state, found.failures) == ("trusted", ())
    assert "it verifies, and the signer is on the trust list" in found.words
    manifest = found.manifest
    assert manifest is not None
    assert manifest.source_types == ("trainedAlgorithmicMedia",)
    assert manifest.generator == "Generator 1.0"
    assert (manifest.signer, manifest.issuer) == ("Test signer", "Tests of unreel")
    assert [(a.name, a.software) for a in manifest.actions] == [("c2pa.created", "GenModel")]

    without = look_at(signed[kind]).c2pa
    assert (without.state, without.trust_list) == ("untrusted", False)
    assert "held against no list" in without.words


@pytest.mark.parametrize("kind", ["mp4", "mov", "avi", "jpg"])
def test_one_changed_byte_is_told(signed: dict[str, Path], tmp_path: Path, kind: str) -> None:
    data = bytearray(signed[kind].read_bytes())
    # In the pictures and behind the manifest, which holds a small picture of its own.
    payload = {"mp4": b"mdat", "mov": b"mdat", "avi": b"movi", "jpg": b"\xff\xda"}[kind]
    data[data.rindex(payload) + 40] ^= 0x55
    path = tmp_path / f"tampered.{kind}"
    path.write_bytes(data)
    found = look_at(path).c2pa
    assert found.state == "invalid"
    assert "its bytes changed" in found.words
    assert found.manifest is not None
    assert any("Hash.mismatch" in failure for failure in found.failures)
    assert "What cannot be relied on, it claims" in summary(look_at(path))[0]


def test_half_a_signed_file_is_invalid_and_still_tells_its_claim(
    signed: dict[str, Path], tmp_path: Path
) -> None:
    data = signed["mp4"].read_bytes()
    path = tmp_path / "half.mp4"
    path.write_bytes(data[: int(len(data) * 0.7)])
    found = look_at(path)
    assert found.c2pa.state == "invalid"
    assert found.container is not None
    assert any("cut off" in note for note in found.container.notes)


def remux(source: Path, target: Path) -> Path:
    with av.open(str(source)) as opened, av.open(str(target), "w") as out:
        stream = opened.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in opened.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    return target


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_remuxing_strips_it_and_that_says_nothing(
    signed: dict[str, Path], tmp_path: Path, suffix: str
) -> None:
    found = look_at(remux(signed["mp4"], tmp_path / f"out{suffix}")).c2pa
    assert found.state == "none"
    assert "says nothing" in found.words


def test_webm_has_no_place_for_it_and_that_is_said(tmp_path: Path) -> None:
    recipe = Recipe("libvpx-vp9", ".webm", frames=6, options={"deadline": "realtime"})
    found = look_at(write_video(tmp_path, recipe)).c2pa
    assert found.state == "unsupported-format"
    assert "no place in webm" in found.words


def test_what_it_was_made_from_is_a_tree(
    signed: dict[str, Path], folder: Path, trust_list: str
) -> None:
    path = sign(signed["mp4"], folder / "edited.mp4", edited_manifest(), parent=signed["mp4"])
    found = look_at(path, trust_lists=(trust_list,))
    manifest = found.c2pa.manifest
    assert manifest is not None and found.c2pa.state == "trusted"
    assert manifest.source_types == ()
    assert [part.relationship for part in manifest.ingredients] == ["parentOf"]
    assert manifest.ingredients[0].source_types == ("trainedAlgorithmicMedia",)
    lines = list(manifest_tree(manifest))
    assert lines[0].startswith("edited, by Editor 1.0, signed by Test signer")
    assert any(line.startswith("  made from: parent, by Generator 1.0") for line in lines)
    assert "an ingredient was made by a generative model" in summary(found)[0]


def test_a_signer_that_is_not_on_the_list_is_untrusted(
    folder: Path, trust_list: str, tmp_path: Path
) -> None:
    other = sign(plain(folder, "mp4"), tmp_path / "other.mp4", signer="Somebody else")
    found = look_at(other, trust_lists=(trust_list,)).c2pa
    assert (found.state, found.trust_list) == ("untrusted", True)
    assert "is not on the trust list given" in found.words


def test_without_the_extra_the_lane_says_that_a_manifest_is_there(
    signed: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "missing_modules", lambda extra: ("c2pa",))
    found = look_at(signed["mp4"]).c2pa
    assert found.state == "not-checked"
    assert "pip install 'unreel[provenance]'" in found.words


def test_a_manifest_kept_elsewhere_is_named_and_not_fetched(tmp_path: Path) -> None:
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        b'xmlns:dcterms="http://purl.org/dc/terms/" '
        b'dcterms:provenance="https://cai.example.org/m.c2pa"/></rdf:RDF></x:xmpmeta>'
    )
    body = b"http://ns.adobe.com/xap/1.0/\0" + packet
    picture = plain(tmp_path, "jpg").read_bytes()
    path = tmp_path / "remote.jpg"
    segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    path.write_bytes(picture[:2] + segment + picture[2:])
    found = look_at(path)
    assert found.c2pa.state == "not-checked"
    assert "not fetched: https://cai.example.org/m.c2pa" in found.c2pa.words


def test_the_strings_of_a_manifest_are_bounded(folder: Path, tmp_path: Path) -> None:
    manifest = generated_manifest(generator="G" * 5000, title="T" * 5000)
    found = look_at(sign(plain(folder, "mp4"), tmp_path / "long.mp4", manifest)).c2pa
    assert found.manifest is not None and found.manifest.title is not None
    assert len(found.manifest.title) < 400
    assert len(found.manifest.generator or "") < 700


def test_a_process_that_dies_is_said_and_the_next_file_has_a_new_one(
    signed: dict[str, Path],
) -> None:
    process = c2pa_process(())
    assert look_at(signed["mp4"]).c2pa.state == "untrusted"
    assert process._child is not None
    os.kill(process._child.pid, signal.SIGKILL)
    process._child.wait()
    died = look_at(signed["mp4"]).c2pa
    assert died.state == "failed" and "could not be checked" in died.words
    assert look_at(signed["mp4"]).c2pa.state == "untrusted"


def test_a_process_that_does_not_answer_is_killed(signed: dict[str, Path]) -> None:
    process = C2paProcess(())
    descriptor = os.open(signed["mp4"], os.O_RDONLY)
    try:
        assert process.ask(descriptor, "video/mp4")["state"] == "Valid"
        child = process._child
        assert child is not None
        os.kill(child.pid, signal.SIGSTOP)
        assert process.ask(descriptor, "video/mp4", 0.3)["error"] == "Timeout"
        assert child.returncode is not None
    finally:
        os.close(descriptor)
        process.close()


def test_mutated_signed_files_give_a_state_each(signed: dict[str, Path], tmp_path: Path) -> None:
    states: dict[str, int] = {}
    for number in range(60):
        rng = np.random.default_rng(number)
        kind = ("mp4", "avi", "jpg")[number % 3]
        data = bytearray(signed[kind].read_bytes())
        where = data.find(b"jumb")  # into the manifest store itself
        for place in rng.integers(max(0, where - 40), where + 2500, int(rng.integers(1, 20))):
            data[min(int(place), len(data) - 1)] = int(rng.integers(256))
        path = tmp_path / f"mutated.{kind}"
        path.write_bytes(data)
        found = look_at(path)
        assert isinstance(found, Provenance)
        states[found.c2pa.state] = states.get(found.c2pa.state, 0) + 1
    assert states.keys() <= {"invalid", "untrusted", "none", "failed", "not-checked"}
    assert states["invalid"] > 20


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"error": "NotSupported", "message": "x"}, "unsupported-format"),
        ({"error": "ManifestNotFound", "message": "x"}, "none"),
        ({"error": "Died", "message": "x"}, "failed"),
        ({"error": "Other", "message": "x"}, "invalid"),
        ({"state": "Valid", "store": {"manifests": 7, "validation_results": []}}, "untrusted"),
        ({"state": None, "store": {}}, "invalid"),
    ],
)
def test_whatever_the_library_answers_is_a_state(answer: dict[str, object], state: str) -> None:
    found = claims_of(answer, trust_list=False)
    assert found.state == state
    assert found.words


def test_a_manifest_that_is_its_own_ingredient_ends() -> None:
    loop = {"ingredients": [{"active_manifest": "a"}, {"active_manifest": "a"}]}
    store = {"active_manifest": "a", "manifests": {"a": loop}}
    found = claims_of({"state": "Valid", "store": store}, trust_list=False)
    assert found.manifest is not None
    assert len(list(manifest_tree(found.manifest))) < 100


def test_every_source_type_has_words() -> None:
    assert all(words and words[0].islower() for words in SOURCE_TYPES.values())
