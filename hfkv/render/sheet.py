"""A table for reading, independent of how it is printed, and its printing with rich."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from hfkv.render.machine import to_markdown

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Sheet", "console", "print_sheets", "sheets_to_markdown"]


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


def console(file: TextIO) -> Console:
    """A console for text that may be untrusted: no markup, no emoji, no guessing of colours."""
    from rich.console import Console

    return Console(file=file, markup=False, emoji=False, highlight=False, soft_wrap=False)


def print_sheets(sheets: Sequence[Sheet], file: TextIO) -> None:
    """Print tables with rich: colour only on a terminal, 80 columns in a pipe."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    target = console(file)
    for number, sheet in enumerate(sheets):
        if number:
            target.print()
        if sheet.title:
            target.print(Text(sheet.title, style="bold"))
        if sheet.rows:
            table = Table(
                box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1), expand=False
            )
            for index, name in enumerate(sheet.columns):
                words = index == 0 or index in sheet.left
                table.add_column(
                    name,
                    justify="left" if words else "right",
                    overflow="fold",
                    header_style="dim",
                    style="cyan" if index == 0 else None,
                )
            for row in sheet.rows:
                table.add_row(*(Text(cell) for cell in row))
            target.print(table)
        for line in sheet.lines:
            target.print(Text(line))


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
