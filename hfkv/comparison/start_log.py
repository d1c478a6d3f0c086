"""What an engine's start-up log says of its cache, held against what hfkv computes."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hfkv.engines import engine_class
from hfkv.engines.start_log import EngineLog, Said, llama_parts
from hfkv.errors import InputError
from hfkv.json_value import attributes

if TYPE_CHECKING:
    from hfkv.engines import Engine
    from hfkv.model import Model

__all__ = ["LogLine", "LogVerdict", "hold_against"]

_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One number of the log and hfkv's.

    Attributes:
        what: which number.
        said: as printed; "" where the log has none.
        computed: hfkv's, printed alike; "" where hfkv has none.
        agree: whether they are the same within the printed digits.
        line: where it stands in the log; 0 where the log has none.
        why: what explains a difference, or what to give; "" where they agree.
    """

    what: str
    said: str
    computed: str
    agree: bool
    line: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogVerdict:
    """A log and hfkv's figures side by side.

    Attributes:
        model: the model asked about.
        engine, version: hfkv's rules.
        log_version: the version that the log names; "" where it names none.
        options: the engine's options that the log states, or that were given.
        lines: every number.
        notes: what a reader must be told.
    """

    model: str
    engine: str
    version: str
    log_version: str
    options: Mapping[str, Any]
    lines: tuple[LogLine, ...]
    notes: tuple[str, ...] = ()

    @property
    def agree(self) -> bool:
        """Whether every number agrees."""
        return all(line.agree for line in self.lines)

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            **attributes(self, "model engine version log_version agree options"),
            "lines": [attributes(line, "what said computed agree line why") for line in self.lines],
            "notes": list(self.notes),
        }


def hold_against(
    model: Model, log: EngineLog, given: Mapping[str, Any] | None = None
) -> LogVerdict:
    """The numbers of a log and hfkv's, for the options in the log and those given beside it.

    Raises:
        HfkvError: hfkv does not count this model for the engine, or an option is not usable.
    """
    kept, unknown = _known(log, given or {})
    ways = {"llama.cpp": _llama_cpp}
    if log.engine not in ways:
        raise InputError(f"no rules for the log of {log.engine}")
    engine = engine_class(log.engine)(**kept)
    lines = tuple(ways[log.engine](model, log, engine))
    notes = list(log.notes)
    if unknown:
        notes.append("options of the log that hfkv has no rule for: " + ", ".join(unknown))
    if log.version and engine.version not in log.version:
        notes.append(f"the log is of version {log.version}, hfkv's rules of {engine.version}")
    return LogVerdict(
        model=model.model,
        engine=engine.name,
        version=engine.version,
        log_version=log.version,
        options=kept,
        lines=lines,
        notes=tuple(notes),
    )


def _known(log: EngineLog, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The options that hfkv's engine has; what was given stands before what the log says."""
    fields = engine_class(log.engine).__dataclass_fields__
    names = [name for name in fields if not name.isupper()]
    kept = {name: value for name, value in log.options.items() if name in names}
    kept.update({name: value for name, value in given.items() if value is not None})
    return kept, sorted(set(log.options) - set(names))


# --- llama.cpp --------------------------------------------------------------------------------


def printed_mib(size: int, like: str) -> str:
    """Bytes as llama.cpp prints them: a float32 of MiB with as many digits as ``like`` has.

    >>> printed_mib(150994944, "144.00")
    '144.00'
    """
    digits = len(like.partition(".")[2])
    single = struct.unpack("f", struct.pack("f", float(size)))[0]
    return f"{single / _MIB:.{digits}f}"


def _llama_cpp(model: Model, log: EngineLog, engine: Engine) -> Iterator[LogLine]:
    subject = model.subject()
    # The log says how many cells there are, whatever number of tokens will come.
    figure = engine.allocate(subject, tokens=1)
    mine = [cache for cache in figure.facts["caches"] if _bytes(cache)]
    theirs = [said for said in log.said if said.values.get("layers") != "0"]
    for number in range(max(len(mine), len(theirs))):
        said = theirs[number] if number < len(theirs) else None
        cache = mine[number] if number < len(mine) else None
        name = cache["name"] if cache else said.values["name"] if said else ""
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
