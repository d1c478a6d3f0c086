"""A typed view of an untrusted ``config.json`` that knows what the class would fill in.

Three cases are kept apart: a key that is *absent* takes its class's default, a key that is *null*
is null, and an explicit value is itself. Every read is remembered with where its value came from,
so that a figure can be explained.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.classes import ConfigClass, config_class, type_of_architecture
from hfkv.reading import describe, printable

__all__ = ["Config", "Derived", "Place", "Read"]

#: No dimension of a model is near this; a larger one is damage or an attempt at it.
_LARGEST = 2**40
#: No model has so many layers; lists and loops over layers stay bounded by it.
MOST_LAYERS = 100_000

#: The class below has methods named int and bool, which hide the builtins in its annotations.
Int: TypeAlias = int
Bool: TypeAlias = bool

Origin = Literal["explicit", "class default", "null", "derived"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One value that was read.

    Attributes:
        key: the path in ``config.json``, such as ``text_config.head_dim``, with the names that the
            file itself has.
        value: what it is.
        origin: ``explicit`` in the file, the ``class default``, ``null`` in the file, or
            ``derived`` from other values.
        of: the type whose class has the default; what a derived value was derived from.
    """

    key: str
    value: Any
    origin: Origin
    of: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands under another name, or in another part of the file."""

    config: Config
    key: str


@dataclass(frozen=True, slots=True)
class Derived:
    """A value that was worked out, and from what, for the reader of an explanation."""

    value: Any
    source: str


class Config:
    """One level of a config (the whole, or a nested one) with its class.

    Args:
        raw: the mapping, as parsed.
        where: the model's name, for messages.
        model_type: the type whose class defaults apply, where the mapping itself need not name
            it; by default its own ``model_type``.
        filled: defaults that the class around a nested config puts before the nested class's.
        filled_by: the type of that class.
    """

    def __init__(
        self,
        raw: Mapping[str, Any],
        *,
        where: str,
        model_type: str | None = None,
        path: str = "",
        reads: dict[tuple[str, bool], Read] | None = None,
        filled: Mapping[str, Any] | None = None,
        filled_by: str = "",
    ) -> None:
        self.raw = raw
        self.where = where
        self.path = path
        self.model_type = model_type if model_type is not None else _model_type(raw, where)
        self.cls: ConfigClass | None = config_class(self.model_type)
        self._filled: Mapping[str, Any] = filled or {}
        self._filled_by = filled_by
        # By path, and whether it is a value derived for it.
        self._reads: dict[tuple[str, bool], Read] = {} if reads is None else reads

    @property
    def reads(self) -> tuple[Read, ...]:
        """Every value read so far, first read first."""
        return tuple(self._reads.values())

    def place(self, key: str) -> str:
        """The path of a key, for messages."""
        return f"{self.where}: config.json: {self.path}{key}"

    # -- reading ---------------------------------------------------------------------------

    def get(self, key: str) -> Any:
        """The value of ``key``: explicit, or the class's default, or None where neither is.

        A class that names the key otherwise (``attribute_map``) is asked by its own name; where
        the file has both, the class lets the other name, set last, win. A name that the class only
        still reads (``old_names``) is none where it is null.
        """
        own = self._own(key)
        for name in self.names(own):
            if name in self.raw:
                return self.stated(name)
        if own in self._filled:
            return self._note(own, self._filled[own], "class default", self._filled_by)
        if self.cls is None:
            return None
        # A field's default can stand under the name that the class itself takes for another.
        for name in (own, *self._aliases(own)):
            if name in self.cls.defaults:
                return self._note(name, self.cls.defaults[name], "class default", self.model_type)
        if own in self.cls.keyword_defaults:
            value = self.cls.keyword_defaults[own]
            return self._note(own, value, "class default", self.model_type)
        return None

    def filled(self, key: str) -> Any:
        """The value of ``key``, or what the class puts where it is null or absent."""
        own = self._own(key)
        if self.cls is None or own not in self.cls.filled_nulls:
            return self.get(key)
        if self.has(key):
            value = self.get(key)
            if value is not None:
                return value
            return self.derived(own, self.cls.filled_nulls[own], "what its class puts for null")
        return self._note(own, self.cls.filled_nulls[own], "class default", self.model_type)

    def stated(self, key: str) -> Any:
        """The value that the file itself has under this very name; None where it has none."""
        if key not in self.raw:
            return None
        value = self.raw[key]
        return self._note(key, value, "null" if value is None else "explicit")

    def peek(self, key: str) -> Any:
        """As :meth:`stated`, for a check that no figure depends on: it is not remembered."""
        return self.raw.get(key)

    def states(self, key: str) -> Bool:
        """Whether the file has the key under this very name, if only as null."""
        return key in self.raw

    @property
    def keys(self) -> tuple[str, ...]:
        """The names that the file has at this level."""
        return tuple(self.raw)

    def has(self, key: str) -> Bool:
        """Whether the file itself has the key, by any of its names."""
        return any(name in self.raw for name in self.names(self._own(key)))

    def declares(self, key: str) -> Bool:
        """Whether the file has the key or the class has a default, if only null, for it."""
        return self.has(key) or (self.cls is not None and key in self.cls.defaults)

    def overlaid(self, values: Mapping[str, Place | Derived]) -> Config:
        """This config with some keys, by the class's own names, read elsewhere or worked out."""
        return _Overlaid(self, values)

    def derived(self, key: str, value: Any, source: str) -> Any:
        """Remember a value that was worked out, and from what."""
        path = f"{self.path}{key}"
        self._reads.setdefault(
            (path, True), Read(key=path, value=value, origin="derived", of=source)
        )
        return value

    def int(self, key: str, *, least: Int = 1) -> Int:
        """A whole number of at least ``least``.

        Raises:
            ConfigError: it is missing, null, or something else.
        """
        value = self.optional_int(key, least=least)
        if value is None:
            raise ConfigError(
                "is null" if self.has(key) else "is missing",
                where=self.place(key),
                expected=f"a whole number of at least {least}",
            )
        return value

    def optional_int(self, key: str, *, least: Int = 1) -> Int | None:
        """A whole number of at least ``least``, or None where it is null or has no default."""
        value = self.get(key)
        if value is None:
            self._check_null(key)
            return None
        return self.check_int(key, value, least=least)

    def check_int(self, key: str, value: Any, *, least: Int = 1) -> Int:
        """``value`` as a whole number, or an error naming ``key``."""
        # JSON written by other tools has 32.0 for 32; transformers takes it only where the class
        # is not strict, and a fraction never.
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _LARGEST:
            raise ConfigError(
                f"found {describe(value)}",
                where=self.place(key),
                expected=f"a whole number of at least {least}",
            )
        return value

    def number(self, key: str) -> float:
        """A finite number."""
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not _finite(value):
            raise ConfigError(
                f"found {describe(value)}", where=self.place(key), expected="a finite number"
            )
        return float(value)

    def bool(self, key: str, *, default: Bool = False) -> Bool:
        """True or false; ``default`` where neither file nor class says."""
        value = self.get(key)
        if value is None:
            self._check_null(key)
            return default
        if not isinstance(value, bool):
            raise ConfigError(
                f"found {describe(value)}", where=self.place(key), expected="true or false"
            )
        return value

    def string(self, key: str) -> str | None:
        """A string, or None."""
        value = self.get(key)
        if value is not None and not isinstance(value, str):
            raise ConfigError(
                f"found {describe(value)}", where=self.place(key), expected="a string"
            )
        return value

    def strings(self, key: str) -> tuple[str, ...] | None:
        """A list of strings, or None."""
        value = self.get(key)
        if value is None:
            self._check_null(key)
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigError(
                f"found {describe(value)}", where=self.place(key), expected="a list of strings"
            )
        return tuple(value)

    def ints(self, key: str, *, least: Int = 0) -> tuple[Int, ...] | None:
        """A list of whole numbers, or None."""
        value = self.get(key)
        return None if value is None else self._check_ints(key, value, least)

    def filled_ints(self, key: str) -> tuple[Int, ...]:
        """A list of whole numbers, which the class itself gives where it is null or absent."""
        return self._check_ints(key, self.filled(key), 0)

    def _check_ints(self, key: str, value: object, least: Int) -> tuple[Int, ...]:
        if not isinstance(value, list):
            raise ConfigError(
                f"found {describe(value)}",
                where=self.place(key),
                expected="a list of whole numbers",
            )
        return tuple(
            self.check_int(f"{key}[{index}]", item, least=least) for index, item in enumerate(value)
        )

    def layers(self, key: str = "num_hidden_layers") -> Int:
        """The number of layers, bounded so that what loops over layers is too."""
        return self.check_layers(key, self.int(key))

    def check_layers(self, key: str, count: Int) -> Int:
        """``count`` within that bound, or an error naming ``key``."""
        if count > MOST_LAYERS:
            raise ConfigError(
                f"found {count}", where=self.place(key), expected=f"at most {MOST_LAYERS} layers"
            )
        return count

    def by_name(self, key: str) -> Any:
        """The value of ``key`` under that name alone: what the class sees of it before it applies
        the other names that the file may have for it."""
        if key in self.raw:
            return self.stated(key)
        if key in self._filled:
            return self._note(key, self._filled[key], "class default", self._filled_by)
        value = None if self.cls is None else self.cls.defaults.get(key)
        return None if value is None else self._note(key, value, "class default", self.model_type)

    def items(self, key: str) -> tuple[Config, ...] | None:
        """The objects of a list, as configs without a class; None where there is no such list."""
        value = self.raw.get(key)
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            return None
        return tuple(
            Config(
                item,
                where=self.where,
                model_type="",
                path=f"{self.path}{key}[{index}].",
                reads=self._reads,
            )
            for index, item in enumerate(value)
        )

    def nested(self, key: str, *, model_type: str | None = None) -> Config:
        """The nested config under ``key``, with its own class's defaults.

        An absent one is an empty one, or what the class takes from the top in its stead.

        Args:
            key: where it stands.
            model_type: its type, where neither the file nor this class says it.
        """
        value = self.raw.get(key)
        case, path = "absent" if value is None else "given", f"{self.path}{key}."
        if value is None:
            flat = () if self.cls is None else self.cls.flat.get(key, ())
            value = {name: self.raw[name] for name in flat if name in self.raw}
            if value:
                # Older files have no nested config: the class takes its keys from the top.
                case, path = "given", self.path
        if not isinstance(value, Mapping):
            raise ConfigError(
                f"found {describe(value)}", where=self.place(key), expected="an object"
            )
        named = value.get("model_type")
        if self.cls is not None and key in self.cls.fixed:
            model_type = self.cls.sub_configs[key]
        elif isinstance(named, str) and config_class(named) is not None:
            model_type = named
        elif self.cls is not None and key in self.cls.sub_configs:
            model_type = self.cls.sub_configs[key]
        elif model_type is None:
            model_type = named if isinstance(named, str) else ""
        return Config(
            value,
            where=self.where,
            model_type=model_type,
            path=path,
            reads=self._reads,
            filled=None if self.cls is None else self.cls.sub_defaults.get(key, {}).get(case),
            filled_by=self.model_type,
        )

    def as_type(self, model_type: str) -> Config:
        """The same file read as a config of another type: its class's defaults and names."""
        return Config(
            self.raw,
            where=self.where,
            model_type=model_type,
            path=self.path,
            reads=self._reads,
            filled=self._filled,
            filled_by=self._filled_by,
        )

    def text(self) -> Config:
        """The config that the text decoder is built from: this one, or the nested one."""
        if self.cls is None or not self.cls.text:
            return self
        config: Config = self
        for key in self.cls.text.split("."):
            config = config.nested(key)
        return config

    # -- helpers ---------------------------------------------------------------------------

    def names(self, own: str) -> list[str]:
        """Every name that the class reads the key by, the one that wins first."""
        found = [own]
        for old, (new, wins) in (self.cls.old_names if self.cls else {}).items():
            if new == own and self.raw.get(old) is not None:
                found.insert(0 if wins else len(found), old)
        return [*self._aliases(own), *found]

    def _aliases(self, own: str) -> list[str]:
        """Other names of a key, the one that the file sets last first."""
        if self.cls is None:
            return []
        names = [name for name, target in self.cls.attribute_map.items() if target == own]
        order = {name: index for index, name in enumerate(self.raw)} if len(names) > 1 else {}
        return sorted(names, key=lambda name: -order.get(name, -1))

    def _own(self, key: str) -> str:
        """The class's own name for a key."""
        return key if self.cls is None else self.cls.attribute_map.get(key, key)

    def _note(self, key: str, value: Any, origin: Origin, of: str = "") -> Any:
        path = f"{self.path}{key}"
        self._reads.setdefault((path, False), Read(key=path, value=value, origin=origin, of=of))
        return value

    def _check_null(self, key: str) -> None:
        """Refuse an explicit null that the class itself refuses."""
        own = self._own(key)
        if self.cls is not None and own in self.cls.null_refused and self.has(key):
            raise ConfigError(
                "is null, which its class does not accept",
                where=self.place(key),
                expected="a value, or no such key",
            )


class _Overlaid(Config):
    """A config some of whose keys are read elsewhere."""

    def __init__(self, base: Config, values: Mapping[str, Place | Derived]) -> None:
        super().__init__(
            base.raw,
            where=base.where,
            model_type=base.model_type,
            path=base.path,
            reads=base._reads,
            filled=base._filled,
            filled_by=base._filled_by,
        )
        inner = base._values if isinstance(base, _Overlaid) else {}
        self._values: Mapping[str, Place | Derived] = {**inner, **values}

    def get(self, key: str) -> Any:
        own = self._own(key)
        value = self._values.get(own)
        if isinstance(value, Place):
            return value.config.get(value.key)
        if isinstance(value, Derived):
            return self.derived(own, value.value, value.source)
        return super().get(key)

    def has(self, key: str) -> Bool:
        return self._own(key) in self._values or super().has(key)

    def place(self, key: str) -> str:
        value = self._values.get(self._own(key))
        return value.config.place(value.key) if isinstance(value, Place) else super().place(key)


def _model_type(raw: Mapping[str, Any], where: str) -> str:
    value = raw.get("model_type")
    if isinstance(value, str) and value:
        return value
    if value is not None:
        raise ConfigError(
            f"found {describe(value)}",
            where=f"{where}: config.json: model_type",
            expected="a string",
        )
    # Old files name only the class.
    names = raw.get("architectures")
    if isinstance(names, list) and names and isinstance(names[0], str):
        found = type_of_architecture(names[0])
        if found is not None:
            return found
        raise UnsupportedError(
            f"it names no model_type, and no known one has the class {printable(names[0])}",
            where=f"{where}: config.json",
        )
    raise ConfigError(
        "is missing, and architectures does not say it either",
        where=f"{where}: config.json: model_type",
        expected="the model's type, such as llama",
    )


def _finite(value: float) -> Bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
