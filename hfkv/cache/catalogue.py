"""Every architecture that has a row: its kinds of layers, how it is known, and from where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hfkv.cache.registry import ROWS, plan
from hfkv.errors import HfkvError
from hfkv.facts.classes import config_class, pinned_version
from hfkv.facts.config import Config
from hfkv.json_value import attributes
from hfkv.versions import since

__all__ = ["Architecture", "architectures"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One known ``model_type``.

    Attributes:
        model_type: the key of the row.
        kinds: the kinds of layers that its default config has, first layer's first; empty where
            only a file can say.
        basis: ``exact`` or ``documented``.
        source: the class that the row is compared with, or where its rule is published.
        since: the release of transformers that brought the type; None where the oldest that was
            read (:func:`hfkv.versions.releases`) has it already, or none does.
    """

    model_type: str
    kinds: tuple[str, ...]
    basis: str
    source: str
    since: str | None

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return attributes(self, "model_type kinds basis source since")


def architectures() -> tuple[Architecture, ...]:
    """Every architecture of the registry, by name.

    >>> found = {item.model_type: item for item in architectures()}
    >>> found["gemma3_text"].kinds, found["gemma3_text"].basis
    (('sliding', 'full'), 'exact')
    """
    return tuple(
        Architecture(
            model_type=model_type,
            kinds=row.kinds or _default_kinds(model_type),
            basis=row.basis,
            source=row.source or _class(model_type),
            since=since(model_type),
        )
        for model_type, row in sorted(ROWS.items())
    )


def _default_kinds(model_type: str) -> tuple[str, ...]:
    try:
        made = plan(Config({"model_type": model_type}, where=model_type))
    except HfkvError:
        return ()
    return tuple(dict.fromkeys(kind.name for kind in made.kinds))


def _class(model_type: str) -> str:
    found = config_class(model_type)
    if found is None:
        return f"transformers {pinned_version()}"
    # A nested type has no text-generating class of its own; its config class then names it.
    name = found.architectures[0] if found.architectures else found.name
    return f"transformers {pinned_version()}: {name}"
