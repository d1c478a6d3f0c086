"""The known architectures for reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hfkv.facts.classes import pinned_version
from hfkv.modules.documented import basis_of
from hfkv.render.sheet import Sheet

if TYPE_CHECKING:
    from hfkv.cache.catalogue import Architecture

__all__ = ["sheets", "values"]


def values(found: Sequence[Architecture]) -> list[dict[str, Any]]:
    """The documented JSON values: of the cache, and how LoRA's modules are known beside it."""
    return [{**item.to_json(), "lora": basis_of(item.model_type)[0]} for item in found]


def sheets(found: Sequence[Architecture]) -> list[Sheet]:
    """One table, and how many there are of each basis."""
    counts = Counter(item.basis for item in found)
    lines = [f"{count} {basis}" for basis, count in sorted(counts.items())]
    modules = Counter(basis_of(item.model_type)[0] for item in found)
    lines.append(
        "lora: the basis of the modules that it adapts, "
        + ", ".join(f"{count} {basis}" for basis, count in sorted(modules.items()))
    )
    pinned = f"transformers {pinned_version()}: "
    lines.append(f"source: a class alone is that of {pinned.removesuffix(': ')}")
    lines.append(
        "kinds are those of the class's default config; a file can choose others (layer_types, "
        "sliding_window...)"
    )
    return [
        Sheet(
            title=f"{len(found)} architectures whose KV cache is known",
            columns=("model_type", "kinds", "basis", "lora", "source"),
            rows=[
                (
                    item.model_type,
                    ", ".join(item.kinds) or "by the file",
                    item.basis,
                    basis_of(item.model_type)[0],
                    item.source.removeprefix(pinned),
                )
                for item in found
            ],
            lines=lines,
            left=(1, 2, 3, 4),
        )
    ]
