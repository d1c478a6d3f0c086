"""Sizes of one build of a class as formulas that may hold for others."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from hfkv.modules.class_plan import Read
from hfkv.modules.conversion import Index
from hfkv.modules.expressions import keys as keys_of

__all__ = ["cost", "formatted", "general", "parts"]

#: An item of a list in an expression, and how many ways of saying which are tried.
_ITEM = re.compile(r"([\w.]+)\[(\d+)\]")
_WAYS = 32


@cache
def parts(text: Any) -> tuple[Any, ...]:
    """An expression and those that it is made of, which others may be as well."""
    if not isinstance(text, str) or "[" in text:
        return (text,)
    nodes = ast.walk(ast.parse(text, mode="eval").body)
    return (text, *(ast.unparse(n) for n in nodes if isinstance(n, (ast.BinOp, ast.Call))))


def formatted(source: str, index: Index) -> str:
    """A parameter's name with the numbers that are an index's as places for them."""
    parts = []
    for part in source.split("."):
        place = index.index(int(part)) if part.isdigit() and int(part) in index else None
        parts.append(part if place is None else f"{{{place}}}")
    return ".".join(parts)


def general(sizes: tuple[Any, ...], index: Index, read: Read) -> Iterator[tuple[Any, ...]]:
    """The sizes, and with the places of items in them by the index, or as the last one's."""
    yield sizes
    items = dict.fromkeys(
        found.groups() for text in sizes if isinstance(text, str) for found in _ITEM.finditer(text)
    )
    # A place that is no index's is left as it is.
    ways = [
        [*dict.fromkeys(_ways(int(place), read(key), index))] or [place] for key, place in items
    ]
    for chosen in itertools.islice(itertools.product(*ways) if ways else (), _WAYS):
        yield tuple(_placed(text, dict(zip(items, chosen, strict=True))) for text in sizes)


def _placed(text: Any, places: Mapping[Any, str]) -> Any:
    """An expression with other places for the items in it."""
    if not isinstance(text, str):
        return text
    return _ITEM.sub(lambda found: f"{found[1]}[{places[found.groups()]}]", text)


def _ways(place: int, items: Any, index: Index) -> Iterator[str]:
    """What an item's place in a list may be by an index of the name."""
    length = len(items) if isinstance(items, list) else 0
    for at, number in enumerate(index):
        if place == number:
            yield f"i{at}"
        if place == number - 1:
            yield f"i{at} - 1"
        if place == length - 1 - number:
            yield f"-i{at} - 1"
        if number and place == length - number:
            yield f"-i{at}"
    if place == length - 1:
        yield "-1"


def cost(sizes: tuple[Any, ...]) -> tuple[int, int]:
    """What is preferred: formulas over keys before plain numbers, short before long."""
    plain = sum(not isinstance(text, str) and text > 4 for text in sizes)
    return plain, sum(len(str(text)) + 4 * len(keys_of(text)) for text in sizes if text is not None)
