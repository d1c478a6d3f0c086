"""What a method adds to a layer, as a value: tensors and their shapes, trained, saved, or both.

A :class:`Rule` is all that :mod:`hfkv.peft.tuners` knows of a method. Everything around it (which
modules are chosen, biases, modules saved whole) is the same for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hfkv.errors import InputError
from hfkv.modules.built import Module
from hfkv.reading import describe

__all__ = [
    "ANY_LINEAR",
    "BASE",
    "CAST",
    "LINEAR",
    "Config",
    "Knob",
    "Part",
    "Rule",
    "Site",
    "choice",
    "flag",
    "integer",
    "number",
    "pattern",
]

#: The decisive fields of a config, with the class's defaults.
Config = Mapping[str, Any]

#: Held in the base model's dtype.
BASE = "base"
#: Cast to float32 where the base model is held in half precision (``autocast_adapter_dtype``).
CAST = "cast"

LINEAR = frozenset(["linear"])
ANY_LINEAR = frozenset(["linear", "Conv1D"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A module that is adapted, in the sizes that PEFT goes by.

    Attributes:
        name: its full name.
        module: itself.
        inputs, outputs: of a linear layer; of an embedding its rows and width; of a convolution
            all channels.
        kernel: of a convolution, else ().
    """

    name: str
    module: Module
    inputs: int
    outputs: int
    kernel: tuple[int, ...] = ()

    @property
    def kind(self) -> str:
        """The module's kind."""
        return self.module.kind

    @property
    def groups(self) -> int:
        """Of a convolution."""
        return self.module.groups

    @property
    def bias(self) -> bool:
        """Whether it has one."""
        return "bias" in self.module.parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One tensor.

    Attributes:
        name: after the module's name in a file; of a shared tensor its full name there.
        shape: its shape.
        trained: whether its elements are trained.
        saved: whether it is written.
        parameter: whether it is a parameter, and no buffer.
        dtype: :data:`CAST`, :data:`BASE`, or the safetensors name of one of its own.
        key: parts of several modules with one key are one tensor, written under each name.
    """

    name: str
    shape: tuple[int, ...]
    trained: bool = True
    saved: bool = True
    parameter: bool = True
    dtype: str = CAST
    key: object = None

    @property
    def elements(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """The field that sets how large an adapter is.

    Attributes:
        name: the field.
        divisors: only divisors of all sizes are possible; else any whole number from ``least`` on.
        least: the smallest.
        falling: the larger it is, the smaller is the adapter.
        step: only its multiples are possible.
        scan: what is trained neither rises nor falls with it.
        off: a field that is set to 0 where this one is set.
    """

    name: str
    divisors: bool = False
    least: int = 1
    falling: bool = False
    step: int = 1
    scan: bool = False
    off: str = ""


_Reader = Callable[[str, Any], Any]


def _nothing(_config: Config, _sites: Sequence[Site]) -> Iterable[Part]:
    return ()


def _fine(_config: Config) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A method.

    Attributes:
        kinds: kinds of modules that it adapts; PEFT refuses others.
        parts: the tensors of one module; a ``TargetError`` where PEFT refuses it.
        shared: the tensors that all modules share.
        reads: decisive fields beside those that all methods have, each with its reader.
        ignores: fields that change no count.
        check: what the class itself refuses of a config.
        knob: what sets its size; None where nothing does.
        unsupported: of these kinds PEFT adapts some, and they are not counted here.
        any_kind: modules of every kind are adapted.
        idle: fields that the class takes, and that PEFT does nothing with.
        passes: other kinds are passed over, and not refused.
        defaults: values that the class's own defaults need beside them, to be made at all.
    """

    kinds: frozenset[str] = LINEAR
    parts: Callable[[Config, Site], Iterable[Part]]
    shared: Callable[[Config, Sequence[Site]], Iterable[Part]] = _nothing
    reads: Mapping[str, _Reader] = field(default_factory=dict)
    ignores: str = ""
    idle: str = ""
    check: Callable[[Config], None] = _fine
    knob: Knob | None = None
    unsupported: frozenset[str] = frozenset()
    any_kind: bool = False
    passes: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)


def _fail(name: str, value: object, expected: str) -> InputError:
    return InputError(f"found {describe(value)}", where=name, expected=expected)


def integer(least: int = 1, *, none: bool = False) -> _Reader:
    """A reader of a whole number."""

    def read(name: str, value: Any) -> Any:
        if value is None and none:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 10**9:
            raise _fail(name, value, f"a whole number of at least {least}")
        return value

    return read


def number(least: float, most: float) -> _Reader:
    """A reader of a number."""

    def read(name: str, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _fail(name, value, "a number")
        if not least <= value <= most:
            raise _fail(name, value, f"a number from {least} to {most}")
        return value

    return read


def flag(name: str, value: Any) -> bool:
    """A reader of true or false."""
    if not isinstance(value, bool):
        raise _fail(name, value, "true or false")
    return value


def choice(*allowed: object) -> _Reader:
    """A reader of one of a few values."""

    def read(name: str, value: Any) -> Any:
        if not any(type(value) is type(item) and value == item for item in allowed):
            raise _fail(name, value, " or ".join(map(str, allowed)))
        return value

    return read


def pattern(item: _Reader) -> _Reader:
    """A reader of an object of names and values."""

    def read(name: str, value: Any) -> Any:
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise _fail(name, value, "an object by names")
        return {key: item(f"{name}.{key}", entry) for key, entry in value.items()}

    return read
