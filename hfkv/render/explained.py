"""The arithmetic of a figure under its table."""

from __future__ import annotations

from collections.abc import Sequence

from hfkv.reading import printable
from hfkv.render.sheet import Sheet

__all__ = ["explained"]


def explained(lines: Sequence[str], title: str) -> Sheet:
    """The lines of an ``explain()``."""
    return Sheet(title=printable(title), lines=[printable(line, 2000) for line in lines])
