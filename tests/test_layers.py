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
    {"reading"},
    {"release_lines"},
    {"versions"},
    {"boxes", "dtypes", "ggml", "json_value", "lines", "units"},
    {"shown"},
    {"tensors"},
    {"source"},
    {"facts"},
    {"modules", "cache", "pretraining"},
    {"peft", "engines"},
    {"training"},
    {"model"},
    {"comparison"},
    {"surveys"},
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


def _imports(path: Path) -> set[str]:
    """Parts of hfkv that a file imports, also inside functions; not those for typing alone."""
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
    parts = (name.split(".") for name in found)
    return {part[1] for part in parts if part[0] == "hfkv" and part[1:2] and part[1] in RANK}


def _modules(path: Path) -> set[str]:
    """Modules of hfkv that a file imports, wherever in it, and be it for typing alone."""
    package = _name(path).split(".")
    package = package if path.name == "__init__.py" else package[:-1]
    found: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            # What is taken from a package is one of its modules, or something it made itself.
            for alias in node.names:
                inner = f"{name}.{alias.name}"
                found.add(inner if inner in NAMES else name)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & NAMES


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {_name(path) for path in PACKAGE.rglob("*.py")}


def _part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(path for path in PACKAGE.rglob("*.py") if _part(path) in RANK)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_up(path: Path) -> None:
    mine = _part(path)
    wrong = {name for name in _imports(path) if name != mine and RANK[name] >= RANK[mine]}
    assert not wrong, f"{path.relative_to(PACKAGE)} imports from below or beside: {wrong}"


def test_no_import_goes_in_a_circle() -> None:
    """Neither at the top of modules nor inside functions, nor for typing."""
    # A package that offers what its modules made is not what they import of it.
    left = {
        name: {other for other in _modules(path) if not name.startswith(f"{other}.")}
        for path in PACKAGE.rglob("*.py")
        for name in [_name(path)]
    }
    before = 0
    while before != len(left):
        before = len(left)
        # What imports nothing that is left, or is imported by nothing, is in no circle.
        imported = set().union(*left.values())
        left = {name: found & left.keys() for name, found in left.items() if name in imported}
        left = {name: found for name, found in left.items() if found}
    assert not left, left


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


def test_the_cache_reads_configs_by_the_one_reader() -> None:
    """What goes around it would not be explained."""
    for path in (PACKAGE / "cache").rglob("*.py"):
        attributes = {
            node.attr for node in ast.walk(_tree(path)) if isinstance(node, ast.Attribute)
        }
        assert "raw" not in attributes, path
