"""Comparisons in the order of one of their figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

from hfkv.comparison.side_by_side import Comparison

__all__ = ["ORDERS", "ordered"]

#: What models can be ordered by, to the figure.
ORDERS: dict[str, Callable[[Comparison], Fraction | int | None]] = {
    "kv": lambda item: item.context_bytes_per_token,
    "lora": lambda item: item.lora_bytes_per_token,
    "ratio": lambda item: item.compression["kv_over_lora"],
    "break-even": lambda item: item.break_even_tokens,
    "parameters": lambda item: item.model.parameters,
}


def ordered(items: Iterable[Comparison], by: str) -> list[Comparison]:
    """By ``name`` from A to Z; by a key of :data:`ORDERS` the largest first, and those that have no
    such figure last."""
    if by == "name":
        return sorted(items, key=lambda item: item.model.model.lower())
    figure = ORDERS[by]

    def key(item: Comparison) -> tuple[bool, Fraction | int]:
        value = figure(item)
        return (value is None, 0 if value is None else -value)

    return sorted(items, key=key)
