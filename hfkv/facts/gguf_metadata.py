"""Typed reads of the metadata of a GGUF file: untrusted, like a ``config.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hfkv.errors import ConfigError, UnsupportedError
from hfkv.reading import describe, printable

__all__ = ["Metadata"]

#: Layers and heads are bounded again where they are used; this keeps products sane before.
_LARGEST = 2**40


class Metadata:
    """Typed reads of the keys of one file, by their names after ``{architecture}.``.

    Args:
        raw: the metadata, as the source gave them.
        names: names of the tensors in the file.
        where: the model's name, for messages.
    """

    def __init__(self, raw: Mapping[str, Any], names: frozenset[str], where: str) -> None:
        self.raw = raw
        self.names = names
        self.where = where
        architecture = raw.get("general.architecture")
        if not isinstance(architecture, str) or not architecture:
            raise ConfigError(
                f"found {describe(architecture)}",
                where=f"{where}: GGUF: general.architecture",
                expected="the name of an architecture",
            )
        self.architecture = architecture

    def get(self, key: str) -> Any:
        """The value of a key of the architecture, or None."""
        return self.raw.get(f"{self.architecture}.{key}")

    def place(self, key: str) -> str:
        """The key, for messages."""
        return f"{self.where}: GGUF: {printable(self.architecture)}.{key}"

    def number(self, key: str, *, least: int = 1) -> int:
        """A whole number; a list that repeats one number counts as it."""
        value = self.maybe(key, least=least)
        if value is None:
            raise ConfigError(
                "is missing",
                where=self.place(key),
                expected=f"a whole number of at least {least}",
            )
        return value

    def maybe(self, key: str, *, least: int = 1) -> int | None:
        """A whole number, or None where the file has no such key."""
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, list):
            if len(set(map(str, value))) != 1:
                raise UnsupportedError(
                    f"differs from layer to layer ({describe(value)})",
                    where=self.place(key),
                    expected="one number for all layers of this architecture",
                )
            value = value[0]
        if type(value) is not int or not least <= value <= _LARGEST:
            raise ConfigError(
                f"found {describe(value)}",
                where=self.place(key),
                expected=f"a whole number of at least {least}",
            )
        return value

    def per_layer(self, key: str, kind: type, count: int) -> Sequence[Any]:
        """A list with one item of ``kind`` for each of ``count`` layers."""
        value = self.get(key)
        if (
            not isinstance(value, list)
            or len(value) != count
            or any(type(item) is not kind for item in value)
        ):
            raise ConfigError(
                f"found {describe(value)}",
                where=self.place(key),
                expected=f"one value for each of the {count} layers",
            )
        return value

    def has(self, name: str) -> bool:
        """Whether any tensor's name has this part."""
        return any(f".{name}." in found or found.startswith(f"{name}.") for found in self.names)
