"""Rows of the engines' own code beside the checkout, and the models that they are of."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

from hfkv.engines.subject import Subject, subject_of
from hfkv.facts import Facts
from hfkv.reading import parse_json_object

__all__ = ["SMALL", "read_rows", "small_subject", "subject"]

_SHARED = Path(__file__).parents[3] / "shared" / "data"
#: Small configs of our own, and what the engines allocated for them.
SMALL: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "engines" / "small.json").read_text("utf-8")
)


def read_rows(name: str) -> list[dict[str, Any]]:
    """The rows of one file; none where they are not there."""
    path = _SHARED / "engines" / name
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@cache
def _index() -> dict[str, str]:
    with (_SHARED / "configs" / "INDEX.tsv").open(encoding="utf-8") as file:
        found: dict[str, str] = {}
        for row in csv.DictReader(file, delimiter="\t"):
            found.setdefault(row["hub_id"], row["file"])
    return found


@cache
def subject(model: str) -> Subject:
    """The model as engines see it, by its published config."""
    raw = parse_json_object((_SHARED / "configs" / _index()[model]).read_bytes(), where=model)
    return subject_of(Facts(model=model, source="directory", config=raw))


@cache
def small_subject(name: str) -> Subject:
    """One of the small configs."""
    return subject_of(Facts(model=name, source="directory", config=SMALL["configs"][name]))
