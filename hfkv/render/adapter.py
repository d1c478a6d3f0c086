"""An adapter of any of PEFT's methods for reading; LoRA has more to show, in its own module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hfkv.reading import printable
from hfkv.render.origin import notes_of, origin_line
from hfkv.render.sheet import Sheet
from hfkv.render.tidy import Column, Tidy, pick
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from hfkv.model import Model
    from hfkv.peft.methods import Adapter

__all__ = ["COLUMNS", "sheets", "tidy"]

#: One row.
COLUMNS = (
    Column(name="model", heading="model", words=True),
    Column(name="source", heading="source", words=True),
    Column(name="revision"),
    Column(name="commit", heading="commit", words=True),
    Column(name="method", heading="method", words=True),
    Column(name="parameters", heading="trained parameters"),
    Column(name="saved_parameters", heading="saved parameters"),
    Column(name="bytes", heading="bytes"),
    Column(name="dtype", heading="dtype", words=True),
    Column(name="basis", heading="basis", words=True),
)


def sheets(model: Model, figure: Adapter) -> list[Sheet]:
    """The table of an adapter."""
    return [
        Sheet(
            title=f"{printable(figure.model)}: {figure.method}, {format_bytes(figure.bytes)}",
            columns=("", "number"),
            rows=[(name, f"{number:,}") for name, number in figure.rows],
            facts=[("basis", figure.basis), ("read from", origin_line(model))],
            notes=[printable(note, 600) for note in (*figure.notes, *notes_of(model))],
        )
    ]


def tidy(model: Model, figure: Adapter, value: dict[str, Any]) -> Tidy:
    """One row; ``value`` is the JSON."""
    (sheet,) = sheets(model, figure)
    row = {**pick(value, COLUMNS), "method": figure.method}
    notes = [f"read from {origin_line(model)}", *sheet.notes]
    return Tidy(columns=COLUMNS, rows=[row], title=sheet.title, notes=notes)
