"""A table for reading, independent of how it is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hfkv.render.machine import to_markdown

__all__ = ["Sheet", "sheets_to_markdown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A titled table with lines under it.

    Attributes:
        title: one line above; "" for none.
        columns: headings; the first column is a label, the others are aligned right.
        rows: cells, one list a row.
        lines: sentences under the table, in order.
        left: numbers of the columns, besides the first, that hold words and are aligned left.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    lines: Sequence[str] = ()
    left: Sequence[int] = ()


def sheets_to_markdown(sheets: Sequence[Sheet]) -> str:
    """The same tables as Markdown."""
    parts = []
    for sheet in sheets:
        if sheet.title:
            parts.append(f"### {sheet.title}")
        if sheet.rows:
            parts.append(to_markdown(sheet.columns, sheet.rows))
        if sheet.lines:
            parts.append("\n".join(f"- {line}" for line in sheet.lines))
    return "\n\n".join(parts)
