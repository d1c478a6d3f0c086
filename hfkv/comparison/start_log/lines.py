"""One number of a log beside hfkv's, and how printed numbers are read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from hfkv.errors import ConfigError

__all__ = ["LogLine", "decimal", "number", "within"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One number of the log and hfkv's.

    Attributes:
        what: which number.
        said: as printed; "" where the log has none.
        computed: hfkv's, printed alike; "" where hfkv has none.
        agree: whether they are the same within the printed digits.
        line: where it stands in the log; 0 where the log has none.
        why: what explains a difference, or what to give; "" where they agree.
    """

    what: str
    said: str
    computed: str
    agree: bool
    line: int = 0
    why: str = ""


def within(printed: str, unit: int) -> tuple[int, int]:
    """The least and the most bytes that are printed so.

    Raises:
        ConfigError: it is no number.
    """
    value = decimal(printed)
    half = Fraction(1, 2 * 10 ** len(printed.partition(".")[2]))
    return math.ceil((value - half) * unit), math.floor((value + half) * unit)


def decimal(printed: str) -> Fraction:
    """A size as it is printed.

    Raises:
        ConfigError: it is no number.
    """
    try:
        return Fraction(printed)
    except ValueError:
        raise ConfigError("no number", where=printed, expected="a size as 12.34") from None


def number(text: str) -> int:
    return int(text.replace(",", ""))
