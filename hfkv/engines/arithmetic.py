"""What engines share: whole pages, and the share of one GPU."""

from __future__ import annotations

__all__ = ["ceil_div", "heads_per_gpu", "round_up"]


def ceil_div(count: int, size: int) -> int:
    """How many pages of ``size`` hold ``count``.

    >>> ceil_div(17, 16)
    2
    """
    return -(-count // size)


def round_up(count: int, size: int) -> int:
    """The least multiple of ``size`` that is at least ``count``.

    >>> round_up(17, 16)
    32
    """
    return ceil_div(count, size) * size


def heads_per_gpu(heads: int, gpus: int) -> int:
    """Key/value heads on one of ``gpus`` tensor-parallel GPUs: fewer heads than GPUs are copied.

    >>> heads_per_gpu(8, 4), heads_per_gpu(2, 8)
    (2, 1)
    """
    return max(1, heads // gpus)
