"""The store for reading: which models, at which commits, and how large."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfkv.json_value import attributes
from hfkv.reading import printable
from hfkv.render.sheet import Sheet
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from hfkv.source.store import Entry

__all__ = ["sheets", "to_json"]


def to_json(folder: Path, entries: Sequence[Entry], *, cleared: bool) -> dict[str, Any]:
    """``{folder, bytes, cleared, entries: [{model, commit, revisions, bytes}]}``."""
    return {
        "folder": str(folder),
        "bytes": sum(entry.bytes for entry in entries),
        "cleared": cleared,
        "entries": [attributes(entry, "model commit revisions bytes") for entry in entries],
    }


def sheets(folder: Path, entries: Sequence[Entry], *, cleared: bool) -> list[Sheet]:
    """One table; the lines under it say where it is, and what was removed."""
    total = format_bytes(sum(entry.bytes for entry in entries))
    count = f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}, {total}"
    return [
        Sheet(
            title="",
            columns=("model", "commit", "revisions", "bytes"),
            rows=[
                (
                    printable(entry.model),
                    entry.commit[:12],
                    printable(", ".join(entry.revisions)),
                    format_bytes(entry.bytes),
                )
                for entry in entries
            ],
            lines=[f"{'removed: ' if cleared else ''}{count}", f"in {printable(str(folder))}"],
            left=(1, 2),
        )
    ]
