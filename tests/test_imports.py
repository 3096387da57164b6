"""The law of imports, read from the sources: who may import whom, and what stays out of a scan.

detector imports neither sibling; data may import detector; training may import both.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
FOLDERS = ("detector", "data", "training")
ALLOWED = {
    "detector": {"detector"},
    "data": {"data", "detector"},
    "training": {"training", "data", "detector"},
}
HEAVY = {"torch", "torchvision", "timm", "sklearn", "safetensors", "onnx"}
TORCH_MODULE = "unreel.detector.network"
"""The one module of the detector that is torch: the network itself, which training imports."""
NAMELESS = {"utils", "util", "core", "common", "helpers", "helper", "manager", "misc"}


def sources(folder: str) -> list[Path]:
    return sorted((CHECKOUT / folder).rglob("*.py"))


SOURCES = [path for folder in FOLDERS for path in sources(folder)]
NAMES = [str(path.relative_to(CHECKOUT)) for path in SOURCES]


def module_name(path: Path) -> str:
    """detector/lanes/__init__.py -> unreel.detector.lanes"""
    parts = path.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(("unreel", *(part for part in parts if part != "__init__")))


def imported_names(nodes: Iterator[ast.AST], path: Path) -> set[str]:
    """Absolute names of what the nodes import, `from x import y` as both x and x.y."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return names


def run_at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run when the module is imported: not function bodies, not `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from (node for branch in child.orelse for node in ast.walk(branch))
            continue
        yield child
        yield from run_at_import(child)


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_a_folder_imports_only_what_the_law_allows(path: Path) -> None:
    folder = path.relative_to(CHECKOUT).parts[0]
    imported = imported_names(ast.walk(ast.parse(path.read_text())), path)
    siblings = {name.split(".")[1] for name in imported if name.startswith("unreel.")}
    assert siblings <= ALLOWED[folder]
    tops = {name.split(".")[0] for name in imported}
    assert not tops & set(FOLDERS), "written without `unreel.`: works in the checkout alone"


@pytest.mark.parametrize("path", sources("detector"), ids=lambda path: path.name)
def test_the_detector_imports_nothing_heavy(path: Path) -> None:
    if module_name(path) == TORCH_MODULE:
        return
    imported = imported_names(run_at_import(ast.parse(path.read_text())), path)
    assert TORCH_MODULE not in imported
    assert not {name.split(".")[0] for name in imported} & HEAVY


def test_importing_the_library_loads_nothing_heavy() -> None:
    code = "import sys, unreel.detector, unreel.detector.cli; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert not set(result.stdout.split()) & HEAVY


def test_no_two_modules_import_each_other_in_a_circle() -> None:
    known = {module_name(path): path for path in SOURCES}
    graph = {
        name: imported_names(run_at_import(ast.parse(path.read_text())), path) & set(known) - {name}
        for name, path in known.items()
    }
    while graph:
        free = {name for name, needs in graph.items() if not needs & graph.keys()}
        assert free, f"a circle among {sorted(graph)}"
        graph = {name: needs for name, needs in graph.items() if name not in free}


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_a_file_is_named_for_what_it_does(path: Path) -> None:
    assert path.stem not in NAMELESS
