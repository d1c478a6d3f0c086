"""The figure: the adapter that PEFT would make, in parameters and bytes, per target module."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from hfkv.dtypes import ALIASES, canonical, nbytes, torch_name
from hfkv.errors import TargetError, UnsupportedError
from hfkv.facts import Facts
from hfkv.facts.config import Config
from hfkv.lora.experts import expert_targets
from hfkv.lora.matching import leaf, matches
from hfkv.lora.modules import Modules, modules_of
from hfkv.lora.options import LoraOptions
from hfkv.lora.table import peft_facts
from hfkv.reading import printable

__all__ = ["Lora", "Target", "lora"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Modules of one name and size that are adapted alike.

    Attributes:
        name: the leaf name; fused experts as ``experts.gate_up_proj``.
        modules: how many.
        shape: ``in x out`` of one, with the number of experts before it.
        rank: LoRA's rank there.
        parameters: of all of them together.
    """

    name: str
    modules: int
    shape: str
    rank: int
    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """An adapter.

    Attributes:
        model: the base model's id or path.
        r: the rank that was asked for.
        target_modules: what was asked for; None is PEFT's default mapping.
        parameters: trained parameters.
        bytes: of them, in ``dtype``.
        dtype: element type (torch's name).
        modules: adapted modules and parameters.
        targets: per leaf name and size.
        per_layer: (layer, modules, parameters).
        all_parameters: of the base model in memory and the adapter together.
        basis: ``exact``.
        notes: what a reader must be told, one sentence each.
    """

    model: str
    r: int
    target_modules: str | tuple[str, ...] | None
    parameters: int
    bytes: int
    dtype: str
    modules: int
    targets: tuple[Target, ...]
    per_layer: tuple[tuple[str, int, int], ...] = field(default=(), repr=False)
    all_parameters: int
    basis: str = "exact"
    notes: tuple[str, ...] = ()

    @property
    def per_target(self) -> dict[str, int]:
        """Parameters by leaf name."""
        found: dict[str, int] = {}
        for target in self.targets:
            found[target.name] = found.get(target.name, 0) + target.parameters
        return found

    @property
    def trainable_parameters(self) -> int:
        """The first number of ``print_trainable_parameters()``."""
        return self.parameters

    @property
    def trainable_percent(self) -> float:
        """The third number of ``print_trainable_parameters()``."""
        return float(Fraction(100 * self.parameters, self.all_parameters))

    def snippet(self) -> str:
        """Python that makes exactly this adapter."""
        if isinstance(self.target_modules, tuple):
            targets = f", target_modules={list(self.target_modules)!r}"
        elif self.target_modules is None:
            targets = ""
        else:
            targets = f", target_modules={self.target_modules!r}"
        return f'LoraConfig(task_type="CAUSAL_LM", r={self.r}{targets})'

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        asked = self.target_modules
        return {
            "model": self.model,
            "r": self.r,
            "target_modules": list(asked) if isinstance(asked, tuple) else asked,
            "parameters": self.parameters,
            "bytes": self.bytes,
            "dtype": self.dtype,
            "per_target": self.per_target,
            "modules": self.modules,
            "trainable_percent": self.trainable_percent,
            "all_parameters": self.all_parameters,
            "basis": self.basis,
            "notes": list(self.notes),
        }


def lora(facts: Facts, options: LoraOptions, *, dtype: str = "auto") -> Lora:
    """The adapter that PEFT would make on this model.

    Raises:
        TargetError: a target matches nothing, or PEFT itself refuses it.
        UnsupportedError: the layers cannot be counted honestly.
    """
    if facts.config is None:
        raise UnsupportedError(
            facts.missing.get("config.json", "there is no config.json"), where=facts.model
        )
    config = Config(facts.config, where=facts.model)
    element = _element(facts, config, dtype)
    modules = modules_of(facts, config)
    asked = options.target_modules
    wanted: str | Iterable[str]
    if asked is None:
        wanted = _default(config)
    elif asked == "all-linear":
        wanted = "all-linear"
    else:
        wanted = asked
    adapted = _adapted(config, modules, wanted, options.r, facts.model)
    parameters = sum(item[4] for item in adapted)
    return Lora(
        model=facts.model,
        r=options.r,
        target_modules=asked,
        parameters=parameters,
        bytes=nbytes(parameters, element),
        dtype=torch_name(element),
        modules=len(adapted),
        targets=_targets(adapted),
        per_layer=_per_layer(adapted),
        all_parameters=modules.parameters + parameters,
        notes=_notes(element, parameters),
    )


#: One adapted thing: full name, name in tables, shape, rank, parameters.
_Adapted = tuple[str, str, str, int, int]


def _adapted(
    config: Config, modules: Modules, wanted: str | Iterable[str], r: int, where: str
) -> list[_Adapted]:
    names, experts = expert_targets(config, modules, wanted)
    found: list[_Adapted] = []
    if names == "all-linear":
        chosen = list(modules.linear)
    else:
        chosen = [item for item in modules.linear if matches(names, item.name)]
        _refuse_others(modules, names, where)
    for item in chosen:
        size = f"{item.inputs} x {item.outputs}"
        count = r * (item.inputs + item.outputs)
        found.append((item.name, leaf(item.name), size, r, count))
    for expert, factor in experts:
        rank = factor * r
        short = ".".join(expert.name.split(".")[-2:])
        # A router's own parameter is its module's weight: the module is what people know.
        if short.endswith(".weight"):
            short = short.removesuffix(".weight")
        times = f"{expert.experts} x " if expert.experts > 1 else ""
        count = expert.experts * rank * (expert.rows + expert.columns)
        size = f"{times}{expert.columns} x {expert.rows}"
        found.append((expert.name, short, size, rank, count))
    if not found:
        have = sorted({leaf(item.name) for item in modules.linear})
        asked = [] if isinstance(names, str) else sorted(names)
        near = [match for name in asked for match in difflib.get_close_matches(name, have, n=2)]
        raise TargetError(
            f"target_modules {printable(str(wanted), 120)} match nothing",
            where=where,
            expected="names among " + ", ".join(have),
            hint="did you mean " + " or ".join(near) + "?" if near else "",
        )
    return found


def _refuse_others(modules: Modules, names: str | Iterable[str], where: str) -> None:
    """PEFT adapts embeddings, convolutions and the head as well when named: not counted here."""
    known = {item.name for item in modules.linear}
    other = sorted(name for name in modules.names if name not in known and matches(names, name))
    if other:
        raise UnsupportedError(
            f"the targets match {printable(other[0])}, which is no linear layer inside the model",
            where=where,
            expected="targets that are linear layers and not the output embedding",
        )


def _default(config: Config) -> str | list[str]:
    mapping = peft_facts()["default_targets"]
    model_type = config.model_type
    if model_type in peft_facts()["expert_conversions"]:
        # PEFT converts the targets of these types before it has filled in its default ones, and
        # then finds none at all.
        raise TargetError(
            f"PEFT raises an error for model_type '{printable(model_type)}' without target_modules",
            where=config.where,
            hint="name them, or use all-linear",
        )
    if model_type not in mapping:
        raise TargetError(
            f"PEFT has no default target_modules for model_type '{printable(model_type)}'",
            where=config.where,
            hint="name them, or use all-linear",
        )
    found: str | list[str] = mapping[model_type]
    return found


def _element(facts: Facts, config: Config, asked: str) -> str:
    if asked != "auto":
        return canonical(asked, where="--lora-dtype")
    for part in (config, config.text()):
        for key in ("dtype", "torch_dtype"):
            value = part.raw.get(key)
            name = value.removeprefix("torch.").lower() if isinstance(value, str) else ""
            if name in ALIASES:
                return ALIASES[name]
    if facts.tensors is not None:
        for dtype in facts.tensors.dtypes:
            if dtype in ("BF16", "F16", "F32"):
                return dtype
    raise UnsupportedError(
        "neither config.json nor the header says the model's dtype",
        where=facts.model,
        hint="give one, such as --lora-dtype bf16",
    )


def _targets(adapted: list[_Adapted]) -> tuple[Target, ...]:
    groups: dict[tuple[str, str, int], list[int]] = {}
    for _, name, shape, rank, count in adapted:
        groups.setdefault((name, shape, rank), []).append(count)
    return tuple(
        Target(name=name, modules=len(counts), shape=shape, rank=rank, parameters=sum(counts))
        for (name, shape, rank), counts in groups.items()
    )


def _per_layer(adapted: list[_Adapted]) -> tuple[tuple[str, int, int], ...]:
    layers: dict[str, list[int]] = {}
    for name, _, _, _, count in adapted:
        parts = name.split(".")
        places = [number for number, part in enumerate(parts) if part.isdigit()]
        layer = ".".join(parts[: places[0] + 1]) if places else "(outside layers)"
        layers.setdefault(layer, []).append(count)
    return tuple((layer, len(counts), sum(counts)) for layer, counts in layers.items())


def _notes(element: str, parameters: int) -> tuple[str, ...]:
    if element not in ("BF16", "F16"):
        return ()
    return (
        (
            "while training, PEFT by default holds the adapter in float32 "
            f"(autocast_adapter_dtype): {parameters * 4:,} bytes"
        ),
    )
