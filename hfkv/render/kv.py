"""A KV cache for reading: in all, per token, per layer, and against a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfkv.cache.explain import grouped, ranges
from hfkv.dtypes import torch_name
from hfkv.reading import printable
from hfkv.render.crosscheck import crosscheck_line
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
            f"{name}: any number of tokens fits in {format_bytes(fit)} ({fit:,} B)"
            if fits is None
            else f"{name}: no token fits in {format_bytes(fit)}"
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
        ("bytes of the next token (marginal)", f"{figure.bytes_per_token:,}"),
        ("bytes per token (average)", f"{float(average):,.2f}".rstrip("0").rstrip(".")),
        ("bytes before the first token", f"{figure.constant_bytes:,}"),
        ("dtype", figure.dtype),
        ("convention", figure.engine),
        ("how known", figure.basis),
    ]
    lines.append(crosscheck_line(figure.agreement))
    lines += [f"note: {printable(note, 600)}" for note in figure.notes]
    found = [Sheet(title=title, columns=("figure", "value"), rows=rows, lines=lines)]
    if by_layer:
        found.append(
            Sheet(
                title="Layers",
                columns=("layers", "kind", "stores", "bytes each", "bytes of all"),
                rows=[
                    (
                        f"{len(indices)}: {ranges(indices)}",
                        layer.kind,
                        _tensors(layer, figure.dtype),
                        f"{layer.bytes:,}",
                        f"{len(indices) * layer.bytes:,}",
                    )
                    for indices, layer in grouped(figure.layers)
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


def _tensors(layer: Layer, dtype: str) -> str:
    """A tensor a line; its dtype only where it is another than the cache's own."""
    return (
        "\n".join(
            f"{tensor.name} {'x'.join(map(str, tensor.shape))}"
            + ("" if torch_name(tensor.dtype) == dtype else f" {torch_name(tensor.dtype)}")
            for tensor in layer.tensors
        )
        or "nothing"
    )
