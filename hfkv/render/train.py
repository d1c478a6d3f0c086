"""What training an adapter takes, for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfkv.reading import printable
from hfkv.render.sheet import Sheet
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from hfkv.training import Training

__all__ = ["rows", "sheets"]


def sheets(found: Training) -> list[Sheet]:
    """The parts and their sum; what is estimated in a table of its own."""
    where = "" if found.strategy is None else f" on each of {found.gpus:,} GPUs ({found.strategy})"
    parts = [
        (part.name, printable(part.of, 80), f"{part.bytes:,}", format_bytes(part.bytes), part.basis)
        for part in found.parts
    ]
    parts.append(("in all", "", f"{found.bytes:,}", format_bytes(found.bytes), found.basis))
    lines = []
    if found.saved_file_bytes is not None:
        lines.append(
            f"on disk: adapter_model.safetensors of {found.saved_file_bytes:,} B, of them "
            f"{found.saved_tensor_bytes:,} B of tensors"
        )
    elif found.saved_tensor_bytes is not None:
        lines.append(
            f"on disk: {found.saved_tensor_bytes:,} B of tensors, and the header of the file"
        )
    lines += [f"note: {printable(note, 400)}" for note in found.notes]
    made = [
        Sheet(
            title=f"{printable(found.model)}: training LoRA r={found.r} with "
            f"{found.optimizer}{where}",
            columns=("part", "of", "bytes", "", "basis"),
            rows=parts,
            lines=lines,
            left=(1, 4),
        )
    ]
    guess = found.activations
    if guess is not None:
        asked = f"{guess.batch:,} x {guess.sequence:,} tokens" + (
            ", gradient checkpointing" if guess.checkpointing else ""
        )
        shown = []
        if guess.low is not None and guess.high is not None:
            shown = [
                (name, f"{size:,}", format_bytes(size), "estimated")
                for name, size in (("lower", guess.low), ("upper", guess.high))
            ]
        said = f"not estimated: {guess.reason}" if guess.reason else guess.rule
        made.append(
            Sheet(
                title=f"Activations on each GPU, {asked} (in no sum)",
                columns=("estimate", "bytes", "", "basis"),
                rows=shown,
                lines=[printable(said, 600)],
                left=(3,),
            )
        )
    return made


def rows(found: Training) -> list[dict[str, str]]:
    """One flat row a part; estimates are rows of their own, and in no sum."""
    same = {
        "model": found.model,
        "r": str(found.r),
        "optimizer": found.optimizer,
        "strategy": found.strategy or "",
        "gpus": str(found.gpus),
    }
    made = [
        same | {"part": part.name, "bytes": str(part.bytes), "basis": part.basis}
        for part in found.parts
    ]
    made.append(same | {"part": "in all", "bytes": str(found.bytes), "basis": found.basis})
    guess = found.activations
    if guess is not None:
        made += [
            same
            | {
                "part": f"activations, {name}",
                "bytes": "" if size is None else str(size),
                "basis": "estimated",
            }
            for name, size in (("lower", guess.low), ("upper", guess.high))
        ]
    return made
