"""What the steps of an injection hand to one another."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from hfkv.modules.built import Module
from hfkv.peft.lora.options import LoraOptions

__all__ = ["CONVOLUTIONS", "LINEAR", "UNCLEAR", "Adapted", "Work"]

#: Kinds of modules as PEFT's dispatch sees them.
LINEAR = ("linear", "Conv1D")
CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")

#: Kinds of modules without a module table, where what is known leaves two open.
UNCLEAR = {
    "router": "a linear layer or a plain parameter",
    "vocabulary": "a linear layer or an embedding",
    "head": "a linear layer or of a class of its own",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """One low-rank adapter.

    Attributes:
        name: full name of the module or parameter.
        inputs, outputs: of the layer; of a convolution, inputs times the kernel's elements.
        experts: how many such layers one parameter holds.
        rank: LoRA's rank there.
        parameters: trained, in all.
        frozen: parameters of the adapter that are saved with it and not trained.
        buffers: elements saved with it that are no parameters.
    """

    name: str
    inputs: int
    outputs: int
    experts: int = 1
    rank: int
    parameters: int
    frozen: int = 0
    buffers: int = 0


@dataclass(slots=True)
class Work:
    """The config as PEFT rewrites it on the way.

    ``tied`` are layers whose adapter, and ``copied`` layers whose copy, is the input embedding's.
    """

    options: LoraOptions
    targets: str | Collection[str] | None
    parameters: tuple[str, ...]
    ranks: dict[str, int]
    converted: bool = False
    fan_in_fan_out: bool = False
    modules: dict[str, Module] = field(default_factory=dict)
    where: str = ""
    tied: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
