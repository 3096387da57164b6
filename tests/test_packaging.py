"""What the project says of itself in pyproject.toml agrees with what lies in the folders."""

from __future__ import annotations

import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from unreel.detector.extras import EXTRAS

CHECKOUT = Path(__file__).resolve().parents[1]
FOLDERS = ("detector", "training", "data")
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]


def tracked_files() -> list[str]:
    """The files of the project, without what was built or left lying about."""
    command = ["git", "-C", str(CHECKOUT), "ls-files", "-z"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        pytest.skip("not a git checkout: there is no list of the project's own files")
    return [name for name in result.stdout.split("\0") if (CHECKOUT / name).is_file()]


def package_of(folder: Path) -> str:
    return ".".join(("unreel", *folder.relative_to(CHECKOUT).parts))


def test_the_listed_packages_are_the_folders_with_code() -> None:
    found = {package_of(p.parent) for f in FOLDERS for p in (CHECKOUT / f).rglob("*.py")}
    assert set(SETUPTOOLS["packages"]) == found
    assert set(SETUPTOOLS["package-dir"]) == {f"unreel.{folder}" for folder in FOLDERS}


def test_every_other_file_in_a_package_is_shipped() -> None:
    patterns = {
        f"{package.split('.', 1)[1].replace('.', '/')}/{pattern}"
        for package, listed in SETUPTOOLS["package-data"].items()
        for pattern in listed
    }
    extra = [n for n in tracked_files() if n.split("/")[0] in FOLDERS and not n.endswith(".py")]
    assert [n for n in extra if not any(fnmatch(n, pattern) for pattern in patterns)] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_type_checkers_find_the_folder_under_its_installed_name(folder: str) -> None:
    link = CHECKOUT / ".typing" / "unreel" / folder
    assert link.is_symlink()
    assert link.resolve() == CHECKOUT / folder
    assert (CHECKOUT / folder / "py.typed").is_file()


def test_every_dependency_has_its_reason_beside_it() -> None:
    text = (CHECKOUT / "pyproject.toml").read_text()
    lines = re.findall(r'^  "[A-Za-z][\w-]*(?:[<>=!].*)?",.*$', text, flags=re.MULTILINE)
    assert len(lines) >= 15
    assert [line for line in lines if "# " not in line] == []


def distribution(requirement: str) -> str:
    """scikit-learn>=1.6 -> scikit-learn, in the one spelling that all tools agree on."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement)[0]).lower()


def test_every_dependency_is_pinned_for_the_commands_of_the_readme() -> None:
    project = PROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
    pinned = {distribution(line) for line in lines if "==" in line}
    assert {distribution(wanted) for group in groups for wanted in group} - pinned == set()


def test_no_source_file_is_longer_than_400_lines() -> None:
    sources = [name for name in tracked_files() if name.endswith((".py", ".md", ".toml"))]
    counts = {name: len((CHECKOUT / name).read_text().splitlines()) for name in sources}
    assert {name: count for name, count in counts.items() if count > 400} == {}


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    path = re.compile(r"(?<![\w.~-])/(?:work|root|home|opt|Users)/\w|index-url\s+\S*//")
    suffixes = (".py", ".md", ".toml", ".txt", ".json", ".ipynb", "Makefile", ".ci/run", ".yaml")
    own = Path(__file__).relative_to(CHECKOUT).as_posix()
    texts = [name for name in tracked_files() if name.endswith(suffixes) and name != own]
    assert [name for name in texts if path.search((CHECKOUT / name).read_text())] == []


def test_the_extras_that_messages_name_exist() -> None:
    spelled = {"sklearn": "scikit-learn", "c2pa": "c2pa-python"}
    extras = PROJECT["project"]["optional-dependencies"]
    for extra, modules in EXTRAS.items():
        listed = {distribution(wanted) for wanted in extras[extra]}
        assert {distribution(spelled.get(module, module)) for module in modules} == listed
