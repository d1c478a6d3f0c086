"""Sets of index tuples as boxes of ranges: how a table of 92,000 names fits in a few kilobytes.

``{(0, 0), (0, 1), (1, 0), (1, 1)}`` is the box ``((0, 1),), ((0, 1),)``: for each place its
ranges, first and last included. A box stands for all combinations, a list of boxes for their union.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Box", "Index", "box_size", "boxes_of", "dump_box", "expand", "holds", "load_box"]

Index = tuple[int, ...]
Ranges = tuple[tuple[int, int], ...]
Box = tuple[Ranges, ...]

#: More tensors than any checkpoint has; a damaged or hostile record must not fill the memory.
MOST = 5_000_000


def boxes_of(indices: Iterable[Index]) -> tuple[Box, ...]:
    """Boxes that hold exactly ``indices``, all of one length, each once; in ascending order.

    >>> boxes_of([(0, 0), (0, 1), (1, 0), (1, 1), (2, 5)])
    ((((0, 1),), ((0, 1),)), (((2, 2),), ((5, 5),)))
    >>> boxes_of([()])
    ((),)
    """
    return tuple(_boxes(sorted(indices)))


def _boxes(indices: Sequence[Index]) -> list[Box]:
    """As :func:`boxes_of`, of sorted indices: firsts that go with the same rests share a box."""
    if not indices[0]:
        return [()]
    if len(indices[0]) == 1:
        return [(_ranges(first for (first,) in indices),)]
    by_rest: dict[tuple[Index, ...], list[int]] = {}
    for first, group in itertools.groupby(indices, key=lambda index: index[0]):
        by_rest.setdefault(tuple(index[1:] for index in group), []).append(first)
    return [(_ranges(firsts), *box) for rests, firsts in by_rest.items() for box in _boxes(rests)]


def _ranges(numbers: Iterable[int]) -> Ranges:
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return tuple(found)


def expand(boxes: Iterable[Box]) -> Iterator[Index]:
    """Every index tuple of the boxes.

    >>> list(expand(boxes_of([(1, 7), (0, 7)])))
    [(0, 7), (1, 7)]
    """
    for box in boxes:
        yield from itertools.product(
            *(
                itertools.chain.from_iterable(range(low, high + 1) for low, high in ranges)
                for ranges in box
            )
        )


def box_size(boxes: Iterable[Box]) -> int:
    """How many index tuples the boxes hold.

    >>> box_size(boxes_of([(0, 0), (0, 1), (3, 0)]))
    3
    """
    total = 0
    for box in boxes:
        size = 1
        for ranges in box:
            size *= sum(high - low + 1 for low, high in ranges)
        total += size
    return total


def holds(boxes: Iterable[Box], index: Index) -> bool:
    """Whether one of the boxes holds ``index``."""
    return any(
        len(box) == len(index)
        and all(
            any(low <= number <= high for low, high in ranges)
            for ranges, number in zip(box, index, strict=True)
        )
        for box in boxes
    )


def dump_box(box: Box) -> list[str]:
    """The box as a record writes it.

    >>> dump_box((((0, 2), (5, 5)), ((1, 1),)))
    ['0-2,5', '1']
    """
    return [
        ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)
        for ranges in box
    ]


def load_box(texts: Iterable[str]) -> Box:
    """The inverse of :func:`dump_box`.

    Raises:
        ValueError: it is not what :func:`dump_box` writes, or holds more than :data:`MOST`.
    """
    box: Box = tuple(tuple(_range(part) for part in text.split(",")) for text in texts)
    if box_size([box]) > MOST:
        raise ValueError(f"a box of {box_size([box])}")
    return box


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    low, high = int(first), int(last or first)
    if not 0 <= low <= high < 10**9:
        raise ValueError(text)
    return low, high
