"""Output for programs: JSON, CSV, Markdown and tab-separated values. Always in bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hfkv.reading import printable

__all__ = ["flatten", "to_csv", "to_json", "to_markdown", "to_tsv"]


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
                row[name] = " ".join(_cell(part) for part in item)
        else:
            row[name] = _cell(item)
    return row


def _cell(value: object) -> str:
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


def to_csv(rows: Sequence[Mapping[str, str]]) -> str:
    """RFC 4180 text with a header line; a cell that a spreadsheet would run starts with a quote."""
    import csv
    import io

    columns = _columns(rows)
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


def to_tsv(rows: Sequence[Mapping[str, str]]) -> str:
    """A header line and a line per row, separated by tabs, as ``hf`` prints for agents."""
    columns = _columns(rows)
    lines = ["\t".join(columns)]
    lines += ["\t".join(" ".join(row.get(name, "").split()) for name in columns) for row in rows]
    return "\n".join(lines)


def to_markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A GitHub-flavoured Markdown table; first column left, the others right."""

    def line(cells: Sequence[str]) -> str:
        inner = (cell.replace("|", "\\|").replace("\n", "<br>") for cell in cells)
        return "| " + " | ".join(inner) + " |"

    rule = "| --- |" + " ---: |" * (len(columns) - 1)
    return "\n".join([line(columns), rule, *(line(row) for row in rows)])
