"""The known architectures for reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from hfkv.facts.classes import pinned_version
from hfkv.modules.documented import basis_of
from hfkv.render.sheet import Sheet
from hfkv.versions import releases

if TYPE_CHECKING:
    from hfkv.cache.catalogue import Architecture

__all__ = ["sheets", "values"]


def values(found: Sequence[Architecture]) -> list[dict[str, Any]]:
    """The documented JSON values: of the cache, and how LoRA's modules are known beside it."""
    return [{**item.to_json(), "lora": basis_of(item.model_type)[0]} for item in found]


def sheets(found: Sequence[Architecture], *, since: str | None = None) -> list[Sheet]:
    """One table, and how many there are of each basis.

    Args:
        since: the release of transformers after which they came, where that was asked.
    """
    pinned = f"transformers {pinned_version()}: "
    facts = [
        ("basis", _counted(item.basis for item in found)),
        ("lora", f"{_counted(basis_of(item.model_type)[0] for item in found)}, of its modules"),
        ("source", f"a class alone is that of {pinned.removesuffix(': ')}"),
        ("since", f"the release of transformers with the type, where it is after {releases()[0]}"),
        (
            "kinds",
            "those of the class's default config; a file can choose others (layer_types, "
            "sliding_window...)",
        ),
    ]
    return [
        Sheet(
            title=f"{len(found)} architectures whose KV cache is known"
            + (f", of types that came to transformers after {since}" if since else ""),
            columns=("model_type", "kinds", "basis", "lora", "since", "source"),
            rows=[
                (
                    item.model_type,
                    ", ".join(item.kinds) or "by the file",
                    item.basis,
                    basis_of(item.model_type)[0],
                    item.since or "",
                    item.source.removeprefix(pinned),
                )
                for item in found
            ],
            facts=facts,
            left=(1, 2, 3, 4, 5),
        )
    ]


def _counted(bases: Iterable[str]) -> str:
    return ", ".join(f"{count} {basis}" for basis, count in Counter(bases).most_common())
