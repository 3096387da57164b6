"""`unreel doctor` finds what works, and says what does not."""

from __future__ import annotations

import json

from click.testing import CliRunner

from unreel.detector import doctor
from unreel.detector.cli import main
from unreel.detector.doctor import Check


def test_all_is_well_here() -> None:
    result = CliRunner().invoke(main, ["doctor", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["works"] is True
    checks = {check["name"]: check for check in found["checks"]}
    for name in ("unreel", "python", "decord2", "av", "onnxruntime", "model", "self-test"):
        assert checks[name]["status"] == "ok"
    assert "sha256" in checks["model"]["detail"]
    assert "libavcodec" in checks["decoder libraries"]["detail"]


def test_lines_for_a_person() -> None:
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 0
    assert result.stdout.endswith("Everything that a scan needs works.\n")


def test_whatever_a_check_raises_is_its_finding() -> None:
    def look() -> str:
        raise OSError("libav is gone")

    assert doctor._guarded("av", look) == Check("av", "broken", "OSError: libav is gone")


def test_a_missing_package_comes_with_its_cure() -> None:
    check = doctor._package("no-such-package-at-all")
    assert check.status == "broken"
    assert check.detail == "not installed: pip install no-such-package-at-all"


def test_models_are_listed_and_a_broken_one_is_said() -> None:
    result = CliRunner().invoke(main, ["models", "list"])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("in the package: ")
    result = CliRunner().invoke(main, ["models", "list", "/no/such/model"])
    assert result.exit_code == 3
    assert "/no/such/model: cannot be used" in result.stdout
