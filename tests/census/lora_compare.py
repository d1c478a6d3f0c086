"""Compare what hfkv counts with what PEFT made, both as plain values."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hfkv.errors import HfkvError
from hfkv.facts import Facts
from hfkv.model import Model
from hfkv.peft.lora import LoraOptions
from hfkv.tensors import Tensor, TensorTable

#: A group of tensors: name pattern, dtype, shape, and for each index place its values (all
#: combinations exist), or the index tuples themselves.
Group = Sequence[Any]


def facts_of(config: Mapping[str, Any], name: str, tensors: TensorTable) -> Facts:
    """A model known by its config and header alone."""
    named = {**config, "architectures": [name]}
    return Facts(
        model=f"census/{config['model_type']}", source="directory", config=named, tensors=tensors
    )


def pack(tensors: TensorTable) -> list[Group]:
    """A header as a few lines."""
    found: list[Group] = []
    for pattern, dtype, shape, indices in tensors.patterns():
        places = [list(dict.fromkeys(place)) for place in zip(*indices, strict=True)]
        product = list(itertools.product(*places)) == list(indices)
        found.append([pattern, dtype, list(shape), *([places] if product else [None, indices])])
    return found


def unpack(groups: Iterable[Group]) -> TensorTable:
    """The header again."""
    return TensorTable(
        Tensor(name=group[0].format(*index), dtype=group[1], shape=tuple(group[2]))
        for group in groups
        for index in (itertools.product(*group[3]) if group[3] is not None else group[4])
    )


def summary(measured: Mapping[str, Any]) -> dict[str, Any]:
    """What of a live measurement is compared."""
    if "error" in measured:
        return {"error": measured["error"][0]}
    return {key: measured[key] for key in ("trainable", "all", "per_target")}


def counted(facts: Facts, options: Mapping[str, Any]) -> dict[str, Any]:
    """What hfkv says, in the same form; its refusals with their reason."""
    given = {"r": 8, "target_modules": None, **options}
    try:
        figure = Model(facts).lora(LoraOptions.from_options(**given), dtype="bf16")
    except HfkvError as error:
        return {"error": type(error).__name__, "reason": str(error)}
    return {
        "trainable": figure.trainable_parameters,
        "all": figure.all_parameters,
        "per_target": {name: count for name, count in figure.per_target.items() if count},
    }


def disagreement(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> str | None:
    """How the two differ, or None."""
    if "error" in theirs:
        return None if "error" in mine else f"PEFT refuses ({theirs['error']}), hfkv counts"
    if "error" in mine:
        return f"hfkv refuses: {mine['reason']}"
    for key in ("trainable", "all"):
        if mine[key] != theirs[key]:
            return f"{key}: hfkv {mine[key]:,}, PEFT {theirs[key]:,}"
    wrong = {
        name: (mine["per_target"].get(name), theirs["per_target"].get(name))
        for name in {*mine["per_target"], *theirs["per_target"]}
        if mine["per_target"].get(name) != theirs["per_target"].get(name)
    }
    return f"per target (hfkv, PEFT): {wrong}" if wrong else None
