"""A cartridge, prefix or soft prompt for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfkv.reading import printable
from hfkv.render.sheet import Sheet
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from hfkv.model import Model
    from hfkv.peft.prompts import Prompt

__all__ = ["sheets"]


def sheets(model: Model, figure: Prompt) -> list[Sheet]:
    """The table of a ``lora`` whose adapter is of virtual tokens."""
    rows = [
        ("virtual tokens", f"{figure.virtual_tokens:,}"),
        ("trained parameters", f"{figure.parameters:,}"),
        ("saved parameters", f"{figure.saved_parameters:,}"),
        (f"bytes in {figure.dtype}", f"{figure.bytes:,}"),
        ("bytes of one virtual token", f"{figure.bytes_per_token:,}"),
    ]
    return [
        Sheet(
            title=f"{printable(figure.model)}: {figure.method}, {format_bytes(figure.bytes)} "
            f"({figure.basis})",
            columns=("", "number"),
            rows=rows,
            lines=[f"note: {printable(note, 400)}" for note in (*figure.notes, *model.facts.notes)],
        )
    ]
