"""The snapshots that ship with the package: shapes of well-known models, for use offline."""

from __future__ import annotations

from dataclasses import replace

from hfkv.data import names_in, read_json
from hfkv.errors import NotFoundError, RecordError
from hfkv.source.files import Files
from hfkv.source.record import load_record

__all__ = ["read_snapshot", "snapshot_names"]


def snapshot_names() -> list[str]:
    """Hub ids that have a snapshot."""
    return [name.removesuffix(".json").replace("--", "/") for name in names_in("snapshots")]


def read_snapshot(model: str) -> Files:
    """The bundled snapshot of a model, its id in any case.

    Raises:
        NotFoundError: the package has none of that id.
        RecordError: the file is damaged.
    """
    wanted = model.lower().replace("/", "--") + ".json"
    names = [name for name in names_in("snapshots") if name.lower() == wanted]
    if not names or model.count("/") != 1:
        raise NotFoundError("the package ships no snapshot of it", where=model)
    try:
        record = read_json("snapshots", names[0])
    except ValueError:
        raise RecordError("not JSON", where=f"snapshot {names[0]}") from None
    files = load_record(record, source="snapshot", where=f"snapshot {names[0]}")
    note = f"a snapshot that ships with hfkv, not fetched: {record['provenance']}"
    return replace(files, notes=(note, *files.notes))
