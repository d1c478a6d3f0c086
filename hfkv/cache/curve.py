"""The bytes of a cache as a function of the tokens read, and its exact inverses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Curve"]

#: No context is near this; a cache that has not reached a size by here never will.
_FAR = 2**50


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Bytes against tokens. Between two bends the curve never falls.

    Attributes:
        at: bytes after a number of tokens (0 for none read yet: what is there from the start).
        bends: numbers of tokens at which the slope may change, ascending.
    """

    at: Callable[[int], int]
    bends: Sequence[int] = ()

    def bytes(self, tokens: int) -> int:
        """Bytes after ``tokens`` tokens."""
        return self.at(tokens)

    def first_at_least(self, size: int) -> int | None:
        """The smallest number of tokens, at least 1, whose cache is at least ``size`` bytes.

        None where there is none: every window fills before it, or nothing grows.
        """
        for low, high in self._pieces():
            if self.at(high) >= size:
                while low < high:
                    middle = (low + high) // 2
                    low, high = (low, middle) if self.at(middle) >= size else (middle + 1, high)
                return low
        return None

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
