"""Figures as tables and sentences have them: numbers, ratios, and what is only a bound."""

from __future__ import annotations

from fractions import Fraction

__all__ = ["SAID", "SIGNS", "number", "times"]

#: What stands before a number that is a bound or about right: in tables, and in sentences.
SIGNS = {"exact": "", "at_least": ">= ", "about": "~ ", "up_to": "<= "}
SAID = {"exact": "", "at_least": "at least ", "about": "about ", "up_to": "at most "}


def number(value: Fraction | int | float) -> str:
    """Whole numbers in full, others to four digits, small ones to three.

    >>> number(Fraction(1035)), number(Fraction(10355, 2)), number(Fraction(47, 5000))
    ('1,035', '5,178', '0.0094')
    """
    value = Fraction(value)
    if value.denominator == 1:
        return f"{int(value):,}"
    if value >= 1000:
        return f"{float(value):,.0f}"
    if value >= 1:
        return f"{float(value):.4g}"
    return f"{float(value):.4f}" if value >= Fraction(1, 1000) else f"{float(value):.3g}"


def times(value: Fraction | float | None) -> str:
    """A ratio, with four digits or all of its whole ones.

    >>> times(Fraction(3956, 100)), times(Fraction(34_833_039)), times(None)
    ('39.56x', '34,833,039x', '-')
    """
    if value is None:
        return "-"
    return f"{float(value):,.0f}x" if value >= 1000 else f"{float(value):.4g}x"
