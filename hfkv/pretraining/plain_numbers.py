"""Counts of tokens as cards write them, read exactly into integers.

The grammar, over text that :mod:`hfkv.pretraining.plain_text` has normalised::

    count  = hedge? number scale? "+"? " "? "tokens"
    number = digits with "," groups, or a decimal
    scale  = trillion | billion | million | T | B | M, also joined by "-" or a space

A number without a scale is a count only if it is written in full (``299,892,736,000``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Count", "counts"]

_SCALES = {
    "trillion": 10**12,
    "trillions": 10**12,
    "tn": 10**12,
    "t": 10**12,
    "billion": 10**9,
    "billions": 10**9,
    "bn": 10**9,
    "b": 10**9,
    "million": 10**6,
    "millions": 10**6,
    "m": 10**6,
}
#: Words before a number that make it a bound or an estimate.
_HEDGES = {
    "at_least": r"over|more than|at least|exceeding|upwards of|above|>|≥|in excess of|beyond",
    "about": r"about|around|approximately|approx\.?|roughly|nearly|almost|some|circa|ca\.|~|≈|∼",
    "up_to": r"up to|at most|under|less than|<|≤",
}
_HEDGE = "|".join(f"(?P<{name}>{words})" for name, words in _HEDGES.items())
_COUNT = re.compile(
    rf"(?:(?<![\w])(?:{_HEDGE})\s*(?:a total of\s+)?)?"
    r"(?<![\w.,/-])(?P<number>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,15}(?:\.[0-9]{1,6})?)"
    r"(?:(?P<gap>\s?-?\s?)(?P<scale>trillions?|billions?|millions?|tn|bn|[TBM])(?![A-Za-z0-9]))?"
    r"(?P<plus>\+)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """One number in a text: its value, hedge, and where it starts and ends there."""

    value: int
    qualifier: str
    start: int
    end: int


def counts(text: str) -> Iterator[Count]:
    """Every number in ``text`` that could count tokens, in order.

    >>> [(c.value, c.qualifier) for c in counts("over 15 trillion tokens, then 1.5T")]
    [(15000000000000, 'at_least'), (1500000000000, 'exact')]
    """
    for match in _COUNT.finditer(text):
        scale = (match["scale"] or "").lower()
        # "3 b" or "4 t" apart from the number is a letter, not a scale.
        if len(scale) == 1 and match["gap"] == " " and match["scale"].islower():
            continue
        number = Fraction(match["number"].replace(",", ""))
        value = number * _SCALES.get(scale, 1)
        if value.denominator != 1 or value < 10**6:
            continue
        qualifier = next((name for name in _HEDGES if match[name]), "exact")
        if match["plus"] and qualifier == "exact":
            qualifier = "at_least"
        yield Count(value=int(value), qualifier=qualifier, start=match.start(), end=match.end())
