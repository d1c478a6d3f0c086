"""``hfkv.lock``: the records of the models that a repository's checks name. No network.

The file is JSON laid out for diffs: one line per config field and per tensor pattern, models in
the order of their names. Every record bears its own digest and there is none over the whole file,
so that branches which add models in different places merge without a conflict, and a damaged
record costs only its own model.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hfkv.errors import HfkvError, NotFoundError, RecordError, SourceError
from hfkv.reading import describe, parse_json_object, printable
from hfkv.source.files import Files
from hfkv.source.record import FORMAT, digest, dump_record, load_record

__all__ = [
    "FROM_HUB",
    "LOCK_NAME",
    "Fault",
    "Lock",
    "dump_lock",
    "lock_key",
    "read_lock",
    "record_of",
]

LOCK_NAME = "hfkv.lock"
#: Larger than a lock of thousands of models.
_LARGEST = 256 * 2**20
_CONFLICT = re.compile(rb"^(?:<{7}|={7}|>{7}|\|{7})(?: |\r?$)", re.MULTILINE)
#: Config fields that no figure reads and that can be longer than all others together.
_DROPPED = ("id2label", "label2id", "task_specific_params")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A record of the lock that cannot be used.

    Attributes:
        line: the line of the lock it begins at.
        error: what is wrong with it.
    """

    line: int
    error: HfkvError


def lock_key(model: str, revision: str | None = None) -> str:
    """The name of a model in the lock; a revision other than the default one is part of it.

    >>> lock_key("Qwen/Qwen3-8B"), lock_key("Qwen/Qwen3-8B", "v2")
    ('Qwen/Qwen3-8B', 'Qwen/Qwen3-8B@v2')
    """
    return model if revision in (None, "main") else f"{model}@{revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock as it was read.

    Attributes:
        where: the file's name, for messages.
        records: key to record, those that match their digest.
        faults: key to what is wrong with the others.
        lines: key to the line its record begins at.
    """

    where: str = LOCK_NAME
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    faults: Mapping[str, Fault] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)

    def files(self, model: str, revision: str | None = None) -> Files:
        """The files of a locked model.

        Raises:
            NotFoundError: it is not locked.
            RecordError: its record is damaged.
        """
        key = lock_key(model, revision)
        # The Hub takes ids in any case.
        name = next((name for name in self.keys if name.lower() == key.lower()), None)
        if name is None:
            raise NotFoundError(
                f"{printable(key)} is not in it", where=self.where, hint="run `hfkv lock`"
            )
        if name in self.faults:
            raise self.faults[name].error
        return load_record(self.records[name], source="lock", where=f"{self.where}: {name}")

    @property
    def keys(self) -> list[str]:
        """The models it names, damaged ones included."""
        return [*self.records, *self.faults]


def read_lock(path: Path, *, where: str = LOCK_NAME) -> Lock:
    """Read a lock and check each record against its digest.

    Raises:
        NotFoundError: there is no such file.
        RecordError: the file as a whole cannot be read: conflict marks, no JSON, another format.
    """
    raw = _bytes(path, where)
    mark = _CONFLICT.search(raw)
    if mark is not None:
        line = raw.count(b"\n", 0, mark.start()) + 1
        raise RecordError(
            "it holds the marks of a merge conflict",
            where=f"{where}: line {line}",
            hint="take either side, then run `hfkv lock`",
        )
    twice: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            names = [name for name, _ in items]
            twice.extend({name for name in names if names.count(name) > 1})
        return found

    try:
        text = raw.decode("utf-8")
        value = json.loads(text, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        at = getattr(error, "lineno", None)
        raise RecordError(
            f"not readable as JSON: {printable(str(error))}",
            where=f"{where}: line {at}" if at else where,
            hint="it was edited or damaged; restore it, or delete it and run `hfkv lock`",
        ) from None
    models = value.get("models") if isinstance(value, dict) else None
    if not isinstance(models, dict) or value.get("format") != FORMAT:
        found = value.get("format") if isinstance(value, dict) else value
        raise RecordError(
            f"format {describe(found)}",
            where=where,
            expected=f"a lock of format {FORMAT}",
            hint="it is of another version of hfkv; delete it and run `hfkv lock`",
        )
    records: dict[str, Mapping[str, Any]] = {}
    faults: dict[str, Fault] = {}
    lines: dict[str, int] = {}
    for name, record in models.items():
        mine = re.search(rf"^\s*{re.escape(json.dumps(name))}\s*:", text, re.MULTILINE)
        lines[name] = text.count("\n", 0, mine.start()) + 1 if mine else 1
        fault = _fault(name, record, f"{where}: {printable(name)}", twice=name in twice)
        if fault is None:
            records[name] = record
        else:
            faults[name] = Fault(line=lines[name], error=fault)
    return Lock(where=where, records=records, faults=faults, lines=lines)


def _fault(name: str, record: object, where: str, *, twice: bool) -> RecordError | None:
    hint = f"run `hfkv lock --upgrade {printable(name)}`"
    if not isinstance(record, dict):
        return RecordError(f"found {describe(record)}", where=where, expected="a record", hint=hint)
    if twice:
        return RecordError("it is there twice", where=where, hint=f"a merge left both; {hint}")
    if record.get("format") != FORMAT:
        return RecordError(
            f"format {describe(record.get('format'))}", where=where, expected=f"{FORMAT}", hint=hint
        )
    try:
        right = record.get("digest") == digest(record)
    except (ValueError, RecursionError):
        right = False
    if not right:
        return RecordError(
            "the record does not match its digest: it was edited by hand or by a merge",
            where=where,
            hint=hint,
        )
    if not isinstance(record.get("model"), str) or name != lock_key(
        record["model"], record.get("revision")
    ):
        return RecordError(
            f"it is the record of {describe(record.get('model'))}", where=where, hint=hint
        )
    try:
        load_record(record, source="lock", where=where)
    except HfkvError as error:
        # A digest says who wrote it last, not that it can be used.
        return RecordError(
            f"the record cannot be read: {error.what}",
            where=where,
            expected=error.expected,
            hint=hint,
        )
    return None


def _bytes(path: Path, where: str) -> bytes:
    """The content of a regular file of bounded size, whatever the name leads to."""
    try:
        # A pipe without a writer would keep a plain open waiting.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise SourceError("it is not a regular file", where=where)
            raw = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise NotFoundError("there is none", where=where, hint="run `hfkv lock`") from None
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"cannot be read: {error.strerror}", where=where) from None
    if len(raw) > _LARGEST:
        raise SourceError("too large for a lock", where=where)
    return raw


def record_of(files: Files, statement: Mapping[str, Any] | None) -> dict[str, Any]:
    """The record of a model for the lock: without its card, of which the statement is kept, and
    without config fields that no figure reads.

    Args:
        files: as a source gave them.
        statement: what is known of its pretraining, as JSON.
    """
    texts = {name: raw for name, raw in files.texts.items() if name.endswith(".json")}
    if "config.json" in texts:
        config = parse_json_object(texts["config.json"], where=f"{files.model}: config.json")
        kept = {key: value for key, value in config.items() if key not in _DROPPED}
        texts["config.json"] = json.dumps(kept).encode()
    provenance = _PROVENANCE.get(files.source, f"read from: {files.source}")
    # What is said of this run (the network was down) is no fact of the model; a snapshot's note
    # is its provenance.
    notes = []
    for note in files.notes:
        if files.source == "snapshot" and ": " in note and provenance == _PROVENANCE["snapshot"]:
            provenance = note
        elif not note.startswith(_PASSING):
            notes.append(note)
    return dump_record(
        replace(files, texts=texts, notes=tuple(notes), statement=statement),
        provenance=provenance,
        card=False,
    )


#: The provenance of a record of what the Hub gave.
FROM_HUB = "read from the Hub"
_PROVENANCE = {
    "hub": FROM_HUB,
    "cache": "read from the local Hugging Face cache",
    "snapshot": "the snapshot that ships with hfkv, not fetched",
}
#: Starts of notes that speak of how the files were had this time.
_PASSING = ("the Hub was not used", "from the local cache")


def dump_lock(records: Iterable[Mapping[str, Any]]) -> str:
    """The text of a lock that holds these records.

    >>> print(dump_lock([]), end="")
    {
     "format": 1,
     "models": {}
    }
    """
    models = {lock_key(record["model"], record.get("revision")): record for record in records}
    ordered = dict(sorted(models.items(), key=lambda item: item[0].lower()))
    return _layout({"format": FORMAT, "models": ordered}, 0) + "\n"


def _layout(value: object, depth: int) -> str:
    """Objects one key a line; lists of lists one list a line; everything else on one line."""
    inner = " " * (depth + 1)
    if isinstance(value, Mapping) and value:
        lines = [
            f"{inner}{json.dumps(key)}: {_layout(item, depth + 1)}" for key, item in value.items()
        ]
        return "{\n" + ",\n".join(lines) + "\n" + " " * depth + "}"
    if isinstance(value, list) and value and all(isinstance(item, list) for item in value):
        lines = [f"{inner}{json.dumps(item)}" for item in value]
        return "[\n" + ",\n".join(lines) + "\n" + " " * depth + "]"
    return json.dumps(value)
