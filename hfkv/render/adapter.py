"""An adapter of any of PEFT's methods for reading; LoRA has more to show, in its own module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfkv.reading import printable
from hfkv.render.sheet import Sheet
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from hfkv.model import Model
    from hfkv.peft.methods import Adapter

__all__ = ["sheets"]


def sheets(model: Model, figure: Adapter) -> list[Sheet]:
    """The table of an adapter."""
    return [
        Sheet(
            title=f"{printable(figure.model)}: {figure.method}, {format_bytes(figure.bytes)} "
            f"({figure.basis})",
            columns=("", "number"),
            rows=[(name, f"{number:,}") for name, number in figure.rows],
            lines=[f"note: {printable(note, 400)}" for note in (*figure.notes, *model.facts.notes)],
        )
    ]
