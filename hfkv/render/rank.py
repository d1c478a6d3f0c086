"""The ranks of a model for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfkv.peft.lora.capacity import LIMIT
from hfkv.reading import printable
from hfkv.render.sheet import Sheet
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from hfkv.comparison.rank import Ranks

__all__ = ["sheets"]


def sheets(found: Ranks) -> list[Sheet]:
    """One table, and the three ranks by name."""
    rows = [
        (
            str(row.r),
            f"{row.parameters:,}",
            format_bytes(row.bytes),
            "-" if row.share_of_weights is None else f"{float(row.share_of_weights):.2%}",
            f"{float(row.compression):,.2f}x",
            f"{float(row.capacity_bits / found.tokens):,.1f}",
        )
        for row in found.rows
    ]
    covers = "no rank" if found.covers is None else f"r={found.covers:,}"
    share = "no rank" if found.at_one_percent is None else f"r={found.at_one_percent:,} at most"
    if found.weight_bytes is None:
        share = "not known, as no weights were seen"
    lines = [
        f"the cache of {found.tokens:,} tokens has {found.kv_cache_bytes:,} B",
        "same bytes as the cache: "
        + ("no rank" if found.at_parity is None else f"r={found.at_parity:,} at most"),
        f"1% of the weights: {share}",
        (
            f"capacity (a model, not an exact figure): {covers} is the smallest that could hold "
            f"{found.tokens:,} tokens, assuming {float(found.bits_per_token):g} bits per token; "
            f"{found.capacity.citation}"
        ),
        f"below it: {LIMIT}",
    ]
    return [
        Sheet(
            title=f"{printable(found.model)}: LoRA ranks at {found.tokens:,} tokens",
            columns=("rank", "parameters", "bytes", "of weights", "vs cache", "bits held/token"),
            rows=rows,
            lines=lines,
        )
    ]
