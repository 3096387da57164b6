"""The command line explains itself: every command has help with an example, and help is instant."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from unreel.detector.cli import main
from unreel.detector.commands import LazyGroup
from unreel.detector.errors import MediaError, UsageError
from unreel.detector.extras import EXTRAS, explain_import_error

CHECKOUT = Path(__file__).resolve().parents[1]
HEAVY = ("numpy", "av", "cv2", "decord", "onnxruntime", "torch", "scenedetect", "urllib.request")


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that can be loaded here, groups included, as typed."""
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        if isinstance(group, LazyGroup) and name in group.table():
            target = group.table()[name].target
            if not target.startswith("unreel.detector"):
                continue  # another folder's command: its own tests look at it
        yield (*path, name)
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_each_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    text = run(*command, "--help")
    assert f"unreel {' '.join(command)}" in text.partition("Example")[2]
    assert text == run(*command, "-h")


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_each_option_has_a_line_of_help(command: tuple[str, ...]) -> None:
    ctx = click.Context(main)
    found: click.Command = main
    for name in command:
        assert isinstance(found, click.Group)
        loaded = found.get_command(ctx, name)
        assert loaded is not None
        found = loaded
    options = [p for p in found.params if isinstance(p, click.Option)]
    assert [o.name for o in options if not o.help] == []


def test_commands_of_all_folders_are_listed() -> None:
    text = run("--help")
    for name in ("scan", "doctor", "models", "train", "evaluate"):
        assert f"\n  {name} " in text
    assert "export" in run("models", "--help")


def test_entry_points_are_listed_with_a_line_each() -> None:
    listed = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    names = listed["project"]["entry-points"]["unreel.commands"]
    assert isinstance(main, LazyGroup)
    table = main.table()
    assert set(names) <= set(table)
    assert [n for n in names if table[n].help.startswith("(from")] == []


def test_exit_codes_are_in_the_help_of_scan() -> None:
    text = run("scan", "--help")
    for code in ("0", "1", "2", "3", "130"):
        assert f"\n    {code} " in text


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["scan", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from unreel.detector.cli import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        f"print('HEAVY', [m for m in {HEAVY!r} if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("HEAVY []\n")


def test_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, unreel.detector\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_public_names_exist() -> None:
    import unreel.detector as detector

    for name in detector.__all__:
        assert getattr(detector, name).__name__ == name
    assert set(detector.__all__) <= set(dir(detector))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = detector.nonsense


def test_version() -> None:
    listed = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    assert run("--version") == f"unreel, version {listed['project']['version']}\n"


def test_a_missing_extra_is_named_with_the_command_that_brings_it() -> None:
    error = explain_import_error("unreel train", ModuleNotFoundError(name="torch.nn"))
    expected = "unreel train needs torch, which is not installed: pip install 'unreel[train]'"
    assert str(error) == expected
    assert explain_import_error("unreel train", ModuleNotFoundError(name="numbers")) is None


def group_that_raises(error: Exception) -> LazyGroup:
    group = LazyGroup("unreel", lazy={})

    @group.command("train")
    def train() -> None:
        raise error

    return group


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ModuleNotFoundError(name="timm"), 2, "Error: unreel train needs timm, which is not"),
        (
            ModuleNotFoundError(name="unreel.x"),
            2,
            "Error: unreel train is not in this installation",
        ),
        (UsageError("no such recipe"), 2, "Error: no such recipe"),
        (MediaError("empty", "0 bytes"), 3, "Error: empty: 0 bytes"),
    ],
)
def test_errors_are_one_line_and_a_code(error: Exception, code: int, said: str) -> None:
    result = CliRunner().invoke(group_that_raises(error), ["train"], prog_name="unreel")
    assert result.exit_code == code
    assert result.stderr.startswith(said)
    assert result.stderr.count("\n") == 1


def test_a_defect_is_not_disguised_as_a_missing_extra() -> None:
    result = CliRunner().invoke(group_that_raises(ModuleNotFoundError(name="nonsense")), ["train"])
    assert isinstance(result.exception, ModuleNotFoundError)


def test_an_interrupt_ends_with_its_code() -> None:
    group = LazyGroup("unreel", lazy={})

    @group.command("train")
    def train() -> None:
        raise KeyboardInterrupt

    assert CliRunner().invoke(group, ["train"]).exit_code == 130


def test_extras_are_those_of_the_package() -> None:
    listed = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    wanted = listed["project"]["optional-dependencies"]
    for extra, modules in EXTRAS.items():
        joined = " ".join(wanted[extra]).replace("scikit-learn", "sklearn")
        assert [m for m in modules if m not in joined] == []
