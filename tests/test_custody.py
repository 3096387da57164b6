"""Custody records: sealed, signed, found out when anything was changed, never overwritten."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from unreel.detector.audit.chain import canonical
from unreel.detector.cli import main
from unreel.detector.config import ScanConfig
from unreel.detector.custody import keys
from unreel.detector.custody.instruments import instruments
from unreel.detector.custody.keys import is_signed, load_private_key, make_key, sign
from unreel.detector.custody.record import sealed, settings_as_json
from unreel.detector.custody.verify import config_of, largest_difference
from unreel.detector.errors import MissingExtraError, UsageError


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def outcomes(result: Result) -> dict[str, str]:
    checks = json.loads(result.stdout)["checks"]
    return {check["name"]: check["status"] for check in checks}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "examiner.pem"
    make_key(path)
    return path


@pytest.fixture(scope="module")
def written(clip: Path, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed record of a scan, with a copy of the clip beside it."""
    folder = tmp_path_factory.mktemp("records")
    copy = Path(shutil.copy(clip, folder / "clip.mp4"))
    target = folder / "clip.custody.json"
    options = ("--custody", target, "--custody-key", key, "--no-recheck", "--threads", 1)
    result = run("scan", *options, copy)
    assert result.exit_code == 0, result.output
    return target


def test_a_record_holds_and_can_be_computed_again(written: Path, key: Path) -> None:
    result = run("custody", "verify", written, "--key", f"{key}.pub", "--rescan", "--json")
    assert result.exit_code == 0, result.output
    assert set(outcomes(result).values()) == {"holds"}
    assert len(outcomes(result)) == 9


def test_what_stands_in_a_record(written: Path) -> None:
    record = json.loads(written.read_text())["record"]
    assert record["file"]["bytes"] == (written.parent / "clip.mp4").stat().st_size
    assert record["container"]["boxes"][0]["path"] == "ftyp"
    assert record["instruments"]["model"]["files"].keys() >= {"model.onnx", "calibration.json"}
    libraries = record["instruments"]["libraries"]
    assert libraries["decord2"].keys() == {"version", "native_sha256"}
    assert libraries["decord2"]["native_sha256"] != libraries["av"]["native_sha256"]
    (window,) = record["sampled_pts_seconds"]
    assert len(window) == 8 and window == sorted(window)
    assert record["result"]["lanes"]["learned"]["windows"][0]["score"] is not None
    assert record["settings"]["recheck"] is False


Change = Callable[[dict[str, Any]], None]
CHANGES: dict[str, Change] = {
    "score": lambda d: d["record"]["result"]["verdict"].update(score=0.5),
    "file hash": lambda d: d["record"]["file"].update(sha256="0" * 64),
    "a box": lambda d: d["record"]["container"]["boxes"][0].update(size=33),
    "time": lambda d: d["record"].update(made_at="2001-01-01T00:00:00Z"),
    "frames": lambda d: d["record"]["sampled_pts_seconds"][0].pop(),
    "settings": lambda d: d["record"]["settings"].update(fpr=0.1),
}


def rewritten(written: Path, change: Change, target: Path, *, new_hash: bool) -> Path:
    document = json.loads(written.read_text())
    change(document)
    if new_hash:
        document["record_sha256"] = sealed(document["record"])["record_sha256"]
    target.write_text(json.dumps(document))
    shutil.copy(written.parent / "clip.mp4", target.parent / "clip.mp4")
    return target


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("new_hash", [False, True])
def test_any_change_is_found(written: Path, tmp_path: Path, change: str, new_hash: bool) -> None:
    target = rewritten(written, CHANGES[change], tmp_path / "changed.json", new_hash=new_hash)
    result = run("custody", "verify", target, "--json")
    assert result.exit_code == 1
    assert outcomes(result)["signature"] == "differs"
    assert outcomes(result)["record"] == ("holds" if new_hash else "differs")
    named = {"file hash": "file", "a box": "container", "settings": "settings"}
    if change in named:
        assert outcomes(result)[named[change]] == "differs"


@pytest.mark.parametrize("change", ["score", "frames"])
def test_a_forger_who_signs_anew_is_found_by_scanning_again(
    written: Path, tmp_path: Path, change: str
) -> None:
    target = rewritten(written, CHANGES[change], tmp_path / "forged.json", new_hash=True)
    document = json.loads(target.read_text())
    make_key(tmp_path / "forger.pem")
    forger = load_private_key(tmp_path / "forger.pem")
    target.write_text(json.dumps(sealed(document["record"], forger)))
    result = run("custody", "verify", target, "--rescan", "--json")
    assert result.exit_code == 1
    assert outcomes(result)["signature"] == "holds"
    assert outcomes(result)["scores"] == "differs"


@pytest.mark.parametrize(
    ("other", "apart"),
    [
        ({"label": "a", "scores": [0.5, 1.0]}, 0.0),
        ({"label": "a", "scores": [0.51, 1.0]}, 0.01),
        ({"label": "a", "scores": [0.9, 1.0]}, 0.4),
        ({"label": "b", "scores": [0.5, 1.0]}, None),
        ({"label": "a", "scores": [0.5]}, None),
        ({"label": "a", "scores": [0.5, None]}, None),
        ({"label": "a", "scores": [0.5, 1]}, None),
        ({"label": "a"}, None),
    ],
)
def test_only_fractions_may_differ_between_processors(
    other: dict[str, Any], apart: float | None
) -> None:
    found = largest_difference({"label": "a", "scores": [0.5, 1.0]}, other)
    assert found == (None if apart is None else pytest.approx(apart))


def test_another_key_is_not_the_one_expected(written: Path, tmp_path: Path) -> None:
    make_key(tmp_path / "other.pem")
    result = run("custody", "verify", written, "--key", tmp_path / "other.pem.pub")
    assert result.exit_code == 1
    assert "not by the key given" in result.stdout
    assert "does NOT hold" in result.stdout


def test_a_changed_and_a_missing_file(written: Path, tmp_path: Path) -> None:
    data = bytearray((written.parent / "clip.mp4").read_bytes())
    data[-1] ^= 1
    changed = tmp_path / "changed.mp4"
    changed.write_bytes(data)
    result = run("custody", "verify", written, "--file", changed, "--json")
    assert (result.exit_code, outcomes(result)["file"]) == (1, "differs")
    alone = tmp_path / "alone.json"
    document = json.loads(written.read_text())
    document["record"]["file"]["path"] = "gone.mp4"
    alone.write_text(json.dumps(sealed(document["record"])))
    result = run("custody", "verify", alone, "--json")
    assert result.exit_code == 0
    found = outcomes(result)
    assert found["file"] == found["container"] == found["signature"] == "not-checked"


def test_several_files_go_into_a_folder_and_errors_have_a_record_too(
    clip: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "records"
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    other = tmp_path / "deeper" / "bad.mp4"
    other.parent.mkdir()
    other.write_text("none either")
    assert run("scan", "--custody", folder, bad, other).exit_code == 3
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["bad.mp4-2.custody.json", "bad.mp4.custody.json"]
    record = json.loads((folder / names[1]).read_text())["record"]
    assert record["result"]["error"]["code"] == "not-a-video"
    assert record["file"]["sha256"] is not None
    assert run("custody", "verify", folder / names[1]).exit_code == 0


def test_nothing_is_overwritten_and_what_is_off_is_said_first(clip: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.json"
    there.write_text("mine")
    cases: list[tuple[object, ...]] = [
        ("--custody", there),
        ("--custody", tmp_path / "clip.mp4"),
        ("--custody", tmp_path / "no" / "folder.json"),
        ("--custody-key", there),
        ("--custody", tmp_path / "x.json", "--custody-key", there),
        ("--custody", tmp_path / "x.json", "--custody-key", tmp_path / "gone.pem"),
    ]
    for options in cases:
        result = run("scan", *options, clip)
        assert result.exit_code == 2, options
        assert result.stdout == ""
    assert there.read_text() == "mine"
    assert run("custody", "keygen", there).exit_code == 2
    for wrong in (there, tmp_path / "gone.json", clip):
        assert run("custody", "verify", wrong).exit_code == 2


def test_a_private_key_is_readable_by_its_owner_alone(key: Path) -> None:
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_key_with_a_password(tmp_path: Path) -> None:
    path = tmp_path / "locked.pem"
    asked = CliRunner().invoke(
        main, ["custody", "keygen", "--password", str(path)], input="horse\nhorse\n"
    )
    assert asked.exit_code == 0, asked.output
    assert b"ENCRYPTED" in path.read_bytes()
    assert load_private_key(path, lambda: b"horse")
    with pytest.raises(UsageError, match="cannot be used"):
        load_private_key(path, lambda: b"donkey")


def test_without_cryptography_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cryptography.hazmat.primitives", None)
    with pytest.raises(MissingExtraError, match=r"unreel\[provenance\]"):
        keys._library("--custody-key")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.text(), JSON, max_size=5), st.dictionaries(st.text(), JSON, max_size=5))
def test_a_signature_is_of_one_record_whatever_the_file_looks_like(
    key: Path, one: dict[str, Any], other: dict[str, Any]
) -> None:
    signature: dict[str, object] = {**sign(load_private_key(key), canonical(one).encode())}
    reread = json.loads(json.dumps(one, indent=3, ensure_ascii=False))
    assert is_signed(signature, canonical(reread).encode()) is not None
    if canonical(one) != canonical(other):
        assert is_signed(signature, canonical(other).encode()) is None


def test_settings_are_read_back() -> None:
    config = ScanConfig(fpr=0.05, max_windows=3, recheck=False, threads=2)
    assert config_of(json.loads(canonical(settings_as_json(config)))) == config


def test_what_judged_faces_is_named_by_its_hash(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "nothing"))
    plain = json.loads(written.read_text())["record"]["instruments"]
    assert "face_detector" not in plain, "no face was looked for"
    finder = tmp_path / "finder.onnx"
    finder.write_bytes(b"a network")
    named = instruments(None, None, finder)
    assert named["face_detector"] == {"sha256": hashlib.sha256(b"a network").hexdigest()}
    assert set(named["face_model"]["files"]) == {"head.json", "calibration.json", "backbone.onnx"}

    def with_faces(document: dict[str, Any]) -> None:
        for name in ("face_detector", "face_model"):
            document["record"]["instruments"][name] = named[name]
        document["record"]["settings"]["face_detector"] = str(finder)

    target = rewritten(written, with_faces, tmp_path / "faces.json", new_hash=True)
    found = outcomes(run("custody", "verify", target, "--json"))
    assert found["face_detector"] == found["face_model"] == "holds"
    finder.write_bytes(b"another network")
    found = outcomes(run("custody", "verify", target, "--json"))
    assert (found["face_detector"], found["face_model"]) == ("not-checked", "holds")

    def fetched(document: dict[str, Any]) -> None:
        with_faces(document)
        document["record"]["settings"]["face_detector"] = None

    target = rewritten(written, fetched, tmp_path / "fetched.json", new_hash=True)
    result = run("custody", "verify", target, "--json")
    assert outcomes(result)["face_detector"] == "not-checked"
    assert "unreel models pull faces" in result.stdout


def test_an_object_detector_is_named_by_its_hash(written: Path, tmp_path: Path) -> None:
    weights = tmp_path / "names.onnx"
    weights.write_bytes(b"a network")
    named = instruments(None, weights)["object_detector"]
    assert named == {"sha256": hashlib.sha256(b"a network").hexdigest()}

    def with_detector(document: dict[str, Any]) -> None:
        document["record"]["instruments"]["object_detector"] = named
        document["record"]["settings"]["object_detector"] = str(weights)

    target = rewritten(written, with_detector, tmp_path / "named.json", new_hash=True)
    assert outcomes(run("custody", "verify", target, "--json"))["object_detector"] == "holds"
    weights.write_bytes(b"another network")
    assert outcomes(run("custody", "verify", target, "--json"))["object_detector"] == "not-checked"
    weights.unlink()
    found = outcomes(run("custody", "verify", target, "--rescan", "--json"))
    assert found["model"] == found["scores"] == "not-checked"
