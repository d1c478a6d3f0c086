"""Composite classes with another model inside than their defaults have.

A config can name another ``model_type`` for the text or the vision part (LLaVA around Mistral).
The table of the composite class then gets, in the part's place, the rows of that type's base model,
with its own rules for published names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hfkv.errors import UnsupportedError
from hfkv.facts.config import Config
from hfkv.modules.table import ModuleRow, Table, TieRule, part_place, tables_of
from hfkv.reading import printable

__all__ = ["type_at", "with_parts"]

#: Names that a class takes for another type (``__post_init__`` of ``Kimi_K25Config`` and of
#: ``Exaone4_5_Config`` of transformers 5.24.0): (type, key) to the file's name to the type that is
#: built.
ALIASES: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("exaone4_5", "text_config"): {"exaone4_5_text": "exaone4"},
    ("kimi_k25", "text_config"): {"kimi_k2": "deepseek_v3"},
}


#: Classes with a head whose name ends as that of a base model.
_WHOLE = ("BertLMHeadModel", "GPT2LMHeadModel")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Donor:
    """A model to be put in a part's place; names are relative to it, "" is the model itself."""

    rows: tuple[ModuleRow, ...]
    input: str | None
    output: str | None = None
    tied: Mapping[str, str] | None = None
    ties: tuple[TieRule, ...] = ()
    counts: Mapping[str, Any]
    conversions: tuple[Mapping[str, Any], ...]


def with_parts(table: Table, config: Config) -> Table:
    """The table with the parts that the config names.

    Args:
        config: the class's own.

    Raises:
        UnsupportedError: a part's type has no table that would fit in its place.
    """
    changed: list[str] = []
    for name, cls, known, path in table.parts:
        # What lies inside a part that was exchanged went with it.
        if not path or any(name.startswith(f"{other}.") for other in changed):
            continue
        found = type_at(config, path, known)
        if found == known:
            continue
        donor = _donor(found) if cls.endswith("Model") and cls not in _WHOLE else _whole(found)
        if donor is None:
            raise UnsupportedError(
                f"{printable(name)} is a {printable(found)} here, and {table.architecture} is "
                f"known only with a {known} in its place",
                where=f"{config.where}: config.json: {path}.model_type",
            )
        changed.append(name)
        table = _exchange(table, name, path, donor)
    return replace(table, exchanged=tuple(changed))


def type_at(config: Config, path: str, known: str) -> str:
    """The type that a config names for the part at a path; ``known`` where it names none."""
    part: Any = config.raw
    keys = path.split(".")
    for key in keys:
        part = part.get(key) if isinstance(part, Mapping) else None
    found = part.get("model_type") if isinstance(part, Mapping) else None
    if not isinstance(found, str):
        return known
    return ALIASES.get((config.model_type, path), {}).get(found, found)


def _donor(model_type: str) -> _Donor | None:
    """The base model of a type: what lies under its own class's base model, or a part of another
    class's table."""
    own = next(
        (item for item in tables_of(model_type) if not item.config_path and item.prefix), None
    )
    if own is not None and any(row.name == own.prefix for row in own.rows):
        return _cut(own, own.prefix)
    place = part_place(model_type)
    if place is None:
        return None
    outer, name, path = place
    return _cut(outer, name, path=path)


def _whole(model_type: str) -> _Donor | None:
    """The class with a head of a type, for parts that are one."""
    own = next((item for item in tables_of(model_type) if not item.config_path), None)
    if own is None or own.parts:
        return None
    return _Donor(
        rows=own.rows,
        input=own.input,
        output=own.output,
        tied=own.tied,
        ties=own.ties,
        counts=own.counts,
        conversions=tuple(
            {**rule, "scope": rule.get("scope") or ""}
            for rule in own.conversions[: len(own.conversions) - len(own.old)]
        ),
    )


def _cut(table: Table, name: str, *, path: str = "") -> _Donor:
    start = f"{name}."
    rows = []
    for row in table.rows:
        if row.name == name or row.name.startswith(start):
            rows.append(replace(row, name=row.name[len(start) :], path=_without(row.path, path)))
    counts = {
        key[len(start) :]: _without(value, path) if isinstance(value, str) else value
        for key, value in table.counts.items()
        if key.startswith(start)
    }
    inside = table.input is not None and table.input.startswith(start)
    # A part's rules are scoped to it; the rules of a whole class are those of its base model too.
    scope = name.removeprefix(table.prefix).removeprefix(".")
    rules = []
    for rule in table.conversions[: len(table.conversions) - len(table.old)]:
        at = rule.get("scope")
        if not path:
            rules.append({**rule, "scope": at or ""})
        elif at == scope or (at or "").startswith(f"{scope}."):
            rules.append({**rule, "scope": str(at)[len(scope) :].removeprefix(".")})
    return _Donor(
        rows=tuple(rows),
        input=table.input[len(start) :] if inside and table.input else None,
        counts=counts,
        conversions=tuple(rules),
    )


def _without(path: str, beginning: str) -> str:
    return path.removeprefix(beginning).removeprefix(".") if beginning else path


def _join(*parts: str) -> str:
    return ".".join(part for part in parts if part)


def _exchange(table: Table, name: str, path: str, donor: _Donor) -> Table:
    start = f"{name}."
    rows: list[ModuleRow] = []
    placed = False
    for row in table.rows:
        if row.name != name and not row.name.startswith(start):
            rows.append(row)
        elif not placed:
            placed = True
            own = [
                replace(
                    item,
                    name=_join(name, item.name),
                    beside=None if item.beside is None else _join(name, item.beside),
                )
                for item in donor.rows
            ]
            rows += [replace(item, path=_join(path, item.path)) for item in own]
            if not any(item.name == name for item in own):
                rows.insert(len(rows) - len(own), replace(row, parameters={}))
    scope = name.removeprefix(table.prefix).removeprefix(".")
    kept = [
        rule
        for rule in table.conversions
        if not scope or (rule.get("scope") != scope and not _under(rule.get("scope"), scope))
    ]
    ends = len(kept) - len(table.old)
    rules = [
        {**rule, "scope": _join(scope, rule["scope"]), "prefix": table.prefix}
        for rule in donor.conversions
    ]
    counts = {key: value for key, value in table.counts.items() if not key.startswith(start)}
    for key, value in donor.counts.items():
        counts[start + key] = _join(path, value) if isinstance(value, str) else value
    made = replace(
        table,
        rows=tuple(rows),
        counts=counts,
        conversions=(*kept[:ends], *rules, *kept[ends:]),
        input=_moved(table.input, start, donor.input),
        output=_moved(table.output, start, donor.output),
    )
    return _tie(made, table, start, path, donor)


def _moved(name: str | None, start: str, inside: str | None) -> str | None:
    if name is None or not name.startswith(start):
        return name
    return None if inside is None else start + inside


def _tie(made: Table, table: Table, start: str, path: str, donor: _Donor) -> Table:
    """What is tied: the part's own, where it has a head; else what the whole ties to it."""
    ever = {*table.tied, *(name for _, _, names in table.ties for name in names)}
    if donor.tied is not None and all(key.startswith(start) for key in ever):
        return replace(
            made,
            tied={start + key: start + value for key, value in donor.tied.items()},
            ties=tuple(
                (
                    _join(path, key),
                    value,
                    {start + name: source and start + source for name, source in names.items()},
                )
                for key, value, names in donor.ties
            ),
        )
    names = {f"{row.name}.{short}" for row in made.rows for short in row.parameters}
    old, new = f"{table.input}.weight", f"{made.input}.weight"

    def moved(pairs: Mapping[str, str]) -> dict[str, str]:
        to = {name: (new if source == old else source) for name, source in pairs.items()}
        return {name: source for name, source in to.items() if name in names and source in names}

    return replace(
        made,
        tied=moved(table.tied),
        ties=tuple(
            (
                key,
                value,
                {
                    **{name: None for name, source in pairs.items() if source is None},
                    **moved({n: s for n, s in pairs.items() if s is not None}),
                },
            )
            for key, value, pairs in table.ties
        ),
    )


def _under(scope: object, name: str) -> bool:
    return isinstance(scope, str) and scope.startswith(f"{name}.")
