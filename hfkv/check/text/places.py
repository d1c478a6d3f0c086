"""Where something is in a text."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["KeyPath", "Lines", "Place", "Tree", "nearest"]

#: The way to a value: keys of objects and indices of lists. The first part is the number of the
#: document in a file.
KeyPath = tuple[str | int, ...]


class Place(NamedTuple):
    """A line, counted from 1; a column, counted from 1, or 0 where only the line is known; and how
    many characters are meant."""

    line: int = 1
    column: int = 0
    width: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What a text holds.

    Attributes:
        values: the documents in it, as plain values.
        place: where the value at a path is, or the nearest one around it.
        holes: a template was filled with placeholders, to be read.
    """

    values: list[Any]
    place: Callable[[KeyPath], Place]
    holes: bool = False


def nearest(places: Mapping[KeyPath, Place]) -> Callable[[KeyPath], Place]:
    """A tree's ``place`` by a table."""

    def place(path: KeyPath) -> Place:
        while path:
            if path in places:
                return places[path]
            path = path[:-1]
        return Place()

    return place


@dataclass(slots=True)
class Lines:
    """The lines of a text, to tell the place of an offset."""

    text: str
    _starts: list[int] = field(default_factory=list, repr=False)

    def at(self, start: int, end: int) -> Place:
        """The place of what stands between two offsets; only its first line counts."""
        if not self._starts:
            self._starts.append(0)
            found = self.text.find("\n")
            while found >= 0:
                self._starts.append(found + 1)
                found = self.text.find("\n", found + 1)
        line = bisect.bisect_right(self._starts, start)
        begin = self._starts[line - 1]
        stop = self._starts[line] - 1 if line < len(self._starts) else len(self.text)
        return Place(line, start - begin + 1, max(1, min(end, stop) - start))
