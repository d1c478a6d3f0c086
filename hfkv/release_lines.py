"""Older lines of transformers that figures can be asked of, beside the newest release.

Engines and trainers pin the last release of a line for long. What a class keeps and builds there is
not always what the newest release's does, so each line has a table of its own
(``hfkv/data/lines``), made and proved by :mod:`hfkv.generate.line`: of each type whose figures were
held against the live classes of that line, what is other there. What is not in it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from hfkv.data import read_json
from hfkv.errors import InputError, InputTypeError, UnsupportedError
from hfkv.reading import describe, printable

__all__ = [
    "LINES",
    "beyond",
    "cache_rule",
    "differs",
    "has_type",
    "line_of",
    "line_versions",
    "module_rule",
    "newest",
    "parts_of",
    "stated_at",
]

#: Each by the two numbers that its releases share; the newest release has none.
LINES = ("4.57",)


@lru_cache(maxsize=1)
def newest() -> str:
    """The release of transformers that figures are of where no line is asked for."""
    return str(read_json("peft.json")["transformers"])


def line_of(asked: str | None) -> str:
    """The line that a user's word for a release means; "" for the newest.

    Raises:
        InputError: there is no table of it.
        InputTypeError: it is no text.

    >>> line_of("4.57"), line_of("4.57.6"), line_of(newest()), line_of(None)
    ('4.57', '4.57', '', '')
    """
    if asked is None:
        return ""
    if not isinstance(asked, str):
        raise InputTypeError(f"found {describe(asked)}", where="`transformers`")
    latest = newest()
    parts = latest.split(".")
    if asked in (".".join(parts[:count]) for count in (1, 2, 3)):
        return ""
    for line in LINES:
        if re.fullmatch(rf"{re.escape(line)}(?:\.\d{{1,3}})?", asked):
            return line
    raise InputError(
        f"found {describe(asked)}",
        where="`transformers`",
        expected=f"{latest}, of which figures are by default, or {' or '.join(LINES)}",
    )


def line_versions(line: str) -> Mapping[str, str]:
    """The libraries that a line's table was made and proved with."""
    return {name: str(_table(line)[name]) for name in ("transformers", "peft")}


def cache_rule(line: str, raw: Mapping[str, Any], model_type: str, *, where: str) -> str:
    """By which rule (:mod:`hfkv.cache.line_rules`) the cache of a config differs; "" where it is
    the same.

    Args:
        raw: the config, of ``model_type``.

    Raises:
        UnsupportedError: it was not proved, or not with such parts.
    """
    found: str = _proved(line, raw, model_type, "cache", where)
    return found


def module_rule(
    line: str, raw: Mapping[str, Any], model_type: str, name: str, *, where: str
) -> Mapping[str, Any]:
    """How the modules of a class differ (:mod:`hfkv.modules.line_rules`); empty where they are the
    same. Arguments and errors are as of :func:`cache_rule`."""
    classes: Mapping[str, Any] = _proved(line, raw, model_type, "modules", where)
    if name not in classes:
        raise _unproved(line, model_type, printable(f"the modules of {name}"), where)
    found: Mapping[str, Any] = classes[name]
    return found


def differs(line: str, model_type: str, *, adapters: bool) -> str:
    """What of a type is other in a line: ``its cache``, ``its cache and adapters``; "" where all is
    proved to be the same, and ``unproved`` where it is not known."""
    entry = _table(line)["types"].get(model_type)
    if entry is None or "cache" not in entry or (adapters and "modules" not in entry):
        return "unproved"
    found = ["cache"] if entry["cache"] else []
    # Other names alone change no count.
    if adapters and any({"experts", "kinds"} & set(rule) for rule in entry["modules"].values()):
        found.append("adapters")
    return f"its {' and '.join(found)}" if found else ""


def parts_of(raw: Mapping[str, Any]) -> dict[str, str]:
    """The types that a config names for its nested configs, by their keys."""
    return {
        key: value["model_type"]
        for key, value in raw.items()
        if isinstance(value, Mapping) and isinstance(value.get("model_type"), str)
    }


def stated_at(raw: Mapping[str, Any], path: str) -> Any:
    """What a config states at a path; None where nothing."""
    found: Any = raw
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def beyond(
    raw: Mapping[str, Any], without: Mapping[str, Sequence[Any]], stated: Iterable[str]
) -> str:
    """Why a config is beyond a proof that leaves out keys; "" where it is not.

    Args:
        without: keys that it may not state, or not with certain values.
        stated: keys that it must state.
    """
    for path, values in without.items():
        value = stated_at(raw, path)
        if value is not None and (not values or value in values):
            return f"states {path}, which it reads otherwise"
    for path in stated:
        if stated_at(raw, path) is None:
            return f"does not state {path}, which it fills in otherwise"
    return ""


def _proved(line: str, raw: Mapping[str, Any], model_type: str, part: str, where: str) -> Any:
    entry = _table(line)["types"].get(model_type, {})
    if part not in entry:
        raise _unproved(line, model_type, f"the {part} of {printable(model_type)}", where)
    for key, inner in parts_of(raw).items():
        if inner not in entry.get("parts", {}).get(key, ()):
            what = f"{printable(model_type)} with {printable(inner)} as its {printable(key)}"
            raise _unproved(line, model_type, what, where)
    apart = entry.get("apart", {}).get(part, {})
    why = beyond(raw, apart.get("without", {}), apart.get("stated", ()))
    if why:
        raise UnsupportedError(
            f"transformers {line_versions(line)['transformers']} makes something else of this "
            f"{printable(model_type)}: its config {why}",
            where=where,
        )
    return entry[part]


def _unproved(line: str, model_type: str, what: str, where: str) -> UnsupportedError:
    version = line_versions(line)["transformers"]
    if not has_type(line, model_type):
        return UnsupportedError(
            f"transformers {version} has no type '{printable(model_type)}'",
            where=where,
            hint=f"without `transformers` the figures are those of {newest()}",
        )
    return UnsupportedError(
        f"{what} was not held against transformers {version}, and its figures may be others than "
        f"those of {newest()}",
        where=where,
        hint=f"where transformers {version} is installed, hfkv verify builds the class itself",
    )


def has_type(line: str, model_type: str) -> bool:
    """Whether the releases of a line have a type."""
    first: Mapping[str, list[str]] = read_json("releases.json")["first"]
    return model_type in first.get(line_versions(line)["transformers"], ())


@lru_cache(maxsize=len(LINES))
def _table(line: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = read_json("lines", f"{line}.json")
    return found
