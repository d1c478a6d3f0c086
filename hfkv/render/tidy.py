"""Tidy tables: fixed columns, one row for each thing, for spreadsheets, documents and agents.

A column bears the name of the JSON field that it holds (``kv_cache.bytes``), and is the same for
every model. CSV has all columns, as plain values; Markdown and LaTeX those that have a heading,
written for reading. ``.github/OUTPUT.md`` documents them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hfkv.reading import printable
from hfkv.render.machine import cell, to_csv, to_latex, to_markdown, to_tsv
from hfkv.render.words import number

__all__ = ["Column", "Tidy", "one_row", "pick"]

Row = Mapping[str, Any]
#: Columns without which no figure is passed on.
_ALWAYS = frozenset(
    "source commit error basis qualifier kv_cache.basis lora.basis kv_cache_basis "
    "pretraining.basis pretraining.qualifier".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        name: of the JSON field, with dots; "" for a column of documents alone.
        heading: in documents; "" where they leave it out.
        write: the cell in documents, of the whole row; by default the value as it is read.
        words: whether it holds words, which are aligned left.
    """

    name: str
    heading: str = ""
    write: Callable[[Row], str] | None = None
    words: bool = False

    def cell(self, row: Row) -> str:
        """The cell of a document."""
        if self.write is not None:
            return self.write(row)
        value = row.get(self.name)
        if value is None:
            return "-"
        if isinstance(value, (int, float, Fraction)) and not isinstance(value, bool):
            return number(value)
        return printable(cell(value), 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidy:
    """A table.

    Attributes:
        columns: all of them.
        rows: values by the columns' names; what is not there is null.
        title: the sentence above it in a document.
        notes: the sentences below.
        explained: the arithmetic, below them.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]
    title: str = ""
    notes: Sequence[str] = ()
    explained: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        """The columns of CSV."""
        return [column.name for column in self.columns if column.name]

    def csv(self) -> str:
        """Every column, as plain values."""
        return to_csv(self._plain(self.names), self.names)

    def tsv(self) -> str:
        """The columns of documents, as plain values, with what says how and from where each figure
        is known: what an agent needs, and no more."""
        names = [
            column.name
            for column in self.columns
            if column.name and (column.heading or column.name in _ALWAYS)
        ]
        return to_tsv(self._plain(names), names)

    def _plain(self, names: Sequence[str]) -> list[dict[str, str]]:
        return [{name: _plain(row.get(name)) for name in names} for row in self.rows]

    def markdown(self) -> str:
        """The sentence, the table, the notes."""
        headings, rows, left = self._document()
        parts = [self.title] if self.title else []
        parts.append(to_markdown(headings, rows, left=left))
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        if self.explained:
            parts.append("\n".join(["```text", *map(_inert, self.explained), "```"]))
        return "\n\n".join(parts)

    def latex(self) -> str:
        """The table, with the sentence and the notes in comments."""
        headings, rows, left = self._document()
        below = [*self.notes, *self.explained]
        return to_latex(headings, rows, left=left, above=self.title, below=below)

    def _document(self) -> tuple[list[str], list[list[str]], list[int]]:
        shown = [column for column in self.columns if column.heading]
        rows = [[column.cell(row) for column in shown] for row in self.rows]
        left = [index for index, column in enumerate(shown) if column.words]
        return [column.heading for column in shown], rows, left


def _inert(line: str) -> str:
    # A name of the repository's own must not end the block that it stands in.
    return printable(line, 2000).replace("```", "` ` `")


def _plain(value: object) -> str:
    if isinstance(value, Fraction):
        value = int(value) if value.denominator == 1 else float(value)
    return cell(value)


def one_row(value: Row, names: str) -> Tidy:
    """One row of the fields that are named, apart by spaces.

    >>> one_row({"model": "m", "live": {"bytes": 1}}, "model live.bytes").tsv().split()
    ['model', 'live.bytes', 'm', '1']
    """
    columns = [Column(name=name, heading=name) for name in names.split()]
    return Tidy(columns=columns, rows=[pick(value, columns)])


def pick(value: Row, columns: Sequence[Column]) -> dict[str, Any]:
    """The fields of a JSON value that the columns name.

    >>> pick({"lora": {"r": 8}, "kv_cache": None}, [Column(name="lora.r"),
    ...     Column(name="kv_cache.bytes")])
    {'lora.r': 8, 'kv_cache.bytes': None}
    """
    found: dict[str, Any] = {}
    for column in columns:
        item: Any = value
        for key in column.name.split("."):
            item = item.get(key) if isinstance(item, Mapping) else None
        found[column.name] = item
    return found
