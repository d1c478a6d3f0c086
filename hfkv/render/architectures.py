"""The known architectures for reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hfkv.facts.classes import pinned_version
from hfkv.render.sheet import Sheet

if TYPE_CHECKING:
    from hfkv.cache.catalogue import Architecture

__all__ = ["sheets"]


def sheets(found: Sequence[Architecture]) -> list[Sheet]:
    """One table, and how many there are of each basis."""
    counts = Counter(item.basis for item in found)
    lines = [f"{count} {basis}" for basis, count in sorted(counts.items())]
    pinned = f"transformers {pinned_version()}: "
    lines.append(f"source: a class alone is that of {pinned.removesuffix(': ')}")
    lines.append(
        "kinds are those of the class's default config; a file can choose others (layer_types, "
        "sliding_window...)"
    )
    return [
        Sheet(
            title=f"{len(found)} architectures whose KV cache is known",
            columns=("model_type", "kinds", "basis", "source"),
            rows=[
                (
                    item.model_type,
                    ", ".join(item.kinds) or "by the file",
                    item.basis,
                    item.source.removeprefix(pinned),
                )
                for item in found
            ],
            lines=lines,
            left=(1, 2, 3),
        )
    ]
