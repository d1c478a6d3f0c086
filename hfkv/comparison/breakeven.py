"""Where two ways of learning leave the same number of bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hfkv.cache import KVCache
    from hfkv.engines import Allocation

__all__ = ["break_even"]


def break_even(cache: KVCache | Allocation, adapter_bytes: int) -> int | None:
    """The smallest number of tokens whose cache is at least ``adapter_bytes``.

    Exact also where windows fill or the curve falls in places; None where it never gets there.
    """
    return cache.curve.first_at_least(adapter_bytes)
