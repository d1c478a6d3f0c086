"""The rows of an earlier survey, by model, kept on disk: two million of them fit in no memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

from hfkv.errors import RecordError
from hfkv.surveys.formats import read_rows
from hfkv.surveys.rows import Item, Row

__all__ = ["Before"]


class Before:
    """What an earlier survey found of each model that need not be asked about anew.

    Args:
        path: a database that :meth:`make` wrote.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path)

    @staticmethod
    def make(path: Path, survey: Path) -> None:
        """Keep the rows of a survey, but for those of models whose error may have passed.

        Raises:
            RecordError: the survey cannot be read.
        """
        beside = path.with_name(f"{path.name}.writing")
        beside.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(beside)) as database:
                database.execute("create table found (model text primary key, rows text)")
                database.executemany("insert or ignore into found values (?, ?)", _kept(survey))
                database.commit()
        except sqlite3.Error as error:
            raise RecordError(f"cannot be kept: {error}", where=str(path)) from None
        beside.replace(path)

    def of(self, item: Item) -> list[Row] | None:
        """The rows of a model; None where it is to be asked about."""
        query = "select rows from found where model = ?"
        found = self._database.execute(query, [_name(item)]).fetchone()
        return None if found is None else json.loads(found[0])

    def close(self) -> None:
        """Be done with it."""
        self._database.close()


def _name(item: Item) -> str:
    """A model at a revision; the default one is called nothing, or by its name."""
    return f"{item['model']}@{item.get('revision') or 'main'}"


def _kept(survey: Path) -> Iterator[tuple[str, str]]:
    for model, rows in groupby(read_rows(survey), key=_name):
        found: list[dict[str, Any]] = list(rows)
        if not any(row["passing"] for row in found):
            yield model, json.dumps(found)
