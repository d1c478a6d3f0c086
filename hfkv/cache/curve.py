"""The bytes of a cache as a function of the tokens read, and its exact inverses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hfkv.errors import UnsupportedError

__all__ = ["Curve"]

#: No context is near this; a cache that has not reached a size by here never will.
_FAR = 2**50
#: Rates of compression in use make waves of 128 tokens; longer ones would take seconds.
_LONGEST_WAVE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Bytes against tokens. Between two bends the curve never falls from one period to the next.

    Attributes:
        at: bytes after a number of tokens (0 for none read yet: what is there from the start).
        bends: numbers of tokens at which the slope may change, ascending.
        period: 1 where the curve never falls between bends. Where it does (entries that are
            compressed once they are full), the number of tokens after which its waves repeat, so
            that ``at(n + period)`` is never less than ``at(n)``.
    """

    at: Callable[[int], int]
    bends: Sequence[int] = ()
    period: int = 1

    def bytes(self, tokens: int) -> int:
        """Bytes after ``tokens`` tokens."""
        return self.at(tokens)

    def first_at_least(self, size: int) -> int | None:
        """The smallest number of tokens, at least 1, whose cache is at least ``size`` bytes.

        None where there is none: every window fills before it, or nothing grows.

        Raises:
            UnsupportedError: the waves of the curve are too long to look through.
        """
        if self.period > _LONGEST_WAVE:
            raise UnsupportedError(
                f"the cache's bytes rise and fall in waves of {self.period} tokens",
                expected=f"waves of at most {_LONGEST_WAVE} tokens",
            )
        for low, high in self._pieces():
            found = self._first_in(low, high, size)
            if found is not None:
                return found
        return None

    def _first_in(self, low: int, high: int, size: int) -> int | None:
        """The first of ``low`` to ``high``, which no bend parts, that is at least ``size``.

        One whole wave after the other: the highest point of a wave never lies below the one
        before, so the first wave that reaches the size is found by halving.
        """

        def first_of(wave: int) -> int | None:
            start = low + wave * self.period
            stop = min(start + self.period, high + 1)
            return next((n for n in range(start, stop) if self.at(n) >= size), None)

        waves = (high - low + 1) // self.period
        left, right = 0, waves
        while left < right:
            middle = (left + right) // 2
            left, right = (left, middle) if first_of(middle) is not None else (middle + 1, right)
        # The last wave may be cut short by the bend; it is looked through like the others.
        return first_of(left)

    def fit(self, budget: int) -> int | None:
        """The largest number of tokens such that it, and every smaller number, fits.

        A sequence is read token by token, so a length beyond one that did not fit is of no use.
        None where even unlimited tokens fit (nothing grows); 0 where not even one token does.
        """
        over = self.first_at_least(budget + 1)
        return None if over is None else over - 1

    def _pieces(self) -> list[tuple[int, int]]:
        edges = [bend for bend in self.bends if 1 <= bend < _FAR]
        starts = [1, *(edge + 1 for edge in edges)]
        return list(zip(starts, [*edges, _FAR], strict=True))
