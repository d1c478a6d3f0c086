"""The tensors of an adapter, one by one: their shapes, what of them is trained, what is written.

What an optimizer keeps, how a strategy cuts and what a file holds depend on each tensor. The list
is held against the adapter's own count: where the two differ (variants whose tensors are not
listed here), it is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hfkv.errors import UnsupportedError
from hfkv.modules.built import CONVOLUTIONS, Built, Module
from hfkv.peft.lora.adapter import Lora
from hfkv.peft.lora.draft import Adapted
from hfkv.peft.lora.options import LoraOptions
from hfkv.peft.lora.variants import requested
from hfkv.reading import printable

__all__ = ["AdapterTensor", "tensors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterTensor:
    """One tensor.

    Attributes:
        name: in the adapter's file; of a parameter of the base model, its own full name.
        shape: of it.
        kind: ``low-rank``; ``rows``, trained token rows; ``copy``, of a module that is trained
            whole; ``bias``, one of the base model's own that is trained.
        trained: whether it is.
    """

    name: str
    shape: tuple[int, ...]
    kind: Literal["low-rank", "rows", "copy", "bias"]
    trained: bool = True

    @property
    def elements(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)


def tensors(built: Built, figure: Lora) -> tuple[AdapterTensor, ...]:
    """The tensors of an adapter, the low-rank ones in the model's order first.

    Args:
        built: the modules of the base model.
        figure: the adapter that was counted on it.

    Raises:
        UnsupportedError: they are not all known.
    """
    modules = {module.name: module for module in built.modules}
    injection, options = figure.injection, figure.options
    found: list[AdapterTensor] = []
    for item in injection.adapted:
        made = list(_low_rank(item, modules.get(item.name), options))
        if item.frozen and made[0].name.endswith("lora_embedding_A"):
            # Its cast to float32 puts a new parameter in B's place, which is trained again.
            raise UnsupportedError(
                "whether PEFT trains B of MiCA on an embedding depends on the model's dtype",
                where=figure.model,
                hint="leave the embedding out of the targets",
            )
        trained = sum(tensor.elements for tensor in made if tensor.trained)
        frozen = sum(tensor.elements for tensor in made if not tensor.trained)
        if (trained, frozen) != (item.parameters, item.frozen):
            raise _unknown(figure, item.name)
        found += made
    shapes = built.shapes()
    rows = options.trainable_token_indices is not None
    for name, count in injection.saved.items():
        if not count:
            continue
        weight = modules[name].parameters.get("weight") if name in modules else None
        if rows and weight is not None and count != math.prod(weight) and not count % weight[1]:
            delta = f"{name}.token_adapter.trainable_tokens_delta"
            found.append(
                AdapterTensor(name=delta, shape=(count // weight[1], weight[1]), kind="rows")
            )
            continue
        copies = [
            AdapterTensor(name=full, shape=shape, kind="copy")
            for full, shape in shapes.items()
            if full.startswith(f"{name}.")
        ]
        if sum(tensor.elements for tensor in copies) != count:
            raise _unknown(figure, name)
        found += copies
    found += [
        AdapterTensor(name=name, shape=(count,), kind="bias")
        for name, count in injection.biases.items()
    ]
    if sum(tensor.elements for tensor in found if tensor.trained) != figure.parameters:
        raise _unknown(figure, "the adapter")
    return tuple(found)


def _unknown(figure: Lora, what: str) -> UnsupportedError:
    return UnsupportedError(
        f"the single tensors of {printable(what)} are not known for this config",
        where=figure.model,
        hint="its parameters are counted by hfkv lora without --train",
    )


def _low_rank(
    item: Adapted, module: Module | None, options: LoraOptions
) -> Iterator[AdapterTensor]:
    """The tensors of one low-rank adapter, as PEFT's layers make them."""
    kind = module.kind if module is not None else "parameter"
    variants = requested(options)
    rank, inputs, outputs = item.rank, item.inputs, item.outputs
    name = item.name if module is not None else item.name.rpartition(".")[0]
    first: tuple[int, ...] = (rank * item.experts, inputs)
    second: tuple[int, ...] = (outputs, rank * item.experts)
    magnitude: tuple[int, ...] = (outputs,)
    if kind in CONVOLUTIONS and module is not None:
        weight = module.parameters["weight"]
        ones = (1,) * (len(weight) - 2)
        first = (rank, weight[1] * module.groups, *weight[2:])
        second = (outputs, rank // module.groups, *ones)
        magnitude = (1, outputs, *ones)
    frozen = "mica" in variants

    def part(short: str, shape: tuple[int, ...], trained: bool = True) -> AdapterTensor:
        return AdapterTensor(name=f"{name}.{short}", shape=shape, kind="low-rank", trained=trained)

    if kind == "embedding":
        yield part("lora_embedding_A", first)
        yield part("lora_embedding_B", second, not frozen)
    else:
        yield part("lora_A.weight", first)
        yield part("lora_B.weight", second, not frozen)
    if options.lora_bias:
        yield part("lora_B.bias", (outputs,), not frozen)
    if "use_dora" in variants:
        yield part("lora_magnitude_vector", magnitude)
    if "kasa_config" in variants:
        yield part("lora_diag", (rank,))
