"""``layer_replication``: PEFT builds the list of layers anew from ranges of the old one.

A layer that comes twice shares its weights with the first, and each gets an adapter of its own; one
that is in no range is no longer part of the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from hfkv.errors import TargetError, UnsupportedError
from hfkv.modules.built import Built, Module
from hfkv.reading import printable

__all__ = ["replicate"]

#: More layers than any adapter repeats; a longer list is damage.
_MOST = 10_000


def replicate(built: Built, ranges: Iterable[tuple[int, int]], where: str) -> Built:
    """The model with its layers repeated.

    Raises:
        TargetError: PEFT does not find the layers, or a range goes beyond them.
        UnsupportedError: layers already share weights among themselves.
    """
    path = _layers(built, where)
    inside = re.compile(re.escape(path) + r"\.([0-9]+)(\..+)?")
    layers: dict[int, list[tuple[Module, str]]] = {}
    for module in built.modules:
        found = inside.fullmatch(module.name)
        if found:
            layers.setdefault(int(found[1]), []).append((module, found[2] or ""))
    if any(name.startswith(f"{path}.") for pair in built.tied.items() for name in pair):
        raise UnsupportedError(
            "layer_replication of layers that share weights is not counted", where=where
        )
    order = _order(ranges, len(layers), path, where)
    tied = dict(built.tied)
    made: list[Module] = []
    first: dict[int, int] = {}
    for place, number in enumerate(order):
        kept = first.setdefault(number, place)
        for module, rest in layers[number]:
            made.append(replace(module, name=f"{path}.{place}{rest}"))
            if kept != place:
                for short in module.parameters:
                    tied[f"{path}.{place}{rest}.{short}"] = f"{path}.{kept}{rest}.{short}"
    start = next(n for n, module in enumerate(built.modules) if module.name == path) + 1
    others = [module for module in built.modules if not inside.fullmatch(module.name)]
    return replace(built, modules=(*others[:start], *made, *others[start:]), tied=tied)


def _layers(built: Built, where: str) -> str:
    """The list of layers, looked for as PEFT does."""
    names = {module.name for module in built.modules}
    path = ""
    while f"{path}model" in names:
        path += "model."
    if f"{path}bert" in names:
        path += "bert."
    for found in ("layers", "encoder.layer", "h"):
        name = path + found
        if name in names:
            children = {n[len(name) + 1 :].split(".")[0] for n in names if n.startswith(f"{name}.")}
            if children and all(child.isdigit() for child in children):
                return name
            break
    raise TargetError(
        "PEFT does not find the list of layers that layer_replication repeats",
        where=where,
        expected="layers, encoder.layer or h in the base model",
    )


def _order(ranges: Iterable[tuple[int, int]], count: int, path: str, where: str) -> list[int]:
    found: list[int] = []
    for start, end in ranges:
        if end - start > _MOST or len(found) > _MOST:
            raise UnsupportedError(
                f"layer_replication makes more than {_MOST:,} layers", where=where
            )
        for number in range(start, end):
            if not -count <= number < count:
                raise TargetError(
                    f"layer_replication names layer {number}, and {printable(path)} has {count}",
                    where=where,
                    expected=f"ranges within 0 and {count}",
                )
            found.append(number % count)
    return found
