"""``layer_replication``: the model with some of its layers several times over, weights shared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from hfkv.errors import TargetError, UnsupportedError
from hfkv.lora.built import Built, Module
from hfkv.reading import printable

__all__ = ["replicate"]

#: Where PEFT looks for the layers, below what it takes for the inner model.
_PLACES = ("layers", "encoder.layer", "h")


def replicate(built: Built, ranges: Sequence[tuple[int, int]], *, where: str) -> Built:
    """The model that PEFT makes before it adapts it.

    Args:
        built: the model as transformers builds it.
        ranges: the layers by first and one past the last, in the new order.
        where: for messages.

    Raises:
        TargetError: PEFT does not find the layers, or they are not there.
        UnsupportedError: layers share weights among themselves already.
    """
    names = {module.name for module in built.modules}
    inner = ""
    while _join(inner, "model") in names:
        inner = _join(inner, "model")
    if _join(inner, "bert") in names:
        inner = _join(inner, "bert")
    place = next((_join(inner, name) for name in _PLACES if _join(inner, name) in names), None)
    layers = {} if place is None else _layers(built, place)
    if place is None or not layers:
        raise TargetError(
            "PEFT does not find the layers that layer_replication repeats",
            where=where,
            expected="a model built as Llama, Bert or Falcon are",
        )
    start = f"{place}."
    if any(name.startswith(start) for pair in built.tied.items() for name in pair):
        raise UnsupportedError(
            "layer_replication of layers that share weights is not counted", where=where
        )
    # As Python counts in lists: the last layer is number -1 as well.
    order = [
        number + (len(layers) if number < 0 else 0)
        for first, end in ranges
        for number in range(first, end)
    ]
    lost = next((number for number in order if number not in layers), None)
    if lost is not None:
        raise TargetError(
            f"layer_replication names layer {lost}, and {printable(place)} has {len(layers)}",
            where=where,
        )
    made: list[Module] = []
    tied = dict(built.tied)
    seen: dict[int, int] = {}
    for new, old in enumerate(order):
        first = seen.setdefault(old, new)
        for module in layers[old]:
            rest = module.name[len(f"{start}{old}") :]
            made.append(replace(module, name=f"{start}{new}{rest}"))
            if first != new:
                for short in module.parameters:
                    tied[f"{start}{new}{rest}.{short}"] = f"{start}{first}{rest}.{short}"
    kept: list[Module] = []
    for module in built.modules:
        if not module.name.startswith(start):
            kept.append(module)
        if module.name == place:
            kept += made
    return replace(built, modules=tuple(kept), tied=tied)


def _layers(built: Built, place: str) -> dict[int, list[Module]]:
    """The modules of each layer; nothing where the place is no list of layers."""
    found: dict[int, list[Module]] = {}
    for module in built.modules:
        inside = re.match(rf"{re.escape(place)}\.([^.]+)", module.name)
        if inside is not None:
            if not inside[1].isdigit():
                return {}
            found.setdefault(int(inside[1]), []).append(module)
    return found


def _join(outer: str, name: str) -> str:
    return f"{outer}.{name}" if outer else name
