"""Write ``hfkv/data/releases.json``: in which release of transformers each type first appeared.

``python -m hfkv.generate releases FOLDER`` reads the wheels in a folder (``pip download --no-deps
-d FOLDER transformers==5.22.0`` and its like). Nothing of them is installed or run: the types stand
in the literals of ``models/auto``. A type that only a release between two wheels brought is that of
the later one, so the folder should hold each minor release.
"""

from __future__ import annotations

import ast
import json
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hfkv.errors import InputError
from hfkv.facts.classes import pinned_version
from hfkv.versions import release

__all__ = ["first_releases", "main", "text", "types_of", "with_release"]

OUT = Path(__file__).parent.parent / "data" / "releases.json"

#: The mapping of types to config classes, and the files that it has stood in.
_MAPPING = "CONFIG_MAPPING_NAMES"
_FILES = ("models/auto/auto_mappings.py", "models/auto/configuration_auto.py")


def types_of(wheel: Path) -> frozenset[str]:
    """The types that the release in a wheel has a config class for.

    Raises:
        InputError: it is no wheel of transformers, or says its types in another way.
    """
    with zipfile.ZipFile(wheel) as held:
        names = {f"transformers/{name}" for name in _FILES} & set(held.namelist())
        found = {key for name in names for key in _keys(ast.parse(held.read(name).decode("utf-8")))}
    if not found:
        raise InputError(f"no {_MAPPING} in it", where=wheel.name, expected="transformers")
    return frozenset(found)


def _keys(tree: ast.Module) -> Iterator[str]:
    """The keys of the mapping, which is written as a dict or as pairs within a call."""
    for node in tree.body:
        if not _sets_it(node):
            continue
        for inner in ast.walk(node):
            keys: list[ast.expr | None] = []
            if isinstance(inner, ast.Dict):
                keys = list(inner.keys)
            elif isinstance(inner, ast.Tuple) and len(inner.elts) == 2:
                keys = [inner.elts[0]]
            for key in keys:
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value


def _sets_it(node: ast.stmt) -> bool:
    """Whether a statement gives the mapping keys: assigns it, or calls its ``update``."""
    if isinstance(node, ast.Assign):
        return any(getattr(target, "id", "") == _MAPPING for target in node.targets)
    call = getattr(node, "value", None)
    method = call.func if isinstance(call, ast.Call) else None
    if not isinstance(method, ast.Attribute) or method.attr != "update":
        return False
    return getattr(method.value, "id", "") == _MAPPING


def first_releases(types: Mapping[str, frozenset[str]]) -> dict[str, Any]:
    """The table for the types of each release.

    Raises:
        InputError: the release that the other tables are of is not among them.
    """
    if pinned_version() not in types:
        raise InputError(
            f"there is no wheel of {pinned_version()}",
            expected="the release that the other tables are made from among them",
        )
    releases = sorted(types, key=release)
    first: dict[str, str] = {}
    for version in releases:
        for model_type in types[version]:
            first.setdefault(model_type, version)
    return {
        "first": {
            version: sorted(name for name, at in first.items() if at == version)
            for version in releases
        }
    }


def with_release(table: Mapping[str, Any], version: str, types: Iterable[str]) -> dict[str, Any]:
    """The table with one more release: what no release in it has came with that one.

    Of one that is older than another in it nothing is added: which types it had first is not to be
    told from its own.
    """
    first: dict[str, list[str]] = dict(table["first"])
    if version in first or any(release(other) > release(version) for other in first):
        return {"first": first}
    known = {name for names in first.values() for name in names}
    return {"first": {**first, version: sorted(set(types) - known)}}


def text(table: Mapping[str, Any]) -> str:
    """The file, with a line for each release."""
    lines = ",\n".join(
        f"  {json.dumps(version)}: {json.dumps(names)}" for version, names in table["first"].items()
    )
    return f'{{\n "first": {{\n{lines}\n }}\n}}\n'


def main() -> None:
    """Read the wheels of the folder that the command names."""
    wheels = sorted(Path(sys.argv[-1]).glob("transformers-*.whl"))
    found = first_releases({wheel.name.split("-")[1]: types_of(wheel) for wheel in wheels})
    OUT.write_text(text(found), encoding="utf-8")
    for version, names in found["first"].items():
        print(f"{version}: {len(names)} types")
