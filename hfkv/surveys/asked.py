"""What is asked about: ids, the Hub's own list, a table of cards, configs that one has already.

All of it comes as items, one after the other, and is never held in memory: a list of ids is kept in
a file of its own, a table is read as the survey goes on. A model that is named twice is asked about
once.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from hfkv.errors import InputError, NotFoundError, RecordError, SourceError
from hfkv.reading import describe, printable
from hfkv.surveys.formats import json_lines, read_table, table_size

__all__ = ["Asked", "Columns", "Subject", "of_cards", "of_configs", "of_ids", "of_items"]

Subject = Literal["hub", "cards", "configs"]
#: Columns that commonly hold a model's id, the first that a table has is taken.
_ID_NAMES = ("model", "id", "modelId", "model_id", "repo_id")
_CARD_NAMES = ("card", "readme", "content", "text")
_CREATED_NAMES = ("created_at", "createdAt")
_COMMIT_NAMES = ("commit", "sha")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns of a table hold what; None for the usual names."""

    id: str | None = None
    card: str | None = None
    config: str | None = None
    header: str | None = None
    created: str | None = None
    commit: str | None = None


@dataclass(slots=True, kw_only=True)
class Asked:
    """The models of a survey.

    Attributes:
        kind: where their figures come from.
        what: the list, in words; of the Hub's list the query.
        digest: of the list's content; "" where it is another each time (the Hub's).
        total: how many, where that is known before they are read.
        duplicates: how many were named again, as far as they were read.
        begin: gives the items, from the first.
        spool: where they are kept, if they are.
    """

    kind: Subject
    what: str
    digest: str
    begin: Callable[[], Iterator[dict[str, Any]]]
    total: int | None = None
    duplicates: int = 0
    spool: BinaryIO | None = field(default=None, repr=False)

    @property
    def identity(self) -> dict[str, Any]:
        """What makes it the same survey again."""
        named = self.digest or self.what
        return {"kind": self.kind, "list": named}

    def items(self) -> Iterator[dict[str, Any]]:
        """Each model once."""
        seen: set[bytes] = set()
        self.duplicates = 0
        for item in self.begin():
            # Of two million names the digests take a third of the memory of the names.
            named = f"{item['model']}@{item.get('revision') or ''}"
            key = hashlib.blake2b(named.encode("utf-8", "replace"), digest_size=12).digest()
            if key in seen:
                self.duplicates += 1
                continue
            seen.add(key)
            yield item

    def close(self) -> None:
        """Let go of what was kept."""
        if self.spool is not None:
            self.spool.close()

    def save(self, path: Path) -> None:
        """Keep a list that is another each time, so that the survey can be gone on with."""
        assert self.spool is not None
        self.spool.seek(0)
        beside = path.with_suffix(".writing")
        with beside.open("wb") as file:
            while piece := self.spool.read(2**20):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)

    def saved(self, path: Path) -> Asked:
        """The same list as it was kept."""
        with path.open("rb") as lines:
            total = sum(1 for _ in lines)
        return Asked(
            kind=self.kind,
            what=self.what,
            digest=self.digest,
            total=total,
            begin=lambda: _lines(path),
        )


def of_items(items: Iterable[dict[str, Any]], *, kind: Subject, what: str, listed: bool) -> Asked:
    """Items that come once only, kept in a temporary file.

    Args:
        listed: they are what the Hub lists now, which ``what`` stands for.
    """
    spool = tempfile.TemporaryFile()  # noqa: SIM115
    digest = hashlib.sha256()
    total = 0
    try:
        for item in items:
            line = json.dumps(item).encode() + b"\n"
            spool.write(line)
            digest.update(line)
            total += 1
    except BaseException:
        spool.close()
        raise

    def read() -> Iterator[dict[str, Any]]:
        spool.seek(0)
        return (json.loads(line) for line in spool)

    return Asked(
        kind=kind,
        what=what,
        digest="" if listed else digest.hexdigest(),
        total=total,
        begin=read,
        spool=spool,
    )


def of_ids(given: Any, columns: Columns) -> Asked:
    """Hub ids: a file with one on a line, a table, ``-`` for stdin; or, from Python, any iterable.

    Raises:
        SourceError, RecordError: the list cannot be read.
    """
    if given == "-":
        return of_items(
            _ids(sys.stdin.buffer, "stdin", columns), kind="hub", what="stdin", listed=False
        )
    if isinstance(given, (str, os.PathLike)):
        path = _file(given)
        where = printable(str(path))
        if path.suffix == ".parquet":
            rows = _table_items(read_table(path), where, columns)
            return of_items(rows, kind="hub", what=where, listed=False)
        try:
            with path.open("rb") as lines:
                return of_items(_ids(lines, where, columns), kind="hub", what=where, listed=False)
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}", where=where) from None
    if isinstance(given, (bytes, Mapping)) or not isinstance(given, Iterable):
        raise InputError(f"found {describe(given)}", where="`ids`", expected="Hub ids or a path")

    def each() -> Iterator[dict[str, Any]]:
        for item in given:
            if not isinstance(item, str):
                raise InputError(f"found {describe(item)}", where="`ids`", expected="Hub ids")
            yield _of_id(item)

    return of_items(each(), kind="hub", what="ids", listed=False)


def _ids(lines: Iterable[bytes], where: str, columns: Columns) -> Iterator[dict[str, Any]]:
    """Ids of a text: one on a line, or JSON on each line."""
    for number, raw in enumerate(lines, 1):
        line = raw.decode("utf-8", "replace").lstrip("\ufeff").strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("{"):
            (row,) = json_lines([line.encode()], f"{where}:{number}") or ({},)
            yield from _table_items([row], f"{where}:{number}", columns)
        else:
            # A list as JSON writes it is a list too.
            yield _of_id(line.strip("\"',"))


def _of_id(text: str) -> dict[str, Any]:
    """``ORG/NAME`` or ``ORG/NAME@REV``; of what is neither the row will be an error."""
    name, at, revision = text.strip().partition("@")
    return {"model": name, "revision": revision} if at and revision else {"model": text.strip()}


def _table_items(
    rows: Iterable[dict[str, Any]], where: str, columns: Columns
) -> Iterator[dict[str, Any]]:
    for row in rows:
        item = _of_id(_text(row, columns.id, _ID_NAMES, where, "the id"))
        _add(item, row, "created_at", columns.created, _CREATED_NAMES)
        _add(item, row, "revision", None, ("revision",))
        yield item


def of_cards(given: str | os.PathLike[str], columns: Columns) -> Asked:
    """A table of model cards, Parquet or JSON lines: what each states, no network.

    Raises:
        SourceError, RecordError: it cannot be read.
    """
    path = _file(given)
    where = printable(str(path))

    def each() -> Iterator[dict[str, Any]]:
        wanted = None
        if path.suffix == ".parquet":
            named = (columns.id, columns.card, columns.created, columns.commit)
            usual = (*_ID_NAMES, *_CARD_NAMES, *_CREATED_NAMES, *_COMMIT_NAMES)
            wanted = [*(name for name in named if name), *usual]
        for row in read_table(path, wanted):
            item = {"model": _text(row, columns.id, _ID_NAMES, where, "the id")}
            card = _value(row, columns.card, _CARD_NAMES, where=where, what="the card")
            if isinstance(card, str):
                item["card"] = card
            _add(item, row, "created_at", columns.created, _CREATED_NAMES)
            _add(item, row, "commit", columns.commit, _COMMIT_NAMES)
            yield item

    digest, total = _content(path, columns)
    return Asked(kind="cards", what=where, digest=digest, total=total, begin=each)


def of_configs(given: str | os.PathLike[str], columns: Columns) -> Asked:
    """Configs that one has: a directory with ``config.json`` files in it, or a table of them.

    Raises:
        SourceError, RecordError: it cannot be read, or holds none.
    """
    path = Path(os.path.expanduser(given))
    where = printable(str(path))
    if path.is_dir():
        found = of_items(_folders(path), kind="configs", what=where, listed=False)
        if not found.total:
            found.close()
            raise NotFoundError("holds no config.json", where=where)
        return found
    path = _file(given)

    def each() -> Iterator[dict[str, Any]]:
        for row in read_table(path):
            item = {"model": _text(row, columns.id, _ID_NAMES, where, "the id")}
            _json(_value(row, columns.config, ("config",), where=where), item, "config", where)
            header = _value(row, columns.header, ("header",))
            if header is not None:
                _json(header, item, "header", where)
            card = _value(row, columns.card, _CARD_NAMES)
            if isinstance(card, str):
                item["card"] = card
            yield item

    digest, total = _content(path, columns)
    return Asked(kind="configs", what=where, digest=digest, total=total, begin=each)


def _folders(path: Path) -> Iterator[dict[str, Any]]:
    """Each directory that holds a model, by its path below ``path``; as it is now, by times."""
    for folder, folders, files in os.walk(path):
        folders.sort()
        if "config.json" not in files and not any(name.endswith(".gguf") for name in files):
            continue
        times = [os.stat(os.path.join(folder, name)).st_mtime_ns for name in sorted(files)]
        inside = os.path.relpath(folder, path).replace(os.sep, "/")
        name = path.resolve().name if inside == "." else inside
        yield {"model": name, "path": os.path.abspath(folder), "changed": max(times)}


def _file(given: str | os.PathLike[str]) -> Path:
    path = Path(os.path.expanduser(given))
    if not path.is_file():
        raise NotFoundError(
            "is a directory" if path.is_dir() else "no such file",
            where=printable(str(path)),
            expected="a list of ids or a table: text, .jsonl or .parquet",
        )
    return path


def _content(path: Path, columns: Columns) -> tuple[str, int]:
    """The digest of a table, and how many rows it has."""
    found, lines, last = hashlib.sha256(repr(columns).encode()), 0, b"\n"
    with path.open("rb") as file:
        while piece := file.read(2**20):
            found.update(piece)
            lines, last = lines + piece.count(b"\n"), piece[-1:]
    rows = table_size(path)
    return found.hexdigest(), lines + (last != b"\n") if rows is None else rows


def _value(
    row: Mapping[str, Any],
    named: str | None,
    usual: tuple[str, ...],
    *,
    where: str = "",
    what: str = "the config",
) -> Any:
    """The value of the column that was named, else of the first usual one.

    Raises:
        RecordError: ``where`` is given and there is no such column.
    """
    name = named or next((name for name in usual if name in row), None)
    if where and (name is None or name not in row):
        raise RecordError(
            f"has no column for {what}",
            where=where,
            expected=named or " or ".join(usual),
            hint=f"its columns: {printable(', '.join(map(str, row)), 300)}",
        )
    return None if name is None else row.get(name)


def _add(
    item: dict[str, Any],
    row: Mapping[str, Any],
    key: str,
    named: str | None,
    usual: tuple[str, ...],
) -> None:
    """Put a column's value into the item, where the table has it and the item does not."""
    value = _value(row, named, usual)
    if value is not None:
        item.setdefault(key, str(value))


def _text(
    row: Mapping[str, Any], named: str | None, usual: tuple[str, ...], where: str, what: str
) -> str:
    value = _value(row, named, usual, where=where, what=what)
    if not isinstance(value, str):
        raise RecordError(f"found {describe(value)}", where=where, expected=f"a text for {what}")
    return value


def _json(value: Any, item: dict[str, Any], key: str, where: str) -> None:
    """Put a column's JSON into the item; an item whose text is none is an error of its own.

    Raises:
        RecordError: the table holds structures: each has the keys of all, null where it had none.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            item["error"] = f"its {key} is not JSON"
    elif where.endswith(".parquet"):
        raise RecordError(
            f"its {key} is a structure, in which a key that is null and one that is absent are "
            "the same",
            where=where,
            expected="the text of the JSON",
        )
    item[key] = value


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for line in lines:
            yield json.loads(line)
