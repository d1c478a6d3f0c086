"""The generated module table of a class: its modules and how published names reach them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from hfkv.errors import UnsupportedError
from hfkv.facts.config import Config
from hfkv.reading import printable

__all__ = ["Row", "Table", "peft_facts", "table_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One module, ``{}`` for each number in its name.

    Attributes:
        name, kind: as in :class:`hfkv.lora.built.Module`.
        kinds: every kind it has under one config or another.
        parameters: names of those it holds.
        transposed, groups: as there.
    """

    name: str
    kind: str
    kinds: frozenset[str]
    parameters: tuple[str, ...]
    transposed: bool
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The table of one class; see ``hfkv/data/modules/README.md``."""

    architecture: str
    config_path: str
    config_type: str
    prefix: str
    input: str | None
    output: str | None
    tied: Mapping[str, str]
    ties: str | bool
    rows: tuple[Row, ...]
    counts: Mapping[str, Any]
    parts: tuple[tuple[str, str, str, str], ...]
    conversions: tuple[Mapping[str, Any], ...]


@lru_cache(maxsize=1)
def peft_facts() -> Mapping[str, Any]:
    """PEFT's default targets and its conversions of expert targets, as generated."""
    facts: Mapping[str, Any] = json.loads(
        (resources.files("hfkv.data") / "peft.json").read_text("utf-8")
    )
    return facts


@lru_cache(maxsize=64)
def _classes(model_type: str) -> Mapping[str, Any] | None:
    path = resources.files("hfkv.data") / "modules" / f"{model_type}.json"
    if not path.is_file():
        return None
    classes: Mapping[str, Any] = json.loads(path.read_text("utf-8"))["classes"]
    return classes


def table_of(config: Config) -> Table:
    """The table of the class that ``architectures`` names, else the type's first.

    Raises:
        UnsupportedError: the pinned transformers has no class of that type, or it could not be
            built.
    """
    # The type is looked up among the known ones first: it is not a path to read from.
    known = _classes(config.model_type) if config.cls is not None else None
    if not known:
        raise UnsupportedError(
            f"the modules of model_type '{printable(config.model_type)}' are not known here",
            where=config.where,
        )
    names = config.raw.get("architectures")
    wanted = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    name = next((name for name in wanted if name in known), next(iter(known)))
    raw = known[name]
    return Table(
        architecture=name,
        config_path=raw["config"],
        config_type=raw["config_type"],
        prefix=raw["base_model_prefix"],
        input=raw["input_embeddings"],
        output=raw["output_embeddings"],
        tied=raw["tied"],
        ties=raw["ties"],
        rows=tuple(_row(item) for item in raw["modules"]),
        counts=raw["counts"],
        parts=tuple(tuple(item) for item in raw["parts"]),
        conversions=tuple(raw["conversions"]),
    )


def _row(item: list[Any]) -> Row:
    name, kind, parameters = item[:3]
    marks = item[3] if len(item) > 3 else {}
    return Row(
        name=name,
        kind=kind,
        kinds=frozenset([kind, *marks.get("kinds", ())]),
        parameters=tuple(parameters),
        transposed=bool(marks.get("transposed")),
        groups=marks.get("groups", 1),
    )
