"""What Python shows of a figure: one line at the prompt, a table in a notebook, a dict on request.

The table is plain HTML without scripts, style sheets or anything fetched. It takes its colours from
the page around it, so that it reads in Jupyter's light and dark themes alike; every cell is
escaped, since cards and configs are untrusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from hfkv.json_value import versioned
from hfkv.reading import printable
from hfkv.units import format_bytes

__all__ = ["Shown", "Table", "cell", "size"]

_LINE = "border-bottom:1px solid rgba(128,128,128,.35);padding:.25em .8em;"
_NUMBER = f"{_LINE}text-align:right;font-variant-numeric:tabular-nums"
_TEXT = f"{_LINE}text-align:left"
_NOTE = "margin:.35em 0 0;max-width:60em;opacity:.8;font-size:.92em"
#: Longer notes are quotes of whole cards.
_LONGEST = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table for a notebook.

    Attributes:
        title: above it.
        columns: its head; empty for a table of names and values.
        rows: cells as they are shown, the first of each a name.
        notes: below it, one line each.
        texts: numbers of the columns after the first that hold no numbers.
    """

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    texts: tuple[int, ...] = ()

    def html(self) -> str:
        """The table as HTML, escaped."""
        parts = ['<div><table style="border-collapse:collapse;margin:0">']
        parts.append(
            f'<caption style="caption-side:top;text-align:left;font-weight:600;padding:.3em 0;'
            f'white-space:nowrap;color:inherit">{_escaped(self.title)}</caption>'
        )
        if self.columns:
            parts.append(f"<thead>{self._row(self.columns, 'th')}</thead>")
        parts.append(f"<tbody>{''.join(self._row(row, 'td') for row in self.rows)}</tbody>")
        parts.append("</table>")
        parts += [f'<p style="{_NOTE}">{_escaped(note)}</p>' for note in self.notes]
        return "".join([*parts, "</div>"])

    def _row(self, cells: Sequence[str], tag: str) -> str:
        made = []
        for number, text in enumerate(cells):
            style = _NUMBER if number and number not in self.texts else _TEXT
            open_, close = f"<{tag}", tag
            if tag == "th":
                open_ += ' scope="col"'
            elif not number:
                # A name is the head of its row, for those who have the table read to them.
                open_, close, style = '<th scope="row"', "th", f"{style};font-weight:normal"
            made.append(f'{open_} style="{style}">{_escaped(text)}</{close}>')
        return f"<tr>{''.join(made)}</tr>"


def _escaped(text: str) -> str:
    from html import escape

    return escape(printable(text, _LONGEST))


class Shown:
    """A figure that shows itself.

    Attributes:
        _brief: names of the attributes in its one line, apart by spaces.
    """

    __slots__ = ()
    _brief: ClassVar[str]

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The whole JSON document of this figure: what the command prints with ``--json``."""
        return versioned(self.to_json())

    def _table(self) -> Table:
        """What a notebook shows."""
        raise NotImplementedError

    def __repr__(self) -> str:
        values = (f"{name}={_short(getattr(self, name))}" for name in self._brief.split())
        return f"{type(self).__name__}({', '.join(values)})"

    def _repr_html_(self) -> str:
        return self._table().html()


def _short(value: Any) -> str:
    if isinstance(value, Fraction):
        return f"{float(value):.6g}"
    if isinstance(value, Shown):
        return repr(value.model) if hasattr(value, "model") else type(value).__name__
    return printable(repr(value), 120)


def size(count: int | None) -> str:
    """Bytes in full, with the size for reading.

    >>> size(32_768_000_000), size(None)
    ('32,768,000,000 (32.77 GB)', '-')
    """
    if count is None or count < 1000:
        return cell(count)
    return f"{count:,} ({format_bytes(count)})"


def cell(value: object) -> str:
    """A value as a cell of a table.

    >>> cell(414_187_520), cell(None), cell(("q_proj", "v_proj")), cell(Fraction(47, 5000))
    ('414,187,520', '-', 'q_proj, v_proj', '0.0094')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Fraction):
        if value.denominator == 1:
            return f"{int(value):,}"
        return f"{float(value):,.0f}" if value >= 1000 else f"{float(value):.3g}"
    if isinstance(value, (int, float)):
        return f"{value:,}"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(cell, value))
    return str(value)
