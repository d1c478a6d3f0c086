"""Figures as a data frame of pandas or polars: the columns of CSV, with their types."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

from hfkv.cache import KVCache
from hfkv.comparison import Comparison
from hfkv.comparison.rank import Ranks
from hfkv.errors import HfkvError, InputError, InputTypeError, MissingDependencyError
from hfkv.model import Model
from hfkv.peft.lora import Lora
from hfkv.reading import describe
from hfkv.render.tidy import pick

__all__ = ["Library", "to_frame", "to_records"]

Library = Literal["pandas", "polars"]

_LIBRARIES: tuple[Library, ...] = ("pandas", "polars")
#: Columns of ratios, which are no whole numbers even where one happens to be.
_RATIOS = {
    "Comparison": re.compile(r"compression\.|bytes_per_token\.|lora_share_of_weights$"),
    "KVCache": re.compile("average_bytes_per_token$"),
    "Lora": re.compile("share$"),
    "Ranks": re.compile("share_of_weights$|bytes_per_token$|compression$"),
}
#: Whole numbers beyond this have no column type of their own.
_LARGEST = 2**63


def to_frame(items: Iterable[Any], *, library: Library | None = None) -> Any:
    """A tidy data frame of figures of one kind: the columns that ``--format csv`` has.

    Args:
        items: comparisons, models or caches, one row each; or LoRA adapters, one row a target; or
            ranks, one row a rank; and the errors among them, one row each.
        library: ``pandas`` or ``polars``; by default the one that is imported already, else the
            first of them that is installed.

    Returns:
        A ``pandas.DataFrame`` or ``polars.DataFrame``. Whole numbers stay whole where some are
        missing; what cannot be had is null.

    Raises:
        InputTypeError: an item is no figure of those kinds.
        InputError: the figures are of several kinds.
        MissingDependencyError: the library is not installed.
    """
    records, columns = to_records(items)
    chosen = _library(library)
    if chosen.__name__ == "polars":
        return chosen.DataFrame({name: [row[name] for row in records] for name in columns})
    return chosen.DataFrame(
        {name: _series(chosen, [row[name] for row in records]) for name in columns},
        columns=list(columns),
    )


def to_records(items: Iterable[Any]) -> tuple[list[dict[str, Any]], Sequence[str]]:
    """The rows that :func:`to_frame` makes a frame of, and the names of their columns.

    >>> import hfkv
    >>> rows, columns = to_records(hfkv.compare(["meta-llama/Meta-Llama-3-70B"], source="snapshot"))
    >>> rows[0]["kv_cache.bytes"], columns[:2]
    (32768000000, ['model', 'source'])
    """
    if isinstance(items, (str, Mapping)) or not isinstance(items, Iterable):
        raise InputTypeError(f"found {describe(items)}", where="`items`", expected="a list")
    found = list(items)
    kinds = {_kind(item) for item in found if not isinstance(item, HfkvError)}
    if len(kinds) > 1:
        names = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise InputError(f"found {names}", where="`items`", expected="figures of one kind")
    kind = kinds.pop() if kinds else Comparison
    rows, columns = _rows(kind, found)
    ratio = _RATIOS.get(kind.__name__, re.compile("$^"))
    return [
        {name: _plain(row.get(name), ratio.match(name) is not None) for name in columns}
        for row in rows
    ], columns


def _kind(item: object) -> type[Any]:
    for kind in (Comparison, Model, KVCache, Lora, Ranks):
        if isinstance(item, kind):
            return kind
    raise InputTypeError(
        f"found {describe(item)}",
        where="`items`",
        expected="comparisons, models, caches, LoRA adapters or ranks",
    )


def _rows(kind: type[Any], items: list[Any]) -> tuple[list[Mapping[str, Any]], list[str]]:
    """The tidy rows of each kind, as its own table has them."""
    from hfkv.render import compare_columns, kv, lora

    if kind is Comparison:
        named = [(_name(item), item) for item in items]
        table = compare_columns.tidy(named)
        return list(table.rows), table.names
    figures = [item for item in items if not isinstance(item, HfkvError)]
    failed: list[Mapping[str, Any]] = [
        {"model": _name(item), "error": str(item)} for item in items if isinstance(item, HfkvError)
    ]
    rows: list[Mapping[str, Any]]
    if kind is Model:
        columns = (
            "model source revision commit model_type parameters stored_elements weight_bytes error"
        ).split()
        rows = [item.to_json() for item in figures]
    elif kind is KVCache:
        rows = [pick(item.to_json(), kv.COLUMNS) for item in figures]
        known = {"source", "revision", "commit", "fit.budget_bytes", "fit.tokens"}
        columns = [column.name for column in kv.COLUMNS if column.name not in known]
    elif kind is Lora:
        rows = [row for item in figures for row in lora.targets(item)]
        known = {"source", "revision", "commit"}
        columns = [column.name for column in lora.COLUMNS if column.name not in known]
    else:
        rows = [
            {"model": item.model, "tokens": item.tokens, "dtype": item.dtype, "basis": item.basis}
            | row.to_json()
            for item in figures
            for row in item.rows
        ]
        columns = list(rows[0]) if rows else []
    # Their own tables have no column for what failed: in them one model is asked for.
    if failed and "error" not in columns:
        columns.append("error")
    return [*rows, *failed], columns


def _name(item: Any) -> str:
    if isinstance(item, HfkvError):
        return item.where
    return str(item.model.model if isinstance(item, Comparison) else item.model)


def _plain(value: Any, ratio: bool) -> Any:
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return float(value) if ratio and value is not None else value


def _library(name: Library | None) -> Any:
    if name is not None and name not in _LIBRARIES:
        raise InputError(
            f"found {describe(name)}", where="`library`", expected=" or ".join(_LIBRARIES)
        )
    imported = [item for item in _LIBRARIES if sys.modules.get(item) is not None]
    installed = (item for item in _LIBRARIES if item in imported or find_spec(item) is not None)
    chosen = name or next(iter([*imported, *installed]), None)
    if chosen is None or (chosen not in imported and find_spec(chosen) is None):
        raise MissingDependencyError(
            f"{chosen or 'neither pandas nor polars'} is {'not ' if chosen else ''}installed",
            where="to_frame",
            hint=f"pip install {chosen or 'pandas'}",
        )
    return import_module(chosen)


def _series(pandas: Any, values: list[Any]) -> Any:
    """A column whose whole numbers stay whole, also beside missing ones."""
    there = [value for value in values if value is not None]
    if not there:
        return pandas.Series(values, dtype="object")
    if all(isinstance(value, bool) for value in there):
        return pandas.Series(values, dtype="boolean")
    if all(isinstance(value, int) and abs(value) < _LARGEST for value in there):
        return pandas.Series(values, dtype="Int64")
    if all(isinstance(value, (int, float)) for value in there):
        return pandas.Series(values, dtype="Float64")
    return pandas.Series(values, dtype="object")
