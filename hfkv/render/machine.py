"""Output for programs: JSON, CSV, Markdown, LaTeX, tab-separated values. Always in bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hfkv.reading import printable

__all__ = ["cell", "flatten", "to_csv", "to_json", "to_latex", "to_markdown", "to_tsv"]


def to_json(value: object, *, indent: int | None = 2) -> str:
    """JSON text; non-ASCII is escaped so that no terminal is steered by a card's words."""
    return json.dumps(value, indent=indent, ensure_ascii=True, allow_nan=False)


def flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """One flat row of a nested JSON value: ``kv_cache.bytes``, ``lora.per_target.q_proj``...

    >>> flatten({"a": {"b": 1}, "c": None, "d": [1, 2]})
    {'a.b': '1', 'c': '', 'd': '1 2'}
    """
    row: dict[str, str] = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, Mapping):
            row.update(flatten(item, f"{name}."))
        elif isinstance(item, (list, tuple)):
            if all(isinstance(part, Mapping) for part in item) and item:
                for number, part in enumerate(item):
                    row.update(flatten(part, f"{name}.{number}."))
            else:
                row[name] = cell(item)
        else:
            row[name] = cell(item)
    return row


def cell(value: object) -> str:
    """A value as CSV and TSV have it: nothing for null, a list with blanks between."""
    if isinstance(value, (list, tuple)):
        return " ".join(cell(part) for part in value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return printable(str(value), 2000)


def _columns(rows: Sequence[Mapping[str, str]]) -> list[str]:
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    return list(names)


def to_csv(rows: Sequence[Mapping[str, str]], columns: Sequence[str] = ()) -> str:
    """RFC 4180 text with a header line; a cell that a spreadsheet would run starts with a quote.

    ``columns`` are those of the rows unless they are fixed.
    """
    import csv
    import io

    columns = columns or _columns(rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_inert(row.get(name, "")) for name in columns])
    return out.getvalue().rstrip("\n")


def _inert(cell: str) -> str:
    # Quotes come from untrusted cards, and spreadsheets run cells that start like formulas.
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@") and not _is_number(cell) else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def to_tsv(rows: Sequence[Mapping[str, str]], columns: Sequence[str] = ()) -> str:
    """A header line and a line per row, separated by tabs, as ``hf`` prints for agents."""
    columns = columns or _columns(rows)
    lines = ["\t".join(columns)]
    lines += ["\t".join(" ".join(row.get(name, "").split()) for name in columns) for row in rows]
    return "\n".join(lines)


def to_markdown(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: Sequence[int] = ()
) -> str:
    """A GitHub-flavoured Markdown table; the first column and those of words left."""

    def line(cells: Sequence[str]) -> str:
        inner = (cell.replace("|", "\\|").replace("\n", "<br>") for cell in cells)
        return "| " + " | ".join(inner) + " |"

    sides = ("---" if not index or index in left else "---:" for index in range(len(columns)))
    return "\n".join([line(columns), f"| {' | '.join(sides)} |", *(line(row) for row in rows)])


#: Characters that LaTeX would take for its own.
_LATEX = {char: f"\\{char}" for char in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    "[": "{[}",  # at the beginning of a row it would belong to the end of the one before
    ">": r"\textgreater{}",
}
#: Signs of this package's own cells, and what they are in mathematics.
_LATEX_SIGNS = {"<= ": r"$\le$ ", ">= ": r"$\ge$ ", "~ ": r"$\approx$ "}


def to_latex(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: Sequence[int] = (),
    above: str = "",
    below: Sequence[str] = (),
) -> str:
    """A ``tabular`` with the rules of booktabs; what stands around the table is in comments."""
    parts = [_comment(above)] if above else []
    if columns:
        sides = "".join("l" if not i or i in left else "r" for i in range(len(columns)))
        parts += [
            f"\\begin{{tabular}}{{{sides}}}  % \\usepackage{{booktabs}}",
            r"\toprule",
            _latex_row(columns),
            r"\midrule",
            *map(_latex_row, rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
    return "\n".join([*parts, *map(_comment, below)])


def _comment(text: str) -> str:
    return "% " + " ".join(printable(text, len(text)).split())


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(_latex, cells)) + r" \\"


def _latex(text: str) -> str:
    r"""A cell, with nothing in it that LaTeX would run.

    >>> print(_latex("<= 0.0094"), _latex("39.56x"), _latex(r"\input{q_proj}"))
    $\le$ 0.0094 39.56$\times$ \textbackslash{}input\{q\_proj\}
    """
    text = " ".join(text.split())
    sign = next((sign for sign in _LATEX_SIGNS if text.startswith(sign)), "")
    rest = text[len(sign) :]
    ratio = rest[-1:] == "x" and _is_number(rest[:-1].replace(",", ""))
    escaped = "".join(_LATEX.get(char, char) for char in (rest[:-1] if ratio else rest))
    return _LATEX_SIGNS.get(sign, "") + escaped + (r"$\times$" if ratio else "")
