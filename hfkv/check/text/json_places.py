"""JSON, also with comments and commas too many: its values, and where each of them is."""

from __future__ import annotations

import json
import re
from typing import Any

from hfkv.check.text.placeholder import fill_holes
from hfkv.check.text.places import KeyPath, Lines, Place, Tree, nearest
from hfkv.errors import ConfigError
from hfkv.reading import printable, refuse_deep

__all__ = ["json_places", "json_tree"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_COMMENTS = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/|\#[^\n]*', re.DOTALL)
_TRAILING = re.compile(r'"(?:[^"\\\n]|\\.)*"|,(?=\s*[}\]])')


def json_tree(text: str, *, where: str) -> Tree:
    """The one value of a JSON text, and where what it holds is.

    Raises:
        ConfigError: it is no JSON, even without comments, or is nested too deeply.
    """
    holes = False
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        plain = _without_comments(text)
        filled = fill_holes(plain, quote=True) if "{{" in plain or "{%" in plain else plain
        holes = filled != plain
        try:
            value, text = json.loads(filled), filled
        except (ValueError, RecursionError):
            raise ConfigError(
                f"not valid JSON: {error.msg}",
                where=f"{where}: line {error.lineno} column {error.colno}",
            ) from None
    except RecursionError:
        raise ConfigError("JSON that is nested too deeply", where=where) from None
    except ValueError as error:
        raise ConfigError(
            f"JSON that cannot be read: {printable(str(error))}", where=where
        ) from None
    refuse_deep([value], where)
    places: dict[KeyPath, Place] = {}

    def place(path: KeyPath) -> Place:
        if not places:
            places.update({(0, *key): found for key, found in json_places(text).items()})
        return nearest(places)(path)

    return Tree(values=[value], place=place, holes=holes)


def _without_comments(text: str) -> str:
    def blank(match: re.Match[str]) -> str:
        found = match.group()
        return found if found[0] == '"' else re.sub(r"[^\n]", " ", found)

    return _TRAILING.sub(blank, _COMMENTS.sub(blank, text))


def json_places(text: str) -> dict[KeyPath, Place]:
    """The place of each value; where an object's value is another object or list, that of the key.
    Keys that are there twice have the place of the last, whose value counts.

    >>> json_places('{"a": [\\n1,\\n 2]}')[("a", 1)]
    Place(line=3, column=2, width=1)
    """
    places: dict[KeyPath, Place] = {}
    lines = Lines(text)
    # One entry per open object or list: its path, and the key or index that is next.
    stack: list[tuple[KeyPath, list[Any]]] = []
    pending: str | None = None
    for token in _TOKEN.finditer(text):
        word = token.group()
        top = stack[-1] if stack else None
        if word in ("}", "]"):
            if stack:
                stack.pop()
            continue
        if word == ",":
            if top is not None and isinstance(top[1][0], int):
                top[1][0] += 1
            continue
        if word == ":":
            if top is not None and pending is not None:
                top[1][0] = pending
            continue
        inside_object = top is not None and top[1][1] == "{"
        if inside_object and top is not None and top[1][0] is None and word.startswith('"'):
            try:
                pending = str(json.loads(word))
            except ValueError:
                pending = word[1:-1]
            named: KeyPath = (*top[0], pending)
            places[named] = lines.at(token.start(), token.end())
            top[1][0] = ""  # the colon fills it
            continue
        path: KeyPath = () if top is None else (*top[0], top[1][0])
        if path and not inside_object:
            places[path] = lines.at(token.start(), token.end())
        elif path and word not in "{[":
            here = lines.at(token.start(), token.end())
            if here.line == places.get(path, here).line:
                places[path] = here
        if word in "{[":
            stack.append((path, [None if word == "{" else 0, word]))
        if inside_object and top is not None:
            top[1][0] = None
    return places
