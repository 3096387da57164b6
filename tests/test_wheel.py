"""What a user gets from `pip install unreel`: small, without torch, and it scans."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
FOLDERS = ("detector", "training", "data")
LIMIT_MEGABYTES = 600
"""Of a whole environment on disk; with torch it would be ten times as much."""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program without the variables and the working directory that could lend it modules."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    result = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=variables, capture_output=True, text=True
    )
    assert result.returncode == 0, f"{command}\n{result.stdout[-2000:]}\n{result.stderr[-4000:]}"
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: setuptools leaves a build folder beside its sources."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(CHECKOUT / name, source)
    caches = shutil.ignore_patterns("__pycache__")
    for name in FOLDERS:
        shutil.copytree(CHECKOUT / name, source / name, ignore=caches)
    pip = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps"]
    run(*pip, "--wheel-dir", folder, source, cwd=folder)
    return next(folder.glob("unreel-*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel, what it needs, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    install = [sys.executable, "-m", "pip", "--quiet", "--python", folder / "bin" / "python"]
    constraints = ["--constraint", CHECKOUT / "constraints.txt"]
    run(*install, "install", *constraints, wheel, cwd=folder)
    return folder


def installed_packages(environment: Path) -> Path:
    return next((environment / "lib").glob("python3.*/site-packages"))


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("unreel/")}
    sources = {
        f"unreel/{path.relative_to(CHECKOUT)}"
        for folder in FOLDERS
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == sources


def test_nothing_but_unreel_lands_beside_other_packages(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"unreel"}


def test_an_environment_with_it_is_small_and_free_of_torch(environment: Path) -> None:
    packages = installed_packages(environment)
    size = sum(f.stat().st_blocks * 512 for f in packages.rglob("*") if f.is_file())
    assert size <= LIMIT_MEGABYTES * 1e6, f"{size / 1e6:.0f} MB"
    heavy = {"torch", "timm", "sklearn", "nvidia"}
    assert not heavy & {path.name for path in packages.iterdir()}


def test_it_scans_a_video(environment: Path, clip: Path, tmp_path: Path) -> None:
    answer = run(environment / "bin" / "unreel", "scan", "--json", clip, cwd=tmp_path)
    report = json.loads(answer)
    assert report["status"] == "ok"
    assert report["verdict"]["label"] in {"generated", "inconclusive", "no-evidence"}
    assert report["media"]["width"] == 320
    assert report["lanes"]["learned"]["status"] == "measured"


def test_commands_that_need_torch_name_the_extra(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("path,label,group\na.mp4,real,a\nb.mp4,generated,b\n")
    options = ["--manifest", "clips.csv", "--out", "run"]
    command = [environment / "bin" / "unreel", "train", "small", *options]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert answer.returncode == 2
    assert "pip install 'unreel[train]'" in answer.stderr
    assert "Traceback" not in answer.stderr
