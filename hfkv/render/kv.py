"""A KV cache for reading: in all, per token, per layer, and against a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hfkv.cache.explain import grouped, ranges
from hfkv.dtypes import torch_name
from hfkv.reading import printable
from hfkv.render.crosscheck import crosscheck_line
from hfkv.render.explained import explained
from hfkv.render.origin import notes_of, origin_line
from hfkv.render.sheet import Sheet
from hfkv.render.tidy import Column, Tidy, pick
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from hfkv.cache import KVCache, Layer
    from hfkv.engines import Budget
    from hfkv.model import Model

__all__ = ["COLUMNS", "LAYER_COLUMNS", "sheets", "tidy"]

#: The same for every model. Those with a heading are the columns of Markdown and LaTeX.
COLUMNS = (
    Column(name="model", heading="model", words=True),
    Column(name="source", heading="source", words=True),
    Column(name="revision"),
    Column(name="commit", heading="commit", words=True),
    Column(name="tokens", heading="tokens"),
    Column(name="batch", heading="sequences"),
    Column(name="dtype", heading="dtype", words=True),
    Column(name="engine", heading="convention", words=True),
    Column(name="bytes", heading="bytes"),
    Column(name="bytes_per_token", heading="next token, B"),
    Column(name="average_bytes_per_token", heading="average, B/token"),
    Column(name="constant_bytes", heading="before the first, B"),
    Column(name="encoder_tokens"),
    Column(name="fit.budget_bytes"),
    Column(name="fit.tokens"),
    Column(name="basis", heading="basis", words=True),
)
#: With ``--layers``: one row for each tensor.
LAYER_COLUMNS = (
    Column(name="model", heading="model", words=True),
    Column(name="source"),
    Column(name="commit"),
    Column(name="tokens"),
    Column(name="batch"),
    Column(name="layer", heading="layer"),
    Column(name="kind", heading="kind", words=True),
    Column(name="tensor", heading="tensor", words=True),
    Column(name="shape", heading="shape", words=True),
    Column(name="dtype", heading="dtype", words=True),
    Column(name="bytes", heading="bytes"),
)


def sheets(
    model: Model,
    figure: KVCache,
    *,
    by_layer: bool = False,
    fit: Budget | None = None,
    fits: int | None = None,
    explain: bool = False,
) -> list[Sheet]:
    """The tables of a ``kv``.

    Args:
        fit, fits: the budget that was asked about, and the tokens that it holds.
    """
    facts = [
        ("KV cache", f"{figure.bytes:,} B in {figure.dtype}"),
        ("next token", f"{figure.bytes_per_token:,} B more"),
        ("average per token", f"{_average(figure)} B"),
        ("before the first", f"{figure.constant_bytes:,} B"),
    ]
    if figure.encoder_tokens is not None:
        facts.append(("encoder tokens", f"{figure.encoder_tokens:,}"))
    facts += [
        ("convention", figure.engine),
        ("basis", figure.basis),
        ("crosscheck", crosscheck_line(figure.agreement)),
        ("read from", origin_line(model)),
    ]
    found = [
        Sheet(
            title=_title(figure, fit, fits),
            facts=facts,
            notes=[printable(note, 600) for note in (*figure.notes, *notes_of(model))],
        )
    ]
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
                drop=(3,),
            )
        )
    if explain:
        found.append(explained(figure.explain(), "How this is computed"))
    return found


def _title(figure: KVCache, fit: Budget | None, fits: int | None) -> str:
    name = printable(figure.model)
    batch = f" in each of {figure.batch:,} sequences" if figure.batch > 1 else ""
    if fit is None:
        return (
            f"{name}: {figure.tokens:,} token{'s' if figure.tokens > 1 else ''}{batch} "
            f"{'take' if figure.tokens > 1 or figure.batch > 1 else 'takes'} "
            f"{format_bytes(figure.bytes)} of KV cache, {_average(figure)} B each"
        )
    exactly = f"{printable(fit.text)} ({fit.bytes:,} B)"
    if fits is None:
        return f"{name}: any number of tokens{batch} fits in {exactly}"
    if not fits:
        return f"{name}: no token{batch} fits in {exactly}"
    return f"{name}: {fits:,} token{'s' if fits > 1 else ''}{batch} fit in {exactly}"


def _average(figure: KVCache) -> str:
    return f"{float(figure.average_bytes_per_token):,.2f}".rstrip("0").rstrip(".")


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


def tidy(model: Model, figure: KVCache, value: dict[str, Any], *, by_layer: bool = False) -> Tidy:
    """One row; with ``by_layer`` one for each tensor of each layer. ``value`` is the JSON."""
    (first,) = sheets(model, figure)
    said: dict[str, Any] = {
        "title": first.title,
        "notes": [f"read from {origin_line(model)}", *first.notes],
        "explained": value.get("explain", ()),
    }
    if not by_layer:
        return Tidy(columns=COLUMNS, rows=[pick(value, COLUMNS)], **said)
    same = pick(value, LAYER_COLUMNS[:5])
    rows = [
        {
            **same,
            "layer": layer.index,
            "kind": layer.kind,
            "tensor": tensor.name,
            "shape": " x ".join(map(str, tensor.shape)),
            "dtype": torch_name(tensor.dtype),
            "bytes": tensor.bytes,
        }
        for layer in figure.layers
        for tensor in layer.tensors
    ]
    return Tidy(columns=LAYER_COLUMNS, rows=rows, **said)
