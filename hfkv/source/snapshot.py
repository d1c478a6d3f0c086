"""The snapshots that ship with the package: shapes of well-known models, for use offline."""

from __future__ import annotations

from functools import lru_cache

from hfkv.data import names_in, read_json
from hfkv.errors import NotFoundError, RecordError
from hfkv.source.files import Files
from hfkv.source.record import load_record

__all__ = ["read_snapshot", "snapshot_names"]


@lru_cache(maxsize=1)
def _index() -> dict[str, str]:
    """Hub id in lower case to file name; the names alone say both."""
    return {
        name.removesuffix(".json").replace("--", "/").lower(): name
        for name in names_in("snapshots")
        if name.endswith(".json")
    }


def snapshot_names() -> list[str]:
    """Hub ids that have a snapshot."""
    return sorted(name.removesuffix(".json").replace("--", "/") for name in _index().values())


def read_snapshot(model: str) -> Files:
    """The bundled snapshot of a model.

    Raises:
        NotFoundError: the package has none of that id.
        RecordError: the file is damaged.
    """
    name = _index().get(model.lower())
    if name is None:
        raise NotFoundError("the package ships no snapshot of it", where=model)
    try:
        record = read_json("snapshots", name)
    except ValueError:
        raise RecordError("not JSON", where=f"snapshot {name}") from None
    files = load_record(record, source="snapshot", where=f"snapshot {name}")
    note = f"a snapshot that ships with hfkv, not fetched: {record['provenance']}"
    return Files(
        **{
            **{slot: getattr(files, slot) for slot in Files.__dataclass_fields__},
            "notes": (note, *files.notes),
        }
    )
