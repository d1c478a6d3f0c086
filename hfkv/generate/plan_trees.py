"""Smallest trees of tests that tell apart what was observed."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any

from hfkv.modules.class_plan import UNPROVED

__all__ = ["UnlearnedError", "grow"]

#: Nodes that a search may try, and how many tests at each by the depth that is left.
_EFFORT = 600
_WIDTH = {1: 12, 2: 8, 3: 5, 4: 2}
#: How deep a tree may be that is grown without looking back.
_DEEPEST = 9


class UnlearnedError(Exception):
    """No tree of these tests fits.

    ``unexplained`` are the observations that no leaf is right for, as bits, or those that the best
    tree is wrong about; ``tree`` is that one, with :data:`UNPROVED` where it would be wrong.
    """

    def __init__(self, reason: str, unexplained: int = 0, tree: Any = UNPROVED) -> None:
        super().__init__(reason)
        self.unexplained, self.tree = unexplained, tree


def grow(
    labels: Sequence[tuple[Any, int]],
    tests: Mapping[Hashable, int],
    among: int,
    depth: int,
    *,
    last: bool = False,
) -> Any:
    """A tree whose leaf is right for each observation.

    Args:
        labels: what a leaf can be, preferred first, each with the observations that it is right
            for, as bits.
        tests: each with the observations that pass it, preferred first.
        among: the observations to be told apart.
        last: no other tests will be tried: a deeper tree will do, if it is the next best at each
            step.

    Raises:
        UnlearnedError: there is none.
    """
    union = 0
    for _, cover in labels:
        union |= cover
    if among & ~union:
        raise UnlearnedError("a size follows no formula over the config's keys", among & ~union)
    search = _Search(labels, tests)
    tree = search.grow(among, depth)
    if tree is not _NONE:
        return tree
    reason = "what decides over a parameter was not found"
    if not last:
        raise UnlearnedError(reason)
    tree, wrong = search.straight(among, _DEEPEST)
    if wrong:
        raise UnlearnedError(reason, wrong, tree)
    return tree


_NONE = object()


class _Search:
    """For a tree of a given depth, by the most telling tests first, within bounds."""

    def __init__(self, labels: Sequence[tuple[Any, int]], tests: Mapping[Hashable, int]) -> None:
        self.labels = labels
        self.tests = list(tests.items())
        self.left = _EFFORT
        #: How many observations there are.
        self.width = max(bits.bit_length() for _, bits in (*labels, *self.tests))
        self.found: dict[tuple[int, int], Any] = {}

    @cached_property
    def passed(self) -> Any:
        """Which observation passes which test: a row for each test."""
        return _bits([mask for _, mask in self.tests], self.width)

    def grow(self, among: int, depth: int) -> Any:
        """The tree for these observations, or ``_NONE``."""
        for leaf, cover in self.labels:
            if cover & among == among:
                return leaf
        if depth == 0:
            return _NONE
        # The same observations are left by the same tests in another order.
        if (among, depth) not in self.found:
            self.found[among, depth] = self._split(among, depth)
        return self.found[among, depth]

    def _split(self, among: int, depth: int) -> Any:
        if self.left <= 0:
            return _NONE
        self.left -= 1
        for test, inside in self._telling(among, depth):
            then = self.grow(inside, depth - 1)
            if then is _NONE:
                continue
            other = self.grow(among & ~inside, depth - 1)
            if other is not _NONE:
                return then if then == other else {"if": list(test), "then": then, "else": other}
        return _NONE

    def straight(self, among: int, depth: int) -> tuple[Any, int]:
        """The tree that the most telling tests make one after the other, and the observations that
        are unlike most where it says nothing."""
        for leaf, cover in self.labels:
            if cover & among == among:
                return leaf, 0
        ranked = self._telling(among, depth) if depth else []
        if not ranked:
            most = max((cover & among for _, cover in self.labels), key=int.bit_count)
            return UNPROVED, among & ~most
        test, inside = ranked[0]
        (then, one), (other, two) = (
            self.straight(part, depth - 1) for part in (inside, among & ~inside)
        )
        if then == other:
            return then, one | two
        return {"if": list(test), "then": then, "else": other}, one | two

    def _telling(self, among: int, depth: int) -> list[tuple[Any, int]]:
        """The tests that leave what is alike together, most first: the purity of a part is as
        large as the part where all in it are alike."""
        import numpy as np

        if not self.tests:
            return []
        apart = _apart([cover & among for _, cover in self.labels if cover & among])
        held = _bits([among], self.width)[0].nonzero()[0]
        alike = _bits(apart, self.width)[:, held]
        passing = self.passed[:, held].astype(np.float32) @ alike.T.astype(np.float32)
        failing = alike.sum(1, dtype=np.float32) - passing
        sizes, rest = passing.sum(1), failing.sum(1)
        able = ((sizes > 0) & (rest > 0)).nonzero()[0]
        parts = ((passing, sizes), (failing, rest))
        purity = sum((part[able] ** 2).sum(1) / size[able] for part, size in parts)
        # Stable: of tests that tell as much, the preferred one.
        best = able[np.argsort(-np.round(purity, 3), kind="stable")][: _WIDTH[min(depth, 4)]]
        return [(test, mask & among) for test, mask in (self.tests[at] for at in best.tolist())]


def _bits(masks: Sequence[int], width: int) -> Any:
    """Whole numbers as rows of bits, the lowest first."""
    import numpy as np

    length = (width + 7) // 8
    raw = b"".join(mask.to_bytes(length, "little") for mask in masks)
    rows = np.frombuffer(raw, np.uint8).reshape(len(masks), length)
    return np.unpackbits(rows, axis=1, bitorder="little")


def _apart(covers: list[int]) -> list[int]:
    """The covers without what a larger one has already."""
    found = []
    taken = 0
    for cover in sorted(covers, key=int.bit_count, reverse=True):
        if cover & ~taken:
            found.append(cover & ~taken)
            taken |= cover
    return found
