"""Lines of an explanation, for a terminal of 80 columns."""

from __future__ import annotations

import textwrap

__all__ = ["WIDTH", "wrapped"]

WIDTH = 78


def wrapped(line: str, indent: int = 4) -> list[str]:
    """The line in lines of at most :data:`WIDTH` columns; all but the first behind ``indent``.

    >>> wrapped("  " + "x " * 39)[1]
    '    x'
    """
    return textwrap.wrap(
        line,
        WIDTH,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
