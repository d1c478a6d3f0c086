"""hfkv's count of an adapter and PEFT's own for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfkv.reading import printable
from hfkv.render.sheet import Sheet
from hfkv.render.verify import signed

if TYPE_CHECKING:
    from hfkv.live.verify_lora import LoraVerification

__all__ = ["sheets"]


def sheets(found: LoraVerification) -> list[Sheet]:
    """The counts side by side, and every target."""
    mine = found.planned
    verdict = {None: "hfkv gives no figure", True: "they agree", False: "they DIFFER"}[found.agree]
    if mine is None and found.trainable is None:
        verdict = "both refuse"
    rows = [
        (
            name,
            "-" if ours is None else f"{ours:,}",
            "-" if theirs is None else f"{theirs:,}",
            "" if ours is None or theirs is None else signed(ours - theirs),
        )
        for name, ours, theirs in (
            ("trained", None if mine is None else mine.trainable_parameters, found.trainable),
            ("in all", None if mine is None else mine.all_parameters, found.all),
        )
    ]
    targets = {} if mine is None else mine.per_target
    for name in dict.fromkeys([*targets, *found.per_target]):
        ours, theirs = targets.get(name, 0), found.per_target.get(name, 0)
        rows.append((printable(name, 60), f"{ours:,}", f"{theirs:,}", signed(ours - theirs)))
    ran = f"run: {found.versions}"
    lines = [ran if mine is None else f"{ran}; hfkv's basis: {mine.basis}"]
    lines += [f"note: {note}" for note in found.versions.notes]
    if found.reason:
        lines.append(f"hfkv refuses: {printable(found.reason, 600)}")
    if found.live_reason:
        lines.append(f"PEFT refuses: {printable(found.live_reason, 600)}")
    return [
        Sheet(
            title=f"{printable(found.model)}: LoRA adapter, r={found.options.r}: {verdict}",
            columns=("parameters", "hfkv", "PEFT", "difference"),
            rows=rows,
            lines=lines,
        )
    ]
