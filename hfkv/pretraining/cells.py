# ruff: noqa: E501 (tables of patterns read better unbroken)
"""Cells of tables that hold a count of tokens: what the count is of, and whose.

A cell counts where the header above it or the label beside it says so; the other of the two, and
the row or column of parameters, say whose count it is. A cell that spans several rows or columns
is said of all of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from hfkv.pretraining.identity import sizes_in
from hfkv.pretraining.labels import counts_tokens, names_data, scale
from hfkv.pretraining.numbers import Quantity, find
from hfkv.pretraining.text import Segment, Table
from hfkv.pretraining.words import COUNTED, HEDGES, I

__all__ = ["LEAST", "Cell", "lists_properties", "read_cell", "row_subject"]

#: No model is pretrained on less; windows, vocabularies and speeds stand below.
LEAST = 10**6
#: Characters of a cell that begins with its count.
_LONG = 300
_COUNTED = re.compile(COUNTED, I)
_PARAMETERS = re.compile(
    r"param|^\W{0,4}(?:model )?size\b|^\W{0,4}#P\b|参数|參數|パラメータ|매개변수|파라미터|параметр|parám|paramè", I
)  # fmt: skip
_BARE = re.compile(r"^\W{0,3}(?P<n>[0-9]{1,4}(?:\.[0-9]{1,3})?)\W{0,3}$")
_VALUE = re.compile(r"^[~≈\d.,]+\s?[KMBT]?$")
_NAMES = re.compile(r"param|model|size|^\s*$|参数|模型", I)
_IN_BILLIONS = re.compile(
    r"[(（\[]\s?(?:in )?(?:B|billions?|10\^9|十亿)\s?[)）\]]|\bbillions?\b", I
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A count in a cell: ``form`` is column or row, by where the ``label`` stands that says what
    is counted; ``subject`` and ``sizes`` say whose it is."""

    form: str
    quantity: Quantity
    tokens: int
    label: str
    subject: str
    sizes: tuple[int, ...]


def lists_properties(table: Table) -> bool:
    """Whether the first row of a table is no header but the first of a list of properties."""
    head = table.rows[0] if table.rows else []
    return (
        len(head) == 2
        and (counts_tokens(head[0].text) or names_data(head[0].text))
        and bool(_VALUE.match(re.sub(COUNTED, "", head[1].text, flags=I).strip()))
    )


def row_subject(table: Table, segment: Segment) -> str:
    """The first text of a cell's row, where it is not the cell itself."""
    row = table.rows[segment.row]
    first = next((cell.text for cell in row if cell.text), "")
    return "" if first == segment.text else first


def read_cell(table: Table, segment: Segment) -> Cell | None:
    """The count that a cell holds, under a header or beside a label that counts tokens."""
    text = segment.text
    row = table.rows[segment.row]
    if len(text) > _LONG or segment.column == 0:
        return None
    quantities = find(text)
    if not quantities:
        return None
    quantity = quantities[0]
    if len(text) > 60 and not _begins(text, quantity):
        return None
    if len(quantities) > 1 and "+" in text[quantity.end : quantities[1].start]:
        return None
    rest = (text[: quantity.start] + text[quantity.end :]).strip(" *~≈><约")
    rest = re.sub(rf"{COUNTED}|\(.{{0,60}}\)", "", rest, flags=I).strip()
    if len(rest) > 12 and quantity.start > 12:
        return None
    columns = [n for n in range(segment.column, len(row)) if row[n] is segment]
    header = " | ".join(dict.fromkeys(table.header(n) for n in columns))
    label = next((" ".join(cell.text.split()) for cell in row[: segment.column] if cell.text), "")
    for form, name in (("column", table.header(segment.column)), ("row", label)):
        name, quantity = _in_turn(name, text, quantities)
        if not counts_tokens(name) and not (names_data(name) and _COUNTED.search(text)):
            continue
        tokens = quantity.value
        power = scale(name)
        if not quantity.scaled and power:
            value: Fraction = quantity.number * 10**power
            tokens = int(value) if value.denominator == 1 else 0
        if tokens < LEAST:
            return None
        if form == "column":
            subject, sizes = _rows(table, segment)
        else:
            subject, sizes = header, _columns(table, columns)
            if (
                _VALUE.match(header)
                and not _NAMES.search(table.header(0))
                and not _names_sizes(table)
            ):
                # The first row of a list of properties is no header.
                subject = ""
        return Cell(
            form=form, quantity=quantity, tokens=tokens, label=name, subject=subject, sizes=sizes
        )
    return None


def _in_turn(name: str, text: str, quantities: Sequence[Quantity]) -> tuple[str, Quantity]:
    """What a cell's number is called: of "Target / tokens seen" and "1B / 1.1B" the second."""
    names = name.split(" / ")
    if len(names) == len(text.split(" / ")) == len(quantities) > 1:
        for part, quantity in zip(names, quantities, strict=True):
            if counts_tokens(part):
                return part, quantity
    return name, quantities[0]


def _begins(text: str, quantity: Quantity) -> bool:
    """Whether a text is a number and what is said of it: "49,152,000 — about a half of"."""
    return bool(
        re.fullmatch(rf"\W{{0,4}}(?:{HEDGES}){{0,3}}", text[: quantity.start], I)
        and re.match(rf"\s?(?:{COUNTED})?\s?(?:$|[—–,;.(]|-\s)", text[quantity.end :], I)
    )


def _names_sizes(table: Table) -> bool:
    """Whether the header names its columns by sizes alone: "| | 340M | 1.3B |"."""
    names = {table.header(at) for at in range(1, len(table.rows[0]) if table.rows else 0)}
    return len(names) > 1 and all(sizes_in(name) for name in names)


def _rows(table: Table, segment: Segment) -> tuple[str, tuple[int, ...]]:
    """Names and sizes of the rows that a cell stands in."""
    column = segment.column
    names: dict[str, None] = {}
    sizes: list[int] = []
    for number in range(segment.row, min(len(table.rows), segment.row + 60)):
        row = table.rows[number]
        if column >= len(row) or row[column] is not segment:
            break
        names.update(
            dict.fromkeys(" ".join(cell.text.split()) for cell in row[:column] if cell.text)
        )
        for at, cell in enumerate(row[:60]):
            if at != column and _PARAMETERS.search(table.header(at)):
                sizes += _sizes(cell.text, table.header(at))
    return " | ".join(names), tuple(dict.fromkeys(sizes))


def _columns(table: Table, columns: list[int]) -> tuple[int, ...]:
    """Sizes that a row of parameters gives the columns a cell stands in."""
    sizes: list[int] = []
    for row in table.rows[:200]:
        label = row[0].text if row else ""
        if _PARAMETERS.search(label) and len(label) < 60:
            for at in columns:
                if at < len(row):
                    sizes += _sizes(row[at].text, label)
    return tuple(dict.fromkeys(sizes))


def _sizes(text: str, header: str) -> list[int]:
    found = [size for *_, size in sizes_in(text[:80])]
    exact = find(text)
    if not found and len(exact) == 1 and exact[0].value >= 10**6:
        found = [exact[0].value]
    bare = _BARE.match(text)
    if not found and bare is not None and _IN_BILLIONS.search(header):
        found = [int(Fraction(bare["n"]) * 10**9)]
    return found
