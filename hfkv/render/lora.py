"""An adapter for reading: per target module, in all, and what it is a share of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hfkv.reading import printable
from hfkv.render.crosscheck import crosscheck_line
from hfkv.render.sheet import Sheet
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from hfkv.model import Model
    from hfkv.peft.lora import Lora

__all__ = ["sheets"]


def sheets(model: Model, figure: Lora, *, by_layer: bool = False) -> list[Sheet]:
    """The tables of a ``lora``."""
    rows: list[Sequence[str]] = [
        (
            printable(target.name),
            f"{target.modules:,}",
            printable(target.shape),
            str(target.rank),
            f"{target.parameters:,}",
            f"{target.parameters / figure.parameters:.1%}" if figure.parameters else "-",
        )
        for target in figure.targets
    ]
    lines = [
        (
            f"{figure.parameters:,} parameters in {figure.modules:,} modules, "
            f"{format_bytes(figure.bytes)} ({figure.bytes:,} B) in {figure.dtype} ({figure.basis})"
        ),
    ]
    if figure.trainable_percent is not None:
        lines.append(
            f"trainable params: {figure.trainable_parameters:,} || all params: "
            f"{figure.all_parameters:,} || trainable%: {figure.trainable_percent:.4f}"
        )
    sizes = figure.bytes_by_dtype.items()
    lines.append("bytes: " + ", ".join(f"{size:,} in {dtype}" for dtype, size in sizes))
    if figure.saved_parameters != figure.parameters:
        lines.append(
            f"saved to disk: {figure.saved_parameters:,} parameters, of which "
            f"{figure.parameters:,} are trained"
        )
    lines.append(crosscheck_line(figure.agreement))
    lines += [f"note: {printable(note, 600)}" for note in figure.notes]
    lines += [f"note: {printable(note, 400)}" for note in model.facts.notes]
    found = [
        Sheet(
            title=f"{printable(figure.model)}: LoRA r={figure.r}",
            columns=("target", "modules", "in x out", "rank", "parameters", "share"),
            rows=rows,
            lines=lines,
        )
    ]
    if by_layer:
        found.append(
            Sheet(
                title="By layer",
                columns=("layer", "modules", "parameters"),
                rows=[
                    (printable(layer), f"{modules:,}", f"{parameters:,}")
                    for layer, modules, parameters in figure.per_layer
                ],
            )
        )
    return found
