"""Whether options have values that an engine could take at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from hfkv.errors import InputError

__all__ = ["at_least", "check_generated", "check_length", "share"]


def share(value: float, where: str, *, whole: bool) -> Fraction:
    """A share of a GPU's memory, as it is written in decimal.

    Args:
        whole: whether all of it may be taken.

    Raises:
        InputError: it is no share.

    >>> share(0.9, "--gpu-memory-utilization", whole=True)
    Fraction(9, 10)
    """
    if not math.isfinite(value) or not 0 < value <= 1 or (value == 1 and not whole):
        most = "at most 1" if whole else "less than 1"
        raise InputError(f"found {value}", where=where, expected=f"more than 0, {most}")
    return Fraction(str(value))


def at_least(values: Mapping[str, tuple[float | None, int]]) -> None:
    """Refuse numbers that are too small, or none at all.

    Args:
        values: the flag to its value, None where it was not given, and the least that it may be.

    Raises:
        InputError: one of them is out of its range.
    """
    for where, (value, least) in values.items():
        if value is not None and not (math.isfinite(value) and value >= least):
            raise InputError(f"found {value}", where=where, expected=f"at least {least}")


def check_length(tokens: int, most: int | None, where: str) -> None:
    """Refuse a request that is longer than the engine was told that any will be.

    Raises:
        InputError: it is longer.
    """
    if most is not None and tokens > most:
        raise InputError(
            f"a request of {tokens:,} tokens", where=where, expected=f"at most its {most:,}"
        )


def check_generated(generated: int, tokens: int) -> None:
    """Refuse more generated tokens than leave one for the prompt.

    Raises:
        InputError: they are more.
    """
    if generated > tokens - 1:
        raise InputError(
            f"{generated:,} generated tokens",
            where="--generated",
            expected=f"at most {tokens - 1:,}, the {tokens:,} tokens but for a prompt of one",
        )
