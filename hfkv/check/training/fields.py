"""What the readers of training configs share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hfkv.check.document import KeyPath

__all__ = ["Fields", "model_name", "names"]


@dataclass(slots=True)
class Fields:
    """The fields of ``LoraConfig`` that a file sets by names of its own.

    Attributes:
        value: the file's mapping.
        root: its place.
    """

    value: Mapping[str, Any]
    root: KeyPath
    fields: dict[str, Any] = field(default_factory=dict)
    places: dict[str, KeyPath] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def take(self, key: str, name: str, default: Any = None) -> Any:
        """Read ``key`` as the field ``name``; what is absent or null takes the trainer's default,
        and where there is none either, PEFT's."""
        found = self.value.get(key)
        if key in self.value:
            self.places[name] = (*self.root, key)
            self.names[name] = key
        chosen = default if found is None else found
        if chosen is not None:
            self.fields[name] = chosen
        return chosen


def model_name(value: object) -> str | None:
    """A model's name; None for what is none, or is filled in when the trainer runs."""
    if not isinstance(value, str) or not value.strip():
        return None
    text = value.strip()
    return None if any(mark in text for mark in ("${", "{{", "$(", "<")) else text


def names(value: object) -> object:
    """Names as trainers take them on one line, ``q_proj,v_proj``; other values as they are."""
    if isinstance(value, str):
        return [name.strip() for name in value.split(",") if name.strip()]
    return value
