"""Where two ways of learning leave the same number of bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hfkv.cache import KVCache

__all__ = ["break_even", "rank_at_parity"]


def break_even(cache: KVCache, adapter_bytes: int) -> int | None:
    """The smallest number of tokens whose cache is at least ``adapter_bytes``.

    Exact also where windows fill or the curve falls in places; None where it never gets there.
    """
    return cache.curve.first_at_least(adapter_bytes)


def rank_at_parity(cache_bytes: int, adapter_bytes: Callable[[int], int]) -> int | None:
    """The largest rank whose adapter is no larger than the cache; None if rank 1 is larger.

    An adapter's bytes never fall as the rank rises, whatever parts of it (DoRA, saved modules) do
    not depend on the rank. None as well where no part does.
    """
    one, two = adapter_bytes(1), adapter_bytes(2)
    if one > cache_bytes:
        return None
    if one == two:
        # Nothing of it depends on r (every target has its rank by pattern).
        return None
    # A count is a line in the rank, so its slope names the rank; the real count then confirms it.
    guess = 1 + (cache_bytes - one) // (two - one)
    if adapter_bytes(guess) <= cache_bytes < adapter_bytes(guess + 1):
        return guess
    low, high = 1, 2
    while adapter_bytes(high) <= cache_bytes:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if adapter_bytes(middle) <= cache_bytes:
            low = middle
        else:
            high = middle
    return low
