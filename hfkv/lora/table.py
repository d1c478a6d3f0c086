"""The generated module table of a class: which saved tensors are which modules in memory."""

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
    """One parameter of one kind of module.

    Attributes:
        module: the module's name, ``{}`` for each number.
        kind: ``linear``, ``conv1d_linear`` (swapped axes), ``embedding``, ``other``...
        parameter: the parameter's own name, such as ``weight``.
        saved: patterns of the tensors it is saved as; None where that cannot be told.
        dimensions: how many the parameter has in memory.
    """

    module: str
    kind: str
    parameter: str
    saved: tuple[str, ...] | None
    dimensions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The table of one class."""

    architecture: str
    output: str | None
    tied: frozenset[str]
    ignored: tuple[str, ...]
    mixed: frozenset[str]
    rows: tuple[Row, ...]


@lru_cache(maxsize=1)
def peft_facts() -> Mapping[str, Any]:
    """PEFT's default targets and its conversions of expert targets, as generated."""
    facts: Mapping[str, Any] = json.loads(
        (resources.files("hfkv.data") / "peft.json").read_text("utf-8")
    )
    return facts


@lru_cache(maxsize=64)
def _tables(model_type: str) -> Mapping[str, Any] | None:
    path = resources.files("hfkv.data") / "module_names" / f"{model_type}.json"
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
    known = config.cls is not None and _tables(config.model_type)
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
        output=raw["output"],
        tied=frozenset(raw["tied"]),
        ignored=tuple(raw["ignored"]),
        mixed=frozenset(raw["mixed"]),
        rows=tuple(
            Row(
                module=module,
                kind=kind,
                parameter=parameter,
                saved=None if saved is None else tuple(saved),
                dimensions=dimensions,
            )
            for module, kind, parameter, saved, dimensions in raw["rows"]
        ),
    )
