"""Where the values of a JSON text are: the parser says what they are, not on which line."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["json_places"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def json_places(text: str) -> dict[tuple[str | int, ...], int]:
    """The line of each value; of an object's values, that of the key. Keys that are there twice
    have the place of the last, whose value counts.

    >>> json_places('{"a": [\\n1,\\n2]}')[("a", 1)]
    3
    """
    places: dict[tuple[str | int, ...], int] = {}
    # One entry per open object or list: its path, and the key or index that is next.
    stack: list[tuple[tuple[str | int, ...], list[Any]]] = []
    line, last = 1, 0
    pending: str | None = None
    for token in _TOKEN.finditer(text):
        line += text.count("\n", last, token.start())
        last = token.start()
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
            here = (*top[0], pending)
            places[here] = line
            top[1][0] = ""  # the colon fills it
            continue
        path: tuple[str | int, ...] = () if top is None else (*top[0], top[1][0])
        if path and not inside_object:
            places[path] = line
        if word in "{[":
            stack.append((path, [None if word == "{" else 0, word]))
        if inside_object and top is not None:
            top[1][0] = None
    return places
