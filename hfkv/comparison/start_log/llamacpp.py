"""llama.cpp's line for each cache: cells, layers, and the size of each part in MiB."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hfkv.comparison.start_log.lines import LogLine
from hfkv.engines.start_log import EngineLog, Said, llama_parts

if TYPE_CHECKING:
    from hfkv.engines import Engine
    from hfkv.model import Model

__all__ = ["llamacpp_lines", "printed_mib"]

_MIB = 2**20


def printed_mib(size: int, like: str) -> str:
    """Bytes as llama.cpp prints them: a float32 of MiB with as many digits as ``like`` has.

    >>> printed_mib(150994944, "144.00")
    '144.00'
    """
    digits = len(like.partition(".")[2])
    single = struct.unpack("f", struct.pack("f", float(size)))[0]
    return f"{single / _MIB:.{digits}f}"


def llamacpp_lines(model: Model, log: EngineLog, engine: Engine) -> Iterator[LogLine]:
    subject = model.subject()
    # The log says how many cells there are, whatever number of tokens will come.
    figure = engine.allocate(subject, tokens=1)
    mine = [cache for cache in figure.facts["caches"] if _bytes(cache)]
    theirs = [said for said in log.said if said.values.get("layers") != "0"]
    for number in range(max(len(mine), len(theirs))):
        said = theirs[number] if number < len(theirs) else None
        cache = mine[number] if number < len(mine) else None
        name = cache["name"] if cache else said.values.get("name", "llama_kv_cache") if said else ""
        yield from _cache_lines(name, said, cache)


def _bytes(cache: Mapping[str, Any]) -> int:
    return sum(int(part["bytes"]) for part in cache["parts"].values())


def _cache_lines(
    name: str, said: Said | None, cache: Mapping[str, Any] | None
) -> Iterator[LogLine]:
    """A cache's cells and layers, and the size of each part."""
    if said is None or cache is None:
        yield LogLine(
            what=name,
            said="" if said is None else f"{said.values['size']} MiB",
            computed="" if cache is None else f"{_bytes(cache) / _MIB:.2f} MiB",
            agree=False,
            line=said.line if said else 0,
            why="the log is cut, or of another model or version",
        )
        return
    for count, why in (
        ("cells", "another context, batch (--ubatch-size) or window, or --swa-full"),
        ("layers", "another model, or drafting layers"),
        ("streams", "--parallel and --kv-unified"),
    ):
        stated = said.values.get(count)
        if stated is None or (count == "cells" and not cache["cells"]):
            continue
        if count == "streams" and int(stated) == int(cache[count]):
            continue
        if count == "layers" and "recurrent" in name:
            # llama.cpp prints all layers of the model there, not those with a state.
            continue
        yield LogLine(
            what=f"{name}: {count}",
            said=stated,
            computed=str(cache[count]),
            agree=int(stated) == int(cache[count]),
            line=said.line,
            why="" if int(stated) == int(cache[count]) else why,
        )
    parts = llama_parts(said) or {"": ("f32", said.values["size"])}
    for letter, (kind, size) in parts.items():
        part = cache["parts"].get(letter, {"type": kind, "bytes": 0})
        computed = printed_mib(int(part["bytes"]), size)
        same_type = part["type"] == kind or not int(part["bytes"])
        yield LogLine(
            what=f"{name}: {letter} ({kind})" if letter else name,
            said=f"{size} MiB",
            computed=f"{computed} MiB",
            agree=computed == size and same_type,
            line=said.line,
            why="" if computed == size and same_type else _why_size(part["type"], kind),
        )


def _why_size(mine: str, theirs: str) -> str:
    if mine != theirs:
        return f"the log has {theirs}, hfkv was told {mine}"
    return "other cells or layers, or other widths of heads"
