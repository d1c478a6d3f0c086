"""One format for a model's shape on disk: bundled snapshots, the local store and the lock.

A record is a JSON object: what the model is, where its facts come from, its config, its tensor
table by pattern (a few KB for the largest models), its card or only what the card was read to say,
and a digest over all of it, so that an edit by hand or a damaged file is noticed.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from hfkv.boxes import MOST, Box, box_size, dump_box, load_box
from hfkv.dtypes import nbytes
from hfkv.errors import RecordError
from hfkv.reading import describe
from hfkv.source.files import Files, SourceName
from hfkv.tensors import TensorTable

__all__ = ["FORMAT", "dump_record", "dump_tensors", "load_record", "load_tensors"]

#: The version of the format; a reader refuses versions that it does not know.
FORMAT = 1


def dump_record(
    files: Files,
    *,
    provenance: str,
    card: bool = False,
    raw: bool = False,
    written_by: str | None = None,
) -> dict[str, Any]:
    """The record of a model's files.

    Args:
        files: what a source gave.
        provenance: where the facts come from, in a sentence; shown to whoever uses the record.
        card: keep the card's text; else only ``files.statement``.
        raw: keep every text as it is, the card too, whether or not it can be parsed.
        written_by: what wrote it, for a reader that takes only its own.
    """
    configs: dict[str, Any] = {}
    content: bytes | None = None
    if not raw:
        configs = {
            name: json.loads(text) for name, text in files.texts.items() if name.endswith(".json")
        }
        content = files.texts.get("README.md") if card else None
    record: dict[str, Any] = {
        "format": FORMAT,
        "model": files.model,
        "revision": files.revision,
        "commit": files.commit,
        "provenance": provenance,
        "files": configs,
        "tensors": None if files.tensors is None else dump_tensors(files.tensors),
        "card": None if content is None else content.decode("utf-8", "replace"),
        "statement": None if files.statement is None else dict(files.statement),
        "missing": dict(files.missing),
        "notes": list(files.notes),
    }
    if raw and files.created is not None:
        record["created"] = files.created
    if raw:
        record["texts"] = {name: _dump_text(content) for name, content in files.texts.items()}
    if written_by is not None:
        record["written_by"] = written_by
    record["digest"] = digest(record)
    return record


def _dump_text(content: bytes) -> str | list[str]:
    """Text as itself; bytes that are not UTF-8 as ``[base64]``."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return [base64.b64encode(content).decode("ascii")]


def _load_text(value: object, where: str) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8")
    try:
        (text,) = list(value) if isinstance(value, list) else []
        return base64.b64decode(str(text), validate=True)
    except ValueError:
        raise RecordError(f"found {describe(value)}", where=where, expected="a text") from None


def load_record(record: Mapping[str, Any], *, source: SourceName, where: str) -> Files:
    """The files that a record keeps.

    Raises:
        RecordError: another format, a missing part, or content that does not match the digest.
    """
    if record.get("format") != FORMAT:
        raise RecordError(
            f"format {describe(record.get('format'))}",
            where=where,
            expected=f"{FORMAT}",
            hint="it was written by another version of hfkv; write it again with this one",
        )
    if record.get("digest") != digest(record):
        raise RecordError(
            "the content does not match its digest",
            where=where,
            expected="a record as hfkv wrote it",
            hint="it was edited or damaged; write it again",
        )
    texts = {
        name: json.dumps(value).encode() for name, value in _part(record, "files", dict, where)
    }
    if "texts" in record:
        texts.update(
            (name, _load_text(value, f"{where}: texts: {name}"))
            for name, value in _part(record, "texts", dict, where)
        )
    card = record.get("card")
    if isinstance(card, str):
        texts["README.md"] = card.encode("utf-8")
    tensors = record.get("tensors")
    notes = [text for text in record.get("notes", []) if isinstance(text, str)]
    missing = {
        key: text for key, text in (record.get("missing") or {}).items() if isinstance(text, str)
    }
    statement, created = record.get("statement"), record.get("created")
    return Files(
        model=str(record.get("model")),
        source=source,
        revision=record.get("revision"),
        commit=record.get("commit"),
        created=created if isinstance(created, str) else None,
        texts=texts,
        tensors=None if tensors is None else load_tensors(tensors, where=where),
        statement=statement if isinstance(statement, Mapping) else None,
        missing=missing,
        notes=tuple(notes),
    )


def digest(record: Mapping[str, Any]) -> str:
    """SHA-256 of the record without its digest, in a form that no layout of the JSON changes."""
    content = {key: value for key, value in record.items() if key != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _part(record: Mapping[str, Any], key: str, kind: type, where: str) -> list[tuple[str, Any]]:
    value = record.get(key)
    if not isinstance(value, kind):
        raise RecordError(f"found {describe(value)}", where=f"{where}: {key}", expected="an object")
    return list(value.items())  # type: ignore[attr-defined]


# -- tensor tables -------------------------------------------------------------------------


def dump_tensors(table: TensorTable) -> list[list[Any]]:
    """Rows ``[pattern, dtype, shape, indices]`` (and the size in bytes of unknown dtypes).

    ``indices`` is null for a name without numbers, else a list of boxes: for each number in the
    pattern its ranges, ``"0-79"`` or ``"0-2,5"``; a box stands for all combinations.
    """
    rows: list[list[Any]] = []
    for pattern, dtype, shape, size, boxes in table.groups():
        plain = None if boxes == ((),) else [dump_box(box) for box in boxes]
        row: list[Any] = [pattern, dtype, list(shape), plain]
        if size is not None:
            row.append(size)
        rows.append(row)
    return rows


def load_tensors(rows: object, *, where: str) -> TensorTable:
    """The inverse of :func:`dump_tensors`.

    Raises:
        RecordError: a row is malformed.
    """
    if not isinstance(rows, list):
        raise RecordError(f"found {describe(rows)}", where=f"{where}: tensors", expected="a list")
    return TensorTable.of_groups(
        _group(row, f"{where}: tensors[{n}]") for n, row in enumerate(rows)
    )


def _group(row: Any, where: str) -> tuple[str, str, tuple[int, ...], int | None, tuple[Box, ...]]:
    try:
        pattern, dtype, shape, plain = row[:4]
        size = int(row[4]) if len(row) > 4 else None
        boxes = ((),) if plain is None else tuple(load_box(box) for box in plain)
        places = pattern.replace("{{", "").replace("}}", "").count("{}")
        if box_size(boxes) > MOST or {len(box) for box in boxes} != {places}:
            raise ValueError(plain)
        sizes = tuple(int(item) for item in shape)
        if size is None:
            nbytes(1, dtype)
        return pattern, dtype, sizes, size, boxes
    except (TypeError, ValueError, IndexError, KeyError, AttributeError):
        raise RecordError(
            f"found {describe(row)}", where=where, expected="[pattern, dtype, shape, indices]"
        ) from None
