"""TOML: its values, and the lines of its keys."""

from __future__ import annotations

import re
import sys
from typing import Any

from hfkv.check.text.places import KeyPath, Lines, Place, Tree, nearest
from hfkv.errors import ConfigError
from hfkv.reading import printable, refuse_deep

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["toml_tree"]

_LINE = re.compile(
    r"^[ \t]*(?:\[\[(?P<list>[^\]\n]+)\]\]|\[(?P<table>[^\]\n]+)\]"
    r"|(?P<key>[\w.\"'-]+)[ \t]*=[ \t]*(?P<value>[^\n]*?)[ \t]*(?:#.*)?$)",
    re.MULTILINE,
)


def toml_tree(text: str, *, where: str) -> Tree:
    """The one table of a TOML text.

    Raises:
        ConfigError: it is not readable as TOML.
    """
    try:
        value = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        found = re.search(r"line ([0-9]+)", str(error))
        line = f": line {found[1]}" if found else ""
        raise ConfigError(
            f"not readable as TOML: {printable(str(error))}", where=f"{where}{line}"
        ) from None
    refuse_deep([value], where)
    return Tree(values=[value], place=nearest(_places(text, value)))


def _places(text: str, value: dict[str, Any]) -> dict[KeyPath, Place]:
    """Keys by their lines, as far as they can be told without a parser."""
    places: dict[KeyPath, Place] = {}
    lines = Lines(text)
    above: KeyPath = (0,)
    counts: dict[KeyPath, int] = {}
    for line in _LINE.finditer(text):
        if line["key"] is None:
            names = _names(line["list"] or line["table"])
            above = (0,)
            for name in names:
                above = (*above, name)
                if above in counts and above != (0, *names):
                    above = (*above, counts[above] - 1)
            if line["list"]:
                counts[above] = counts.get(above, 0) + 1
                above = (*above, counts[above] - 1)
            places[above] = lines.at(line.start(), line.end())
            continue
        path = (*above, *_names(line["key"]))
        places[path] = lines.at(line.start("value"), line.end("value"))
        items = _at(value, path[1:])
        if isinstance(items, list) and line["value"].startswith("["):
            place = line.start("value")
            for number, item in enumerate(items):
                found = text.find(f'"{item}"', place) if isinstance(item, str) else -1
                if found >= 0:
                    place = found + len(str(item)) + 2
                    inner: KeyPath = (*path, number)
                    places[inner] = lines.at(found, place)
    return places


def _names(text: str) -> list[str]:
    return [part.strip().strip("\"'") for part in text.split(".")]


def _at(value: Any, path: KeyPath) -> Any:
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value
