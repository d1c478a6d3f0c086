"""PEFT's methods side by side for reading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hfkv.reading import printable
from hfkv.render.sheet import Sheet

if TYPE_CHECKING:
    from hfkv.comparison.methods import Entry

__all__ = ["sheet"]

#: Fields with long names.
_SHORT = {"num_virtual_tokens": "tokens", "theta_d_length": "theta", "boft_block_size": "block"}


def sheet(model: str, entries: Sequence[Entry], *, limit: int | None = None) -> Sheet:
    """The table of the methods on one model."""
    rows = []
    lines: list[str] = []
    notes: list[str] = []
    for item in entries:
        name = item.method.lower()
        size = (
            f"{name} {_SHORT.get(item.knob or '', item.knob)}={item.size:,}" if item.size else name
        )
        figure = item.figure
        if figure is None:
            rows.append((size, "-", "-", "-", "refused"))
            lines.append(f"no {name}: {printable(item.reason, 400)}")
            continue
        rows.append(
            (
                size,
                f"{figure.parameters:,}",
                f"{figure.bytes:,}",
                f"{figure.saved_parameters:,}",
                figure.basis,
            )
        )
        notes += [f"{name}: {printable(note, 300)}" for note in figure.notes[:2]]
    matched = "" if limit is None else f", where they have a size no larger than {limit:,} bytes"
    return Sheet(
        title=f"{printable(model)}: methods of PEFT{matched}",
        columns=("method", "trained", "bytes", "saved", "basis"),
        rows=rows,
        lines=lines,
        notes=notes,
        left=(4,),
    )
