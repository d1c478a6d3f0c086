"""Which plan the layers of an architecture follow: one row each, keyed by ``model_type`` exactly.

Every ``exact`` row is compared with the cache that the pinned transformers really fills
(``tests/census``). A row for an architecture that transformers has no class for is ``documented``
and names its source. Rows are written in ``hfkv/cache/rows``, a file per family, of which one model
imports only its own (``python -m hfkv.generate cache_rows`` writes which type is in which). A type
that :data:`ADOPTED` names has the row of another, which its own class was found to follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import import_module

from hfkv.cache.plan import Plan
from hfkv.cache.row import Delegated, Row
from hfkv.data import read_json
from hfkv.errors import UnsupportedError
from hfkv.facts.classes import pinned_version
from hfkv.facts.config import Config
from hfkv.reading import printable
from hfkv.versions import unknown

__all__ = ["ADOPTED", "FAMILIES", "ROWS", "Row", "plan", "row_of"]

#: The file of ``hfkv/cache/rows`` that has a type's row.
FAMILIES: Mapping[str, str] = read_json("cache_rows.json")


#: Types whose plan was found and proved by the generator (``python -m hfkv.generate adopt``), to
#: the type whose plan it is. ``adopted_proofs.json`` says what proved it.
ADOPTED: Mapping[str, str] = read_json("adopted.json")


class _Rows(Mapping[str, Row]):
    """All rows; a family is imported when one of its rows is asked for."""

    def __getitem__(self, model_type: str) -> Row:
        if model_type in ADOPTED:
            return self[ADOPTED[model_type]]
        family = import_module(f"hfkv.cache.rows.{FAMILIES[model_type]}")
        row: Row = family.ROWS[model_type]
        return row

    def __contains__(self, model_type: object) -> bool:
        return model_type in FAMILIES or model_type in ADOPTED

    def __iter__(self) -> Iterator[str]:
        return iter(sorted((*FAMILIES, *ADOPTED)))

    def __len__(self) -> int:
        return len(FAMILIES) + len(ADOPTED)


ROWS: Mapping[str, Row] = _Rows()


def row_of(config: Config) -> Row:
    """The row of a config's ``model_type``.

    Raises:
        UnsupportedError: there is none; never a guess from a like name.
    """
    row = ROWS.get(config.model_type)
    if row is None:
        known = (
            unknown(config.model_type, config.peek("transformers_version"))
            if config.cls is None
            else f"a type of transformers {pinned_version()}"
        )
        raise UnsupportedError(
            f"the KV cache of model_type '{printable(config.model_type)}' is not known here "
            f"({known})",
            where=config.where,
            hint="hfkv kv --basis live asks the installed transformers"
            + ("" if config.cls else "; from a safetensors header it may be inferred"),
        )
    return row


def plan(config: Config) -> Plan:
    """The plan of a model's cache.

    Raises:
        UnsupportedError: the architecture is not in the registry.
        ConfigError: a key that the plan reads is missing or not usable.
    """
    row = row_of(config)
    made = row.made(config)
    if isinstance(made, Delegated):
        whole = plan(made.config)
        made = whole if made.then is None else made.then(whole)
    return replace(made, notes=(*made.notes, row.note)) if row.note else made
