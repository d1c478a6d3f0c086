"""What is asked of a method: the fields of its config class, with the class's own defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from hfkv.data import read_json
from hfkv.errors import InputError, TargetError, UnsupportedError
from hfkv.peft.lora.fields import READERS, read_targets
from hfkv.peft.tuners.rule import Rule
from hfkv.peft.tuners.rules import RULES
from hfkv.reading import describe, printable

__all__ = ["COMMON", "IRRELEVANT", "TunerOptions", "facts"]

#: Fields that decide which modules are adapted, and what is trained beside them: those of all
#: methods that have them.
COMMON = tuple(
    "target_modules exclude_modules modules_to_save layers_to_transform layers_pattern task_type "
    "bias".split()
)
#: Fields of all methods that change no count.
IRRELEVANT = frozenset(
    """auto_mapping base_model_name_or_path fan_in_fan_out inference_mode peft_type peft_version
    revision""".split()
)
#: Methods whose class takes ``layers_to_transform`` also beside an expression.
_EXPRESSIONS_TOO = frozenset(
    "BOFT FROD LILY LOHA LOKR OFT PVERA RANDLORA TINYLORA VBLORA VERA".split()
)
#: Methods whose class takes ``layers_pattern`` also alone.
_PATTERN_ALONE = frozenset("C3A GRALORA HIRA MISS RANDLORA UNILORA".split())


@lru_cache(maxsize=1)
def facts() -> Mapping[str, Any]:
    """PEFT's config classes and default targets, as generated."""
    found: Mapping[str, Any] = read_json("peft_methods.json")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TunerOptions:
    """An adapter's configuration, by the names that PEFT has for it.

    Attributes:
        method: its ``peft_type``.
        target_modules: ``"all-linear"``, a regular expression, names, or None for PEFT's default.
        exclude_modules, modules_to_save, layers_to_transform, layers_pattern, task_type: as in
            PEFT, where the method has them.
        bias: ``none``, ``all``, or that of the adapted modules alone.
        feedforward_modules: of IA3; None is by the model type.
        values: the method's own decisive fields, the class's defaults included.
        idle: fields that were given and that PEFT does nothing with.
    """

    method: str
    target_modules: str | tuple[str, ...] | None = None
    exclude_modules: str | tuple[str, ...] | None = None
    modules_to_save: tuple[str, ...] | None = None
    layers_to_transform: int | tuple[int, ...] | None = None
    layers_pattern: str | tuple[str, ...] | None = None
    task_type: str | None = None
    bias: str = "none"
    feedforward_modules: str | tuple[str, ...] | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    idle: tuple[str, ...] = ()

    @property
    def target_parameters(self) -> None:
        """Plain parameters are LoRA's alone."""

    @property
    def patterns(self) -> dict[str, tuple[str, ...]]:
        """Patterns for adapted modules, by field."""
        return {
            name: tuple(value) for name, value in self.values.items() if name.endswith("_pattern")
        }

    @property
    def rule(self) -> Rule:
        """What the method is."""
        return RULES[self.method]

    @property
    def config_class(self) -> str:
        """The name of PEFT's config class."""
        return str(facts()["methods"][self.method]["class"])

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TunerOptions:
        """From an ``adapter_config.json`` mapping.

        Raises:
            InputError: a field is not usable.
            TargetError: PEFT itself refuses the combination.
            UnsupportedError: another method, or a field that is not counted.
        """
        method = config.get("peft_type")
        method = getattr(method, "value", method)
        if not isinstance(method, str) or method not in RULES:
            raise UnsupportedError(
                f"peft_type is {describe(method)}, whose parameters are not counted",
                where="adapter_config.json: peft_type",
                expected="one of " + ", ".join(RULES),
            )
        about, rule = facts()["methods"][method], RULES[method]
        defaults: Mapping[str, Any] = about["fields"]
        ignored = IRRELEVANT | set(rule.ignores.split())
        known: dict[str, Any] = {}
        values = {name: defaults[name] for name in rule.reads}
        for name, value in config.items():
            if name in ignored:
                continue
            value = getattr(value, "value", value)
            if name in rule.reads and name in defaults:
                values[name] = _read(about["class"], rule.reads[name], name, value)
            elif name in defaults and (name in COMMON or name == "feedforward_modules"):
                known[name] = _common(about["class"], name, value)
            elif not _off(value):
                raise UnsupportedError(
                    f"'{printable(str(name), 60)}' is not counted for {method}",
                    where=f"adapter_config.json: {printable(str(name), 60)}",
                )
        values = {
            name: _read(about["class"], rule.reads[name], name, values[name]) for name in values
        }
        idle = tuple(name for name in rule.idle.split() if not _off(config.get(name)))
        options = cls(method=method, values=values, idle=idle, **known)
        try:
            _check(options)
            rule.check(values)
        except TargetError as error:
            raise TargetError(f"PEFT refuses: {error.what}", where=about["class"]) from None
        return options

    def snippet(self) -> str:
        """The Python that makes exactly this adapter."""
        parts = []
        for name in (*COMMON, "feedforward_modules"):
            value = getattr(self, name)
            if value is not None and not (name == "bias" and value == "none"):
                parts.append(f"{name}={list(value) if isinstance(value, tuple) else value!r}")
        defaults = facts()["methods"][self.method]["fields"]
        for name, value in self.values.items():
            plain = list(value) if isinstance(value, tuple) else value
            if plain != defaults[name]:
                parts.append(f"{name}={plain!r}")
        if self.task_type is None and "task_type" in defaults:
            parts.append("task_type='CAUSAL_LM'")
        return f"{self.config_class}({', '.join(parts)})"


def _off(value: object) -> bool:
    return value in (None, False, [], {}, "", ())


def _read(where: str, reader: Any, name: str, value: Any) -> Any:
    try:
        return reader(name, value)
    except (InputError, TargetError) as error:
        place = error.where.removeprefix("LoraConfig: ")
        raise type(error)(error.what, where=f"{where}: {place}", expected=error.expected) from None


def _common(where: str, name: str, value: Any) -> Any:
    if name == "target_modules":
        return _read(where, read_targets, name, value)
    if name == "feedforward_modules":
        return _read(where, READERS["exclude_modules"], name, value)
    if name == "bias":
        if isinstance(value, str) and (value in ("none", "all") or value.endswith("_only")):
            return value
        raise InputError(
            f"found {describe(value)}",
            where=f"{where}: bias",
            expected="none, all, or one that ends in _only",
        )
    return _read(where, READERS[name], name, value)


def _check(options: TunerOptions) -> None:
    """The combinations that the classes themselves refuse."""
    names, method = options.target_modules, options.method
    if isinstance(names, str) and method not in _EXPRESSIONS_TOO:
        for name in ("layers_to_transform", "layers_pattern"):
            if getattr(options, name) is not None:
                raise TargetError(f"{name} cannot go with target_modules that is a string")
    alone = options.layers_pattern and options.layers_to_transform is None
    if alone and method not in _PATTERN_ALONE:
        raise TargetError("layers_pattern goes only with layers_to_transform")
    forward = options.feedforward_modules
    if isinstance(forward, tuple) and isinstance(names, tuple) and not set(forward) <= set(names):
        raise TargetError("feedforward_modules must be a subset of target_modules")
