"""What training an adapter takes, for reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hfkv.reading import printable
from hfkv.render.origin import notes_of, origin_line
from hfkv.render.sheet import Sheet
from hfkv.render.tidy import Column, Tidy, pick
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from hfkv.model import Model
    from hfkv.training import Training

__all__ = ["COLUMNS", "sheets", "tidy"]

_SAME = (
    Column(name="model", heading="model", words=True),
    Column(name="source"),
    Column(name="revision"),
    Column(name="commit"),
    Column(name="r", heading="r"),
    Column(name="optimizer", heading="optimizer", words=True),
    Column(name="strategy", heading="strategy", words=True),
    Column(name="gpus", heading="GPUs"),
    Column(name="base_dtype", heading="base", words=True),
)
#: One row for each part of what a GPU holds, which add up; estimates are rows that do not.
COLUMNS = (
    *_SAME,
    Column(name="part", heading="part", words=True),
    Column(name="bytes", heading="bytes"),
    Column(name="basis", heading="basis", words=True),
)


def sheets(model: Model, found: Training) -> list[Sheet]:
    """The parts and their sum; what is estimated in a table of its own."""
    parts = [
        (part.name, printable(part.of, 80), f"{part.bytes:,}", format_bytes(part.bytes), part.basis)
        for part in found.parts
    ]
    facts = []
    if found.saved_file_bytes is not None:
        facts.append(("on disk", f"adapter_model.safetensors of {found.saved_file_bytes:,} B"))
    elif found.saved_tensor_bytes is not None:
        facts.append(("on disk", f"{found.saved_tensor_bytes:,} B of tensors, and a header"))
    facts.append(("read from", origin_line(model)))
    made = [
        Sheet(
            title=_title(found),
            columns=("part", "of", "bytes", "", "basis"),
            rows=parts,
            facts=facts,
            notes=[printable(note, 600) for note in (*found.notes, *notes_of(model))],
            left=(1, 4),
            drop=(1,),
        )
    ]
    guess = found.activations
    if guess is None:
        return made
    asked = f"{guess.batch:,} x {guess.sequence:,} tokens" + (
        ", gradient checkpointing" if guess.checkpointing else ""
    )
    shown = [
        (name, f"{size:,}", format_bytes(size), "estimated")
        for name, size in (("lower", guess.low), ("upper", guess.high))
        if size is not None
    ]
    said = f"not estimated: {guess.reason}" if guess.reason else guess.rule
    return [
        *made,
        Sheet(
            title=f"Activations on each GPU, {asked} (in no sum)",
            columns=("estimate", "bytes", "", "basis"),
            rows=shown,
            lines=[printable(said, 600)],
            left=(3,),
        ),
    ]


def _title(found: Training) -> str:
    where = "" if found.strategy is None else f" on each of {found.gpus:,} GPUs ({found.strategy})"
    return (
        f"{printable(found.model)}: training a LoRA of rank {found.r} with {found.optimizer} takes "
        f"{format_bytes(found.bytes)}{where}, {found.bytes:,} B, beside activations"
    )


def tidy(model: Model, found: Training, value: Mapping[str, Any]) -> Tidy:
    """One row for each part, then for each estimate. ``value`` is the JSON."""
    same = pick(value, _SAME)
    rows = [
        {**same, "part": part.name, "bytes": part.bytes, "basis": part.basis}
        for part in found.parts
    ]
    guess = found.activations
    notes = [f"read from {origin_line(model)}", *found.notes, *notes_of(model)]
    if guess is not None:
        rows += [
            {**same, "part": f"activations, {name}", "bytes": size, "basis": "estimated"}
            for name, size in (("lower", guess.low), ("upper", guess.high))
        ]
        notes.append(f"activations: {guess.reason or guess.rule}")
    return Tidy(
        columns=COLUMNS,
        rows=rows,
        title=_title(found),
        notes=[printable(note, 600) for note in notes],
    )
