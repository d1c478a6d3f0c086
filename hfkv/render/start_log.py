"""An engine's log and hfkv's figures for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfkv.reading import printable
from hfkv.render.sheet import Sheet
from hfkv.render.tidy import Column, Tidy

if TYPE_CHECKING:
    from hfkv.comparison.start_log import LogVerdict

__all__ = ["COLUMNS", "sheets", "tidy"]

COLUMNS = (
    Column(name="model"),
    Column(name="engine"),
    Column(name="version"),
    Column(name="log_version"),
    Column(name="what", heading="number", words=True),
    Column(name="said", heading="log"),
    Column(name="computed", heading="hfkv"),
    Column(name="agree", heading="agree", words=True),
    Column(name="line", heading="line"),
    Column(name="why", heading="why", words=True),
)


def sheets(found: LogVerdict) -> list[Sheet]:
    """Every number of the log beside hfkv's, and why where they differ."""
    return [
        Sheet(
            title=_title(found),
            columns=("number", "log", "hfkv", "line", "why"),
            rows=[
                (
                    printable(line.what, 80),
                    printable(line.said, 40) or "-",
                    line.computed or "-",
                    str(line.line or "-"),
                    "the same" if line.agree else line.why,
                )
                for line in found.lines
            ],
            lines=_notes(found),
            left=(4,),
        )
    ]


def tidy(found: LogVerdict) -> Tidy:
    """One row for each number."""
    shared = {name: getattr(found, name) for name in ("model", "engine", "version", "log_version")}
    rows = [
        {
            **shared,
            **{column.name: getattr(line, column.name) for column in COLUMNS[len(shared) :]},
            "what": printable(line.what, 80),
            "said": printable(line.said, 40),
        }
        for line in found.lines
    ]
    return Tidy(columns=COLUMNS, rows=rows, title=_title(found), notes=_notes(found))


def _title(found: LogVerdict) -> str:
    differing = sum(not line.agree for line in found.lines)
    verdict = (
        "the log agrees" if not differing else f"{differing} of {len(found.lines)} numbers DIFFER"
    )
    return f"{printable(found.model)}: {found.engine} {found.version} and its log: {verdict}"


def _notes(found: LogVerdict) -> list[str]:
    options = ", ".join(
        f"{name}={printable(str(value), 60)}" for name, value in sorted(found.options.items())
    )
    return [
        *([f"options: {options}"] if options else []),
        *(printable(note, 400) for note in found.notes),
    ]
