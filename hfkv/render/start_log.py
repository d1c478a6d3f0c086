"""An engine's log and hfkv's figures for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfkv.reading import printable
from hfkv.render.sheet import Sheet

if TYPE_CHECKING:
    from hfkv.comparison.start_log import LogVerdict

__all__ = ["sheets"]


def sheets(found: LogVerdict) -> list[Sheet]:
    """Every number of the log beside hfkv's, and why where they differ."""
    differing = sum(not line.agree for line in found.lines)
    verdict = (
        "the log agrees" if not differing else f"{differing} of {len(found.lines)} numbers DIFFER"
    )
    options = ", ".join(
        f"{name}={printable(str(value), 60)}" for name, value in sorted(found.options.items())
    )
    return [
        Sheet(
            title=(
                f"{printable(found.model)}: {found.engine} {found.version} and its log: {verdict}"
            ),
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
            lines=[
                *([f"options: {options}"] if options else []),
                *(printable(note, 400) for note in found.notes),
            ],
            left=(4,),
        )
    ]
