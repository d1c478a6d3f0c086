"""A LoRA adapter in the making: what the steps of an injection hand to one another."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import gcd, lcm

from hfkv.modules.built import Module
from hfkv.peft.lora.options import LoraOptions
from hfkv.peft.matching import rank_of
from hfkv.peft.targets import Targeting

__all__ = ["Adapted", "Draft", "Rank"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """LoRA's rank at one module.

    Attributes:
        value: the rank.
        times: of ``r``; 0 where a pattern sets the rank, whatever ``r`` is.
    """

    value: int
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """One low-rank adapter.

    Attributes:
        name: full name of the module or parameter.
        inputs, outputs: of the layer; of a convolution, inputs times the kernel's elements.
        experts: how many such layers one parameter holds.
        rank: LoRA's rank there.
        parameters: trained, in all.
        slope: trained parameters that one more of ``r`` adds.
        frozen: parameters of the adapter that are saved with it and not trained.
        buffers: elements saved with it that are no parameters.
        uncast: of these, elements that keep the base model's dtype.
    """

    name: str
    inputs: int
    outputs: int
    experts: int = 1
    rank: int
    parameters: int
    slope: int
    frozen: int = 0
    buffers: int = 0
    uncast: int = 0


@dataclass(slots=True, kw_only=True)
class Draft(Targeting):
    """The config as PEFT rewrites it on the way.

    Attributes:
        options: as they were asked for.
        parameters: ``target_parameters``.
        ranks: ``rank_pattern``, and the ranks of what is fused.
        converted: whether expert targets were moved to fused parameters.
        fan_in_fan_out: as there; PEFT sets it right for each layer, and leaves it so.
        modules: the base model's, by name.
        half: whether the base model is held in a dtype that adapters are cast from.
        step: every ``r`` that is possible is a multiple of it.
        most: no greater ``r`` is possible; None where any is.
    """

    options: LoraOptions
    parameters: tuple[str, ...] = ()
    ranks: dict[str, Rank] = field(default_factory=dict)
    converted: bool = False
    fan_in_fan_out: bool = False
    modules: dict[str, Module] = field(default_factory=dict)
    half: bool = False
    step: int = 1
    most: int | None = None

    @classmethod
    def of(cls, options: LoraOptions, *, where: str, half: bool = False) -> Draft:
        """The draft that an injection begins with."""
        return cls(
            where=where,
            targets=options.target_modules,
            exclude=options.exclude_modules,
            saved=options.modules_to_save,
            layers=options.layers_to_transform,
            layers_pattern=options.layers_pattern,
            tying=options.ensure_weight_tying,
            task=options.task_type,
            options=options,
            half=half,
            parameters=options.target_parameters or (),
            ranks={name: Rank(value=rank, times=0) for name, rank in options.rank_pattern},
            fan_in_fan_out=options.fan_in_fan_out,
        )

    def rank(self, name: str) -> Rank:
        """The rank of a module or parameter."""
        return rank_of(self.ranks, name, Rank(value=self.options.r, times=1))

    def restrict(self, rank: Rank, *, step: int = 1, most: int | None = None) -> None:
        """Note that a rank must be a multiple of ``step``, and no more than ``most``."""
        if rank.times:
            self.step = lcm(self.step, step // gcd(step, rank.times))
            if most is not None:
                most //= rank.times
                self.most = most if self.most is None else min(self.most, most)
