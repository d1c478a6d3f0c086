"""A KV cache for reading: in all, per token, per layer, and against a budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from hfkv.dtypes import torch_name
from hfkv.reading import printable
from hfkv.render.sheet import Sheet
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from hfkv.cache import KVCache, Layer

__all__ = ["sheets"]


def sheets(
    figure: KVCache,
    *,
    by_layer: bool = False,
    fit: int | None = None,
    fits: int | None = None,
    explain: bool = False,
) -> list[Sheet]:
    """The tables of a ``kv``."""
    name = printable(figure.model)
    lines: list[str] = []
    if fit is not None:
        title = (
            f"{name}: no token fits in {format_bytes(fit)}"
            if not fits
            else f"{name}: {fits:,} tokens fit in {format_bytes(fit)} ({fit:,} B)"
        )
    else:
        title = f"{name}: {format_bytes(figure.bytes)} of KV cache"
    average = figure.average_bytes_per_token
    batch = f" in each of {figure.batch} sequences" if figure.batch > 1 else ""
    rows = [
        ("tokens", f"{figure.tokens:,}{batch}"),
        ("bytes, total", f"{figure.bytes:,}"),
        ("bytes for the next token", f"{figure.bytes_per_token:,}"),
        ("bytes per token, average", f"{float(average):,.2f}".rstrip("0").rstrip(".")),
        ("constant bytes", f"{figure.constant_bytes:,}"),
        ("dtype", figure.dtype),
        ("convention", figure.engine),
        ("how known", figure.basis),
    ]
    lines += [f"note: {printable(note, 600)}" for note in figure.notes]
    found = [Sheet(title=title, columns=("figure", "value"), rows=rows, lines=lines)]
    if by_layer:
        found.append(
            Sheet(
                title="Layers",
                columns=("layers", "kind", "stores", "bytes each"),
                rows=[
                    (ranges(indices), layer.kind, _tensors(layer), f"{_size(layer):,}")
                    for indices, layer in _grouped(figure.layers)
                ],
                left=(1, 2),
            )
        )
    if explain:
        found.append(
            Sheet(
                title="How this is computed",
                columns=(),
                rows=(),
                lines=[printable(line, 2000) for line in figure.explain()],
            )
        )
    return found


def _size(layer: Layer) -> int:
    return sum(tensor.bytes for tensor in layer.tensors)


def _tensors(layer: Layer) -> str:
    return (
        ", ".join(
            f"{tensor.name} [{', '.join(map(str, tensor.shape))}] {torch_name(tensor.dtype)}"
            for tensor in layer.tensors
        )
        or "nothing"
    )


def _grouped(layers: Iterable[Layer]) -> list[tuple[list[int], Layer]]:
    groups: dict[tuple[object, ...], tuple[list[int], Layer]] = {}
    for layer in layers:
        key = (layer.kind, tuple((t.name, t.shape, t.dtype) for t in layer.tensors))
        groups.setdefault(key, ([], layer))[0].append(layer.index)
    return list(groups.values())


def ranges(numbers: Sequence[int]) -> str:
    """``0-3, 5, 7-9``; a regular stride as ``0-60 step 6``.

    >>> ranges([0, 1, 2, 5]), ranges([5, 11, 17, 23])
    ('0-2, 5', '5-23 step 6')
    """
    if len(numbers) > 2:
        strides = {b - a for a, b in pairwise(numbers)}
        if len(strides) == 1 and strides != {1}:
            return f"{numbers[0]}-{numbers[-1]} step {strides.pop()}"
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)
