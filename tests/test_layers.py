"""Data flows one way: a module imports only what stands above it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "hfkv"

#: From the top down; a layer may import itself and every layer before its own line.
LAYERS = [
    {"errors"},
    {"boxes", "dtypes", "ggml", "units", "reading"},
    {"tensors"},
    {"source"},
    {"facts"},
    {"modules", "cache", "pretraining"},
    {"peft"},
    {"model"},
    {"comparison"},
    {"live"},
    {"check"},
    {"render"},
    {"cli"},
    {"generate"},
]
RANK = {name: number for number, names in enumerate(LAYERS) for name in names}


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _names(path: Path) -> frozenset[str]:
    """What a file imports, in full, also inside functions; not what it does for typing alone."""
    tree = _tree(path)
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return frozenset(found)


def _imports(path: Path) -> set[str]:
    """Parts of hfkv that a file imports."""
    parts = (name.split(".") for name in _names(path))
    return {part[1] for part in parts if part[0] == "hfkv" and part[1:2] and part[1] in RANK}


def _part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(path for path in PACKAGE.rglob("*.py") if _part(path) in RANK)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_up(path: Path) -> None:
    mine = _part(path)
    wrong = {name for name in _imports(path) if name != mine and RANK[name] >= RANK[mine]}
    assert not wrong, f"{path.relative_to(PACKAGE)} imports from below or beside: {wrong}"


def test_every_part_has_its_layer() -> None:
    parts = {_part(path) for path in PACKAGE.rglob("*.py")} - {"__init__", "__main__", "data"}
    assert parts == set(RANK)


@pytest.mark.parametrize("heavy", ["torch", "transformers", "peft", "matplotlib"])
def test_heavy_imports_stay_in_their_place(heavy: str) -> None:
    allowed = {"live", "generate"} if heavy != "matplotlib" else {"render"}
    for path in FILES:
        if _part(path) in allowed:
            continue
        for node in ast.walk(_tree(path)):
            names = (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else []
            )
            assert heavy not in {name.split(".")[0] for name in names}, path


#: Circles that are known: this list may only become shorter.
TO_BE_TAKEN_APART = ("hfkv.cache.", "hfkv.source.many_models", "hfkv.source.session")


def test_no_module_imports_what_imports_it() -> None:
    """Not by way of others either, nor inside functions. What a circle holds is shown whole."""
    paths = {}
    for path in FILES:
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        paths[".".join(parts).removesuffix(".__init__")] = path
    graph: dict[str, set[str]] = {}
    for module, path in paths.items():
        # A name is a module, or stands in one.
        names = {name if name in paths else name.rpartition(".")[0] for name in _names(path)}
        graph[module] = (names & set(paths)) - {module}
    # What imports nothing that is left, or is imported by nothing, stands in no circle.
    size = 0
    while size != len(graph):
        size = len(graph)
        imported = set().union(*graph.values()) if graph else set()
        graph = {name: tos & set(graph) for name, tos in graph.items() if name in imported and tos}
    left = {name: tos for name, tos in graph.items() if not name.startswith(TO_BE_TAKEN_APART)}
    assert not left, left
