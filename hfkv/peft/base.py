"""The model that an adapter is put on: what was read of it, and what transformers builds of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from hfkv.facts import Facts
from hfkv.facts.config import Config
from hfkv.modules.build import build, config_of
from hfkv.modules.built import Built

__all__ = ["Base"]


@dataclass(frozen=True)
class Base:
    """A base model; its modules are made once, when a method first asks for them.

    Attributes:
        facts: what was read of it.
        known: its modules, where they are known by other means than its files (built live).
    """

    facts: Facts
    known: Built | None = None

    @cached_property
    def config(self) -> Config:
        """The reader of its config.

        Raises:
            UnsupportedError: it has none.
        """
        return config_of(self.facts)

    @cached_property
    def built(self) -> Built:
        """Its modules.

        Raises:
            UnsupportedError: as :func:`hfkv.modules.build.build`.
        """
        return build(self.facts) if self.known is None else self.known
