"""What a step is, and what steps share: where tables are, and which types there are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hfkv.generate.pins import ROOT
from hfkv.generate.work import Made

__all__ = [
    "DATA",
    "Pieces",
    "Step",
    "Wanted",
    "every_pair",
    "generating_types",
    "gone_files",
    "path_of",
    "stored",
    "types_of",
]

DATA = Path("hfkv", "data")
#: The one part of a step that has no types.
WHOLE = "all"
Pieces = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which types are asked for: all where none is named."""

    types: tuple[str, ...] = ()

    def __contains__(self, model_type: str) -> bool:
        return not self.types or model_type in self.types


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One table, or the tables of one kind.

    Attributes:
        name: what it is called.
        source: the modules that make it; what they import is part of a part's mark.
        parts: which parts there are to make.
        make: one part.
        finish: the files of all parts together, from the pieces that there are, and whether these
            are of all types; those that are gone are only then known.
        reads: files that a part is made from, beside the libraries.
        old: files whose committed state a part is made from.
        then: parts that a piece shows to be wanted too.
    """

    name: str
    source: tuple[str, ...]
    make: Callable[[str], Made]
    parts: Callable[[Wanted], Iterable[str]] = lambda _: [WHOLE]
    finish: Callable[[Pieces, bool], dict[str, str | None]] = lambda *_: {}
    reads: Callable[[str], Iterable[Path]] = lambda _: ()
    old: Callable[[str], Iterable[Path]] = lambda _: ()
    then: Callable[[Any], Iterable[str]] = lambda _: ()


def path_of(*parts: str) -> str:
    """A table's path within the checkout."""
    return DATA.joinpath(*parts).as_posix()


def stored(*parts: str) -> Any:
    """A table as it is now."""
    return json.loads((ROOT / DATA).joinpath(*parts).read_text(encoding="utf-8"))


def gone_files(folder: str, names: Iterable[str]) -> dict[str, str | None]:
    """The files of a folder that are of no type in these names."""
    kept = {*names, "INDEX"}
    paths = sorted((ROOT / DATA / folder).glob("*.json"))
    return {path_of(folder, path.name): None for path in paths if path.stem not in kept}


def every_pair() -> list[tuple[str, str]]:
    """Each type with each of its classes that generate text, of the imported transformers."""
    from hfkv.live.build import pairs

    return list(pairs())


def generating_types() -> dict[str, list[str]]:
    """The types that generate text, to their classes."""
    found: dict[str, list[str]] = {}
    for model_type, name in every_pair():
        found.setdefault(model_type, []).append(name)
    return found


def types_of(wanted: Wanted) -> list[str]:
    """The types that generate text, of those asked for."""
    return [name for name in generating_types() if name in wanted]
