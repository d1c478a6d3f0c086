"""What the registry keeps of one architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hfkv.cache.plan import Plan
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.config import Config
from hfkv.reading import describe

__all__ = ["TEXT", "Delegated", "Row", "Rule", "inside", "of_type", "table"]

#: In place of a key: the nested config that the class builds its text decoder from.
TEXT = "(text)"


@dataclass(frozen=True, slots=True)
class Delegated:
    """The plan of another config, by the row of that config's own type.

    Attributes:
        config: the other one.
        then: what is changed in its plan.
    """

    config: Config
    then: Callable[[Plan], Plan] | None = None


#: Reads the plan from a config, or says whose plan it is.
Rule: TypeAlias = Callable[[Config], "Plan | Delegated"]


@dataclass(frozen=True, slots=True)
class Row:
    """One architecture: one of ``rule``, ``inner`` and ``as_type``.

    Attributes:
        rule: config to plan.
        inner: the key of the nested config whose own row makes the plan, or :data:`TEXT`.
        as_type: the type whose row makes the plan of this very file.
        requires: keys that the file itself must have, where ``as_type`` would fill in another
            model's.
        note: what a reader must be told of the plan, or "".
        basis: ``exact`` where the pinned transformers has the class, else ``documented``.
        source: where the rule stands; "" for the class itself.
        kinds: words for its layers, where there is no default config to read them from.
    """

    rule: Rule | None = None
    inner: str = ""
    as_type: str = ""
    requires: tuple[str, ...] = ()
    note: str = ""
    basis: Literal["exact", "documented"] = "exact"
    source: str = ""
    kinds: tuple[str, ...] = ()

    def made(self, config: Config) -> Plan | Delegated:
        """The plan of a config, or whose plan it is.

        Raises:
            ConfigError: a key that the row reads is missing or not usable.
            UnsupportedError: the file asks for a cache that the row does not know.
        """
        if self.rule is not None:
            # The cache reads it of any config, though a class that means it works it out.
            if config.peek("kv_sharing_modes") is not None:
                raise UnsupportedError(
                    "says which layers share a cache, which its class does not",
                    where=config.place("kv_sharing_modes"),
                    expected="nothing: the class of such a model works it out",
                )
            return self.rule(config)
        if self.as_type:
            return of_type(config, self.as_type, self.requires)
        if self.basis == "documented":
            return inside(config, self.inner)
        return Delegated(config.text() if self.inner == TEXT else config.nested(self.inner))


def of_type(config: Config, model_type: str, requires: Sequence[str] = ()) -> Delegated:
    """The plan of the same file as a config of another type.

    Raises:
        ConfigError: the file has not the keys that it must state itself.
    """
    for key in requires:
        if not config.states(key):
            raise ConfigError(
                "is missing", where=config.place(key), expected="the decoder's own number"
            )
    return Delegated(config.as_type(model_type))


def inside(config: Config, key: str) -> Delegated:
    """The plan of a nested config that the file itself must have, with its type.

    Raises:
        ConfigError: it has none, or one without a type.
    """
    if not isinstance(config.peek(key), Mapping):
        raise ConfigError(
            f"found {describe(config.peek(key))}" if config.states(key) else "is missing",
            where=config.place(key),
            expected="the config of the text decoder",
        )
    inner = config.nested(key)
    if not inner.model_type:
        raise ConfigError(
            "is missing", where=inner.place("model_type"), expected="the decoder's type"
        )
    return Delegated(inner)


def table(*entries: tuple[str, Row]) -> dict[str, Row]:
    """Rows by their types; an entry is for all types that its text names.

    Raises:
        ValueError: a type has two rows.

    >>> sorted(table(("llama mistral", Row()), ("gpt2", Row())))
    ['gpt2', 'llama', 'mistral']
    """
    rows: dict[str, Row] = {}
    for names, row in entries:
        for name in names.split():
            if name in rows:
                raise ValueError(f"two rows for {name}")
            rows[name] = row
    return rows
