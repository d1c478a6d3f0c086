"""Bytes of tensors that quanto and hqq pack in groups, as transformers' QuantizedCache has them."""

from __future__ import annotations

import math

from hfkv.engines.arithmetic import ceil_div
from hfkv.errors import UnsupportedError

__all__ = ["packed_bytes"]


def packed_bytes(
    shape: tuple[int, int, int, int], *, backend: str, bits: int, axis: int, group: int, scale: int
) -> int:
    """Bytes of one tensor: its elements packed, a scale and a shift of ``scale`` bytes per group.

    Both lay the elements out as a matrix of groups and pack along its first side: quanto has a
    group in each row for axis 0 and in each column for axis -1, hqq the other way round.

    Raises:
        UnsupportedError: the backend cannot make whole groups, or pack them.

    >>> packed_bytes((1, 8, 1000, 128), backend="quanto", bits=4, axis=0, group=64, scale=2)
    576000
    """
    elements = math.prod(shape)
    along = elements
    if backend == "quanto":
        # Groups lie within what shares a place on the axis.
        along = elements // shape[axis]
    if not along or along % group:
        raise UnsupportedError(
            f"{along:,} elements do not make groups of {group}",
            where=f"--backend {backend}",
            expected="a --q-group-size that divides them",
        )
    groups = elements // group
    rows_are_groups = (axis == 0) == (backend == "quanto")
    rows, columns = (groups, group) if rows_are_groups else (group, groups)
    if backend == "hqq" and bits == 3:
        # Ten of three bits in an int32; missing rows are filled up.
        packed = ceil_div(rows, 10) * columns * 4
    else:
        each = 8 // bits
        if backend == "hqq" and rows % each:
            raise UnsupportedError(
                f"hqq cannot pack {rows:,} rows by {each}",
                where=f"--nbits {bits}",
                expected="an even number of groups",
            )
        packed = ceil_div(rows, each) * columns
    return packed + 2 * scale * groups
