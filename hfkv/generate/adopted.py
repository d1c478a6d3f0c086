"""The rows that were adopted: types whose plan is another's, and what proved it.

``hfkv/data/adopted.json`` is read at every start, and says whose plan each type's is.
``hfkv/data/adopted_proofs.json`` says of which release, how many configs agreed, and which keys
were varied in them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["DATA", "stored_rows", "texts"]

DATA = Path(__file__).parent.parent / "data"
_FILES = ("adopted.json", "adopted_proofs.json")


def stored_rows() -> dict[str, dict[str, Any]]:
    """What was adopted so far, as :func:`hfkv.generate.adopt.row_of_all` says it."""
    likes, proofs = (json.loads((DATA / name).read_text(encoding="utf-8")) for name in _FILES)
    return {name: {"like": like, **proofs[name]} for name, like in likes.items()}


def texts(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The files: whose plan each type's is, which every start reads, and what proved it."""
    likes = {name: row["like"] for name, row in rows.items()}
    proofs = {
        name: {key: value for key, value in row.items() if key != "like"}
        for name, row in rows.items()
    }
    return dict(zip(_FILES, map(_lines, (likes, proofs)), strict=True))


def _lines(by_type: Mapping[str, Any]) -> str:
    """JSON with a line for each type."""
    rows = (f"{json.dumps(name)}: {json.dumps(by_type[name], sort_keys=True)}" for name in by_type)
    return "{\n" + ",\n".join(sorted(rows)) + "\n}\n"
