"""Sheets as text for a terminal: columns that fit, folded words, nothing that steers the screen."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TextIO

from hfkv.reading import printable
from hfkv.render.sheet import Sheet, notes_of

__all__ = ["cells", "columns_of", "draw", "fold", "hang", "print_sheets"]

#: Columns of a pipe, a file, and of a terminal that does not say.
_WIDTH = 80
#: Between two columns.
_GAP = "   "
_BOLD, _HEAD, _CYAN = "1", "1;2", "36"
#: Cells beside the names of facts; where there are fewer, they stand under one another. And of a
#: long label in the first column, before other columns break their words.
_LEAST_ROOM = 20


def print_sheets(sheets: Sequence[Sheet], file: TextIO) -> None:
    """Print tables: colour on a terminal alone, 80 columns in a pipe (``COLUMNS`` says otherwise).

    ``NO_COLOR`` leaves bold and dim, ``FORCE_COLOR`` writes all of it to a pipe too; what the
    encoding of ``file`` cannot say is written as escapes.
    """
    import click

    forced = bool(os.environ.get("FORCE_COLOR"))
    dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    styled = forced or (file.isatty() and not dumb)
    encoding = getattr(file, "encoding", None) or "utf-8"
    for line in draw(
        sheets,
        width=columns_of(file),
        styled=styled,
        coloured=not os.environ.get("NO_COLOR"),
        rule="─" if encoding.lower().startswith("utf") else "-",
    ):
        shown = line.encode(encoding, "backslashreplace").decode(encoding)
        # click knows how to write styles to a console of Windows.
        click.echo(shown, file=file, color=styled)


def columns_of(file: TextIO) -> int:
    """How many columns there are to write in."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isascii() and asked.isdigit() and int(asked):
        return min(int(asked), 10_000)
    try:
        return os.get_terminal_size(file.fileno()).columns or _WIDTH
    except (OSError, ValueError, AttributeError):
        return _WIDTH


def draw(
    sheets: Sequence[Sheet],
    *,
    width: int = _WIDTH,
    styled: bool = False,
    coloured: bool = True,
    rule: str = "─",
) -> Iterator[str]:
    """The lines of the sheets, no one wider than ``width``, an empty one between two sheets.

    Args:
        styled: with the escapes for bold titles, dim headings and a first column in colour.
        coloured: whether those of colour are among them.
        rule: what the line under the headings is made of.
    """

    def style(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if styled and code and text else text

    for number, sheet in enumerate(sheets):
        if number:
            yield ""
        if sheet.title:
            yield from (style(line, _BOLD) for line in fold(sheet.title, width))
        if sheet.rows:
            fitted, widths = _fitted(sheet, width)
            right = [bool(i) and i not in fitted.left for i in range(len(widths))]
            for place, row in enumerate((fitted.columns, *fitted.rows)):
                parts = [fold(cell, room) for cell, room in zip(row, widths, strict=True)]
                height = max(map(len, parts))
                blanks = [[""] * (height - len(part)) for part in parts]
                # Headings stand on the rule, and the cells hang from it.
                parts = [
                    part + blank if place else blank + part
                    for part, blank in zip(parts, blanks, strict=True)
                ]
                for line in zip(*parts, strict=True):
                    texts = [
                        _pad(text, room, right=side)
                        for text, room, side in zip(line, widths, right, strict=True)
                    ]
                    if not place:
                        texts = [style(text, _HEAD) for text in texts]
                    elif coloured:
                        texts[0] = style(texts[0], _CYAN)
                    yield _GAP.join(texts).rstrip()
                if not place:
                    yield rule * (sum(widths) + len(_GAP) * (len(widths) - 1))
        if sheet.rows and sheet.facts:
            yield ""
        yield from _aligned(sheet.facts, width, lambda text: style(text, _CYAN if coloured else ""))
        for text in sheet.lines:
            yield from hang(text, width, len(text) - len(text.lstrip(" ")) + 2)
    notes = notes_of(sheets)
    if notes:
        yield ""
    for note in notes:
        yield from hang(f"note: {note}", width, 6)


def _aligned(
    facts: Sequence[tuple[str, str]], width: int, style: Callable[[str], str]
) -> Iterator[str]:
    """Names in a column of their own, and the values beside it, folded to where they begin."""
    column = max((cells(printable(name, len(name))) for name, _ in facts), default=0)
    room = width - column - len(_GAP)
    for name, value in facts:
        if room < _LEAST_ROOM:
            yield from hang(f"{name}: {value}", width, 2)
            continue
        for number, line in enumerate(fold(value, room)):
            label = style(_pad(printable(name, len(name)), column)) if not number else " " * column
            yield f"{label}{_GAP}{line}".rstrip()


def hang(text: str, width: int, indent: int) -> list[str]:
    """The text in lines of at most ``width`` cells, all but the first behind ``indent`` blanks.

    >>> hang("note: a cache of bytes", 14, 6)
    ['note: a cache', '      of bytes']
    """
    indent = min(indent, width // 2)
    found = []
    for part in _lines(text):
        first = fold(part, width)[0]
        rest = part[len(first) :].lstrip()
        found.append(first)
        found += [" " * indent + line for line in fold(rest, width - indent)] if rest else []
    return found


def _fitted(sheet: Sheet, width: int) -> tuple[Sheet, list[int]]:
    """The sheet as it fits: with shorter cells, with fewer columns; and the columns' widths."""
    fits = _natural(sheet) <= width
    if not fits and sheet.short:
        columns = [list(column) for column in zip(*sheet.rows, strict=True)]
        for index, cells_ in sheet.short.items():
            columns[index] = list(cells_)
        sheet = replace(sheet, rows=list(zip(*columns, strict=True)))
    left_out: set[int] = set()
    whole = sheet
    for index in sheet.drop:
        if _natural(sheet) <= width:
            break
        left_out.add(index)
        kept = [number for number in range(len(whole.columns)) if number not in left_out]
        sheet = replace(
            whole,
            columns=[whole.columns[number] for number in kept],
            rows=[[row[number] for number in kept] for row in whole.rows],
            left=[place for place, number in enumerate(kept) if number in whole.left],
        )
    return sheet, _widths(sheet, width)


def _natural(sheet: Sheet) -> int:
    """How wide the table is when nothing in it is folded."""
    widths = _full_widths(sheet)
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _full_widths(sheet: Sheet) -> list[int]:
    return [
        max(cells(line) for cell in column for line in _lines(cell))
        for column in zip(sheet.columns, *sheet.rows, strict=True)
    ]


def _widths(sheet: Sheet, width: int) -> list[int]:
    """The width of each column: its widest cell, or less where the table would be too wide.

    The widest columns give way first, until they are as wide as the next ones; none of them below
    its longest word, so that no number is broken, while another one can.
    """
    widths = _full_widths(sheet)
    room = max(width - len(_GAP) * (len(widths) - 1), len(widths))
    # The blanks beside a column count: there are fewer beside the outer ones.
    beside = [1 if index in (0, len(widths) - 1) else 2 for index in range(len(widths))]
    words = [
        max(cells(word) for cell in column for part in _lines(cell) for word in ("", *part.split()))
        for column in zip(sheet.columns, *sheet.rows, strict=True)
    ]
    # A long name is cut before the numbers beside it, and their headings, are.
    words[0] = min(words[0], _LEAST_ROOM)
    while sum(widths) > room:
        wide = [index for index in range(len(widths)) if widths[index] > max(words[index], 1)]
        wide = wide or [index for index in range(len(widths)) if widths[index] > 1]
        widths[max(wide, key=lambda index: (widths[index] + beside[index], index))] -= 1
    return widths


def fold(text: str, width: int) -> list[str]:
    """The text in lines of at most ``width`` cells, broken between words where they fit.

    >>> fold("a cache of 32,768,000,000 bytes", 12)
    ['a cache of', '32,768,000,0', '00 bytes']
    """
    lines = []
    for part in _lines(text):
        line, used = "", 0
        for word in re.findall(r"\s*\S+\s*", part):
            if used + cells(word.rstrip()) > width:
                if line:
                    lines.append(line.rstrip())
                line = word
                while cells(line.rstrip()) > width:
                    cut = _cut(line, width)
                    lines.append(line[:cut])
                    line = line[cut:]
                used = cells(line)
            else:
                line += word
                used += cells(word)
        lines.append(line.rstrip())
    return lines


def _lines(text: str) -> list[str]:
    return [printable(line, len(line)) for line in text.split("\n")]


def _cut(text: str, width: int) -> int:
    """How many of its characters fit into ``width`` cells; one at least."""
    used = 0
    for index, char in enumerate(text):
        used += cells(char)
        if used > width:
            return max(index, 1)
    return len(text)


def _pad(text: str, width: int, *, right: bool = False) -> str:
    space = " " * (width - cells(text))
    return space + text if right else text + space


def cells(text: str) -> int:
    """How many cells of a terminal the text takes: two for a wide character, none for an accent
    that is put on the one before.

    >>> cells("abc"), cells("日本"), cells("e\\u0301")
    (3, 4, 1)
    """
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(
        0 if category(char) in ("Mn", "Me") else 2 if east_asian_width(char) in "WF" else 1
        for char in text
    )
