"""The generated module table of a class: its modules and how published names reach them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hfkv.data import read_json
from hfkv.errors import UnsupportedError
from hfkv.facts.config import Config
from hfkv.modules.built import Built
from hfkv.reading import printable
from hfkv.versions import unknown

__all__ = [
    "ModuleRow",
    "Table",
    "TieRule",
    "experts_moved",
    "has_table",
    "ignored_by",
    "is_known",
    "nested_at",
    "own_config",
    "part_place",
    "peft_facts",
    "possible_parts",
    "table_of",
    "tables_of",
]


#: A config key's path, a value of it, and what is tied otherwise then: parameter to what it is tied
#: to, or to None where it stands alone.
TieRule = tuple[str, bool, Mapping[str, "str | None"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleRow:
    """One module, ``{}`` for each number in its name.

    Attributes:
        name, kind: as in :class:`hfkv.modules.built.Module`.
        kinds: every kind it has under one config or another.
        parameters: those it holds, to the shapes that they can have: numbers, expressions over
            config keys, or None; no shapes where the generator could not follow them.
        path: where in the class's config the expressions' keys are.
        transposed: as there.
        groups: as there, or an expression over config keys.
        stated: the shapes that a tied layer says its weight has, where under some config they are
            not the weight's; as those of ``parameters``.
        beside: for a module that can be an empty stand-in, one that is there whenever it is.
    """

    name: str
    kind: str
    kinds: frozenset[str]
    parameters: Mapping[str, tuple[tuple[str | int | None, ...], ...]]
    path: str
    transposed: bool
    groups: str | int
    stated: tuple[tuple[str | int | None, ...], ...] = ()
    beside: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The table of one class; see ``hfkv/data/modules/README.md``.

    ``exchanged`` are the names of the parts that are another model's than the class's defaults.
    """

    architecture: str
    config_path: str
    config_type: str
    prefix: str
    input: str | None
    output: str | None
    tied: Mapping[str, str]
    ties: tuple[TieRule, ...]
    rows: tuple[ModuleRow, ...]
    counts: Mapping[str, Any]
    parts: tuple[tuple[str, str, str, str], ...]
    conversions: tuple[Mapping[str, Any], ...]
    derived: Mapping[str, str]
    tie_keys: Mapping[str, str]
    input_raises: bool = False
    exchanged: tuple[str, ...] = ()

    @property
    def has_loose(self) -> bool:
        """Whether the class can hold parameters itself, outside all modules."""
        return any(not row.name and row.parameters for row in self.rows)

    @property
    def old(self) -> tuple[Mapping[str, Any], ...]:
        """The rules at the end that every class has, for checkpoints of old."""
        rules = self.conversions
        start = next(
            (
                number
                for number, rule in enumerate(rules)
                if rule["sources"] == ["LayerNorm.gamma"] and "scope" not in rule
            ),
            len(rules),
        )
        return rules[start:]


@lru_cache(maxsize=1)
def peft_facts() -> Mapping[str, Any]:
    """PEFT's default targets and its conversions of expert targets, as generated."""
    facts: Mapping[str, Any] = read_json("peft.json")
    return facts


def experts_moved(built: Built) -> str | None:
    """The type by whose names PEFT moves targets to a model's fused experts; None where to none."""
    found: str | None = peft_facts()["expert_conversions"].get(built.model_type)
    return found if built.fuses else None


@lru_cache(maxsize=1)
def _ignored() -> Mapping[str, list[str]]:
    found: Mapping[str, list[str]] = read_json("ignored_weights.json")
    return found


def ignored_by(architecture: str) -> list[str]:
    """Expressions for names of weights that a class passes over on loading."""
    return _ignored().get(architecture, [])


@lru_cache(maxsize=64)
def _classes(model_type: str) -> Mapping[str, Any] | None:
    try:
        classes: Mapping[str, Any] = read_json("modules", f"{model_type}.json")["classes"]
    except FileNotFoundError:
        return None
    return classes


def has_table(config: Config) -> bool:
    """Whether the pinned transformers has a class of this type that could be built."""
    return config.cls is not None and is_known(config.model_type)


def is_known(model_type: str) -> bool:
    """Whether there is a module table for a type."""
    return model_type in _index()["types"]


def table_of(config: Config) -> Table:
    """The table of the class that ``architectures`` names, else the type's first; of an
    encoder-decoder the whole rather than the decoder alone.

    Raises:
        UnsupportedError: the pinned transformers has no class of that type, or it could not be
            built.
    """
    # The type is looked up among the known ones first: it is not a path to read from.
    known = _classes(config.model_type) if config.cls is not None else None
    if not known:
        written_by = config.raw.get("transformers_version")
        raise UnsupportedError(
            f"the modules of model_type '{printable(config.model_type)}' are not known here"
            + (f" ({unknown(config.model_type, written_by)})" if config.cls is None else ""),
            where=config.where,
        )
    names = config.raw.get("architectures")
    wanted = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    order = list(known)
    if config.get("is_encoder_decoder") is True:
        order.sort(key=lambda name: name.endswith("ForCausalLM"))
    name = next((name for name in wanted if name in known), order[0])
    return _table(name, known[name])


def own_config(config: Config) -> Config:
    """What the class that the table is of takes: the whole, or its text part."""
    return nested_at(config, table_of(config).config_path) if has_table(config) else config


def nested_at(config: Config, path: str) -> Config:
    """The config at a path such as ``thinker_config.text_config``; the config itself for ""."""
    for key in filter(None, path.split(".")):
        config = config.nested(key)
    return config


def tables_of(model_type: str) -> tuple[Table, ...]:
    """The tables of a known type's classes; none where there is no file."""
    if not is_known(model_type):
        return ()
    return tuple(_table(name, raw) for name, raw in (_classes(model_type) or {}).items())


def possible_parts() -> list[str]:
    """Types that have a table, or are a part of a class that has one."""
    return sorted({*_index()["types"], *_index()["parts"]})


def part_place(model_type: str) -> tuple[Table, str, str] | None:
    """A table that has a model of that type as a part, its name there, and its config's path."""
    place = _index()["parts"].get(model_type)
    if place is None:
        return None
    outer, architecture, name, path = place
    classes = _classes(outer) or {}
    return _table(architecture, classes[architecture]), name, path


@lru_cache(maxsize=1)
def _index() -> Mapping[str, Any]:
    index: Mapping[str, Any] = read_json("modules", "INDEX.json")
    return index


def _table(name: str, raw: Mapping[str, Any]) -> Table:
    return Table(
        architecture=name,
        config_path=raw["config"],
        config_type=raw["config_type"],
        prefix=raw["base_model_prefix"],
        input=raw["input_embeddings"],
        output=raw["output_embeddings"],
        tied=raw["tied"],
        ties=tuple((path, value, names) for path, value, names in raw["ties"]),
        rows=tuple(_row(item) for item in raw["modules"]),
        counts=raw["counts"],
        parts=tuple(tuple(item) for item in raw["parts"]),
        conversions=tuple(raw["conversions"]),
        derived=raw["derived"],
        tie_keys=raw["tie_keys"],
        input_raises=raw.get("input_raises", False),
    )


def _row(item: list[Any]) -> ModuleRow:
    name, kind, parameters = item[:3]
    marks = item[3] if len(item) > 3 else {}
    return ModuleRow(
        name=name,
        kind=kind,
        kinds=frozenset([kind, *marks.get("kinds", ())]),
        parameters={
            key: tuple(tuple(shape) for shape in shapes or ()) for key, shapes in parameters.items()
        },
        path="",
        transposed=bool(marks.get("transposed")),
        groups=marks.get("groups", 1),
        stated=tuple(tuple(shape) for shape in marks.get("stated", ())),
        beside=marks.get("beside"),
    )
