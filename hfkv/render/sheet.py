"""A table for reading, independent of how it is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hfkv.render.machine import to_latex, to_markdown

__all__ = ["Sheet", "notes_of", "sheets_to_latex", "sheets_to_markdown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A sentence, a table, and what is to be said under it.

    Attributes:
        title: the sentence above; "" for none.
        columns: headings; the first column is a label, the others are aligned right.
        rows: cells, one list a row.
        facts: names and values under the table, aligned.
        lines: sentences under the table, in order.
        notes: what a reader must be told; those of all sheets are printed once, at the end.
        left: numbers of the columns, besides the first, that hold words and are aligned left.
        short: shorter cells of a column, for where the table is too wide.
        drop: numbers of the columns that are left out then, the first of them first.
    """

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    facts: Sequence[tuple[str, str]] = ()
    lines: Sequence[str] = ()
    notes: Sequence[str] = ()
    left: Sequence[int] = ()
    short: Mapping[int, Sequence[str]] = field(default_factory=dict)
    drop: Sequence[int] = ()


def notes_of(sheets: Sequence[Sheet]) -> list[str]:
    """The notes of all sheets, each once."""
    return list(dict.fromkeys(note for sheet in sheets for note in sheet.notes))


def sheets_to_markdown(sheets: Sequence[Sheet]) -> str:
    """The same tables as Markdown."""
    parts = []
    for sheet in sheets:
        if sheet.title:
            parts.append(f"### {sheet.title}")
        if sheet.rows:
            parts.append(to_markdown(sheet.columns, sheet.rows, left=sheet.left))
        lines = [f"{name}: {value}" for name, value in sheet.facts] + list(sheet.lines)
        if lines:
            parts.append("\n".join(f"- {' '.join(line.split())}" for line in lines))
    notes = notes_of(sheets)
    if notes:
        parts.append("\n".join(f"- note: {note}" for note in notes))
    return "\n\n".join(parts)


def sheets_to_latex(sheets: Sequence[Sheet]) -> str:
    """The same tables as LaTeX; what is no table stands in comments."""
    parts = []
    for sheet in sheets:
        said = [f"{name}: {value}" for name, value in sheet.facts] + list(sheet.lines)
        parts.append(
            to_latex(sheet.columns, sheet.rows, left=sheet.left, above=sheet.title, below=said)
        )
    notes = [f"% note: {note}" for note in notes_of(sheets)]
    return "\n".join([*parts, *notes])
