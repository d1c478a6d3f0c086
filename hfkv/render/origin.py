"""Where the facts of a figure came from, said with every figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hfkv.json_value import attributes
from hfkv.reading import printable
from hfkv.versions import said

if TYPE_CHECKING:
    from hfkv.facts import Facts
    from hfkv.model import Model

__all__ = ["notes_of", "origin_line", "with_origin"]

_NAMES = "model source revision commit"


def with_origin(model: Model, value: dict[str, Any]) -> dict[str, Any]:
    """The JSON value of a figure with ``source``, ``revision`` and ``commit`` of the files of its
    ``model``, and with what is to be said of them among its ``notes``. Of an adapter repository the
    figure is its base model's; where the files of the other came from is ``adapter``, or ``base``
    where the value names the adapter."""
    facts, base = model.facts, model.facts.base
    beside: dict[str, Any] = {}
    if base is not None and value["model"] == base.model != facts.model:
        beside["adapter"] = attributes(facts, _NAMES)
        facts = base
    elif base is not None:
        beside["base"] = attributes(base, _NAMES)
    notes = [*value.get("notes", ()), *notes_of(model)]
    if model.core.line:
        beside["versions"] = dict(model.versions)
    origin = attributes(facts, _NAMES)
    return {**origin, **beside, **value, "notes": list(dict.fromkeys(notes))}


def notes_of(model: Model) -> tuple[str, ...]:
    """What is to be said of the files that were read, of an adapter's base too."""
    base = model.facts.base
    found = model.facts.notes if base is None else (*model.facts.notes, *base.notes)
    if model.core.line:
        line = said("transformers", "peft", line=model.core.line)
        found += (f"as {line} have it; the newest release here is {said('transformers')}",)
    return found


def origin_line(model: Model) -> str:
    """``hub, commit 0123456789ab``; of an adapter repository, of its base as well."""
    base = model.facts.base
    line = _line(model.facts)
    return line if base is None else f"{line}; base {printable(base.model)}: {_line(base)}"


def _line(facts: Facts) -> str:
    commit = f", commit {printable(facts.commit[:12])}" if facts.commit else ""
    asked = facts.revision if facts.revision not in (None, facts.commit) else None
    revision = f", revision {printable(asked, 80)}" if asked and asked != "main" else ""
    if facts.source == "statements":
        return "the statements that ship with hfkv, by its id"
    if facts.source == "snapshot":
        return f"a snapshot that ships with hfkv{commit}"
    return f"{facts.source}{revision}{commit}"
