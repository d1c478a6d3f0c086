"""hfkv's figure and the live one for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfkv.dtypes import torch_name
from hfkv.reading import printable
from hfkv.render.sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hfkv.cache import CacheTensor
    from hfkv.live.verify import LayerPair, Verification

__all__ = ["sheets", "signed"]


def sheets(found: Verification) -> list[Sheet]:
    """The totals side by side, and the layers that differ (all of them grouped where none do)."""
    live, mine = found.live, found.planned
    batch = f" in each of {live.batch} sequences" if live.batch > 1 else ""
    verdict = {
        None: "hfkv gives no figure",
        True: "every tensor of every layer agrees",
        False: "they DIFFER",
    }[found.agree]
    rows = [("live", f"{live.bytes:,}", "", printable(live.source, 100))]
    if mine is not None:
        rows.insert(
            0,
            ("hfkv", f"{mine.bytes:,}", signed(mine.bytes - live.bytes), mine.basis),
        )
    lines = [f"run: {found.versions}"]
    if mine is None:
        lines.append(f"hfkv refuses: {printable(found.reason, 600)}")
    lines += [f"note: {note}" for note in found.versions.notes]
    made = [
        Sheet(
            title=(
                f"{printable(live.model)}: KV cache after {live.tokens:,} tokens{batch}, "
                f"{live.dtype}: {verdict}"
            ),
            columns=("figure", "bytes", "difference", "basis"),
            rows=rows,
            lines=lines,
            left=(3,),
        )
    ]
    if found.layers:
        made.append(
            Sheet(
                title="Layers",
                columns=("layers", "kind", "hfkv", "live", "difference"),
                rows=[
                    (
                        _span(group),
                        group[0].kind or "-",
                        _tensors(group[0].planned),
                        "the same" if group[0].agree else _tensors(group[0].live),
                        signed(group[0].difference_bytes),
                    )
                    for group in _grouped(found.layers)
                ],
                left=(1, 2, 3),
            )
        )
    return made


def _grouped(layers: Sequence[LayerPair]) -> list[list[LayerPair]]:
    """Like layers together, in the order of their first."""
    groups: dict[object, list[LayerPair]] = {}
    for pair in layers:
        groups.setdefault((pair.kind, pair.planned, pair.live), []).append(pair)
    return list(groups.values())


def _span(group: Sequence[LayerPair]) -> str:
    from hfkv.cache.explain import ranges

    return ranges([pair.index for pair in group])


def _tensors(tensors: Sequence[CacheTensor]) -> str:
    return (
        ", ".join(
            f"{tensor.name} [{', '.join(map(str, tensor.shape))}] {torch_name(tensor.dtype)}"
            for tensor in tensors
        )
        or "nothing"
    )


def signed(size: int) -> str:
    """A difference, as a table has it."""
    return f"{size:+,}" if size else "0"
