"""Rows as bytes and files: Arrow and Parquet where pyarrow is installed, else lines of JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

from hfkv.errors import MissingDependencyError, RecordError
from hfkv.reading import printable
from hfkv.surveys.columns import COLUMNS, NAMES

__all__ = [
    "Encoding",
    "Writer",
    "by_model",
    "decode",
    "encode",
    "has_arrow",
    "read_rows",
    "read_table",
]

Encoding = Literal["parquet", "jsonl"]
#: Rows that are read from, or written to, a Parquet file at once.
_ROWS = 4096


@cache
def has_arrow() -> bool:
    """Whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def arrow(what: str) -> Any:
    """The ``pyarrow`` module.

    Raises:
        MissingDependencyError: it is not installed.
    """
    if not has_arrow():
        raise MissingDependencyError(
            "pyarrow is not installed",
            where=what,
            hint="pip install 'hfkv[survey]', or use lines of JSON (.jsonl)",
        )
    import pyarrow

    return pyarrow


@cache
def schema() -> Any:
    """The columns for Arrow, each with its meaning."""
    pa = arrow("the columns")
    kinds = {
        "text": pa.string(),
        "whole": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "texts": pa.list_(pa.string()),
    }
    return pa.schema(
        [
            pa.field(column.name, kinds[column.kind], metadata={"meaning": column.meaning})
            for column in COLUMNS
        ]
    )


# -- between processes ---------------------------------------------------------------------


def encode(rows: Sequence[dict[str, Any]], encoding: Encoding) -> bytes:
    """Rows as one Arrow stream, or as lines of JSON."""
    if encoding == "jsonl":
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    pa = arrow("rows")
    out = pa.BufferOutputStream()
    table = pa.Table.from_pylist(list(rows), schema=schema())
    with pa.ipc.new_stream(out, schema()) as stream:
        stream.write_table(table)
    return bytes(out.getvalue())


def decode(body: bytes, encoding: Encoding) -> list[dict[str, Any]]:
    """What :func:`encode` was given."""
    if encoding == "jsonl":
        return [json.loads(line) for line in body.splitlines()]
    pa = arrow("rows")
    rows: list[dict[str, Any]] = pa.ipc.open_stream(body).read_all().to_pylist()
    return rows


# -- files ---------------------------------------------------------------------------------


class Writer:
    """A file of rows, written piece by piece; what it holds is whole once it is closed.

    Args:
        metadata: kept in the file, where the encoding has a place for it.
    """

    def __init__(self, path: Path, encoding: Encoding, metadata: str = "") -> None:
        self._encoding = encoding
        self._file = path.open("wb")
        self._held: list[Any] = []
        self._parquet: Any = None
        self.rows = 0
        if encoding == "parquet":
            pa = arrow(str(path))
            import pyarrow.parquet as pq

            self._pa = pa
            kept = schema().with_metadata({"hfkv": metadata}) if metadata else schema()
            self._parquet = pq.ParquetWriter(self._file, kept, compression="zstd")

    def body(self, body: bytes) -> None:
        """Add rows as :func:`encode` made them."""
        if self._parquet is None:
            self._file.write(body)
            self.rows += body.count(b"\n")
        else:
            self._table(self._pa.ipc.open_stream(body).read_all())

    def part(self, path: Path) -> None:
        """Add the rows of another file."""
        if self._parquet is None:
            self.body(path.read_bytes())
        else:
            import pyarrow.parquet as pq

            self._table(pq.read_table(path, schema=schema()))

    def _table(self, table: Any) -> None:
        self._held.append(table)
        self.rows += table.num_rows
        if sum(item.num_rows for item in self._held) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            joined = self._pa.concat_tables(self._held).combine_chunks()
            self._parquet.write_table(joined)
            self._held.clear()

    def close(self) -> None:
        """Finish the file, and have the disk keep it."""
        if self._parquet is not None:
            self._flush()
            self._parquet.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        """Close it as it is."""
        self._file.close()


def files_of(path: Path) -> list[Path]:
    """The file, or the files of rows in a directory.

    Raises:
        RecordError: there are none.
    """
    found = sorted([*path.glob("data/*.parquet"), *path.glob("data/*.jsonl")])
    found = found if path.is_dir() else [path]
    if not found or not all(item.is_file() for item in found):
        raise RecordError("holds no rows of a survey", where=printable(str(path)))
    return found


def read_rows(path: Path, columns: Sequence[str] = NAMES) -> Iterator[dict[str, Any]]:
    """The rows of a survey, one after the other; ``columns`` of them.

    Raises:
        RecordError: it is none, or is damaged.
    """
    for file in files_of(path):
        for row in read_table(file, columns):
            if "model" not in row:
                raise RecordError("has no column model", where=printable(str(file)))
            yield {name: row.get(name) for name in columns}


def by_model(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The rows of each model: several options of one stand together."""
    for _, found in groupby(rows, key=itemgetter("model", "revision")):
        yield list(found)


def read_table(path: Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of any Parquet file or file of JSON lines.

    Raises:
        RecordError: it cannot be read as one.
    """
    where = printable(str(path))
    if path.suffix == ".parquet":
        pa = arrow(where)
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path) as file:
                names = file.schema_arrow.names
                wanted = None if columns is None else [name for name in names if name in columns]
                for batch in file.iter_batches(batch_size=256, columns=wanted):
                    yield from batch.to_pylist()
        except pa.ArrowException as error:
            raise RecordError(
                f"cannot be read as Parquet: {printable(str(error))}", where=where
            ) from None
        return
    with path.open("rb") as lines:
        yield from json_lines(lines, where)


def json_lines(lines: Iterable[bytes], where: str) -> Iterator[dict[str, Any]]:
    """The object on each line.

    Raises:
        RecordError: a line is none.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise RecordError("no JSON object", where=f"{where}:{number}", expected="one on a line")
        yield value


def table_size(path: Path) -> int | None:
    """Rows of a Parquet file; of others None, as they would have to be read."""
    if path.suffix != ".parquet" or not has_arrow():
        return None
    import pyarrow.parquet as pq

    return int(pq.ParquetFile(path).metadata.num_rows)
