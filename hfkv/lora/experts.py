"""Targets that PEFT moves to fused experts (``peft/utils/transformers_weight_conversion.py``).

In these types the expert projections and the router are no linear layers any more in transformers
5. PEFT then adapts the fused parameters instead, the joined gate and up projection at twice the
rank, and a name that moves is taken from every other module of that name as well.
"""

from __future__ import annotations

from collections.abc import Iterable

from hfkv.errors import TargetError, UnsupportedError
from hfkv.facts.config import Config
from hfkv.lora.matching import leaf
from hfkv.lora.modules import Expert, Modules
from hfkv.lora.table import peft_facts

__all__ = ["expert_targets"]


def expert_targets(
    config: Config, modules: Modules, wanted: str | Iterable[str]
) -> tuple[str | tuple[str, ...], list[tuple[Expert, int]]]:
    """What is left to match by name; the adapted parameters, each with the factor of its rank."""
    facts = peft_facts()
    base = facts["expert_conversions"].get(config.model_type)
    if base is None:
        return (wanted if isinstance(wanted, str) else tuple(wanted)), []
    moved: dict[str, str] = facts["expert_targets"][base]
    fused: dict[str, list[str]] = facts["expert_fused"][base]
    if wanted == "all-linear":
        names = {leaf(item.name) for item in modules.linear} | set(moved)
    elif isinstance(wanted, str):
        raise UnsupportedError(
            "a regular expression is resolved by PEFT to names in this type, which is not counted",
            where=config.where,
            hint="give a list of names or all-linear",
        )
    else:
        names = set(wanted)
    parameters: set[str] = set()
    rest: set[str] = set()
    present: dict[str, set[str]] = {}
    for name in names:
        old = next((key for key in moved if name == key or name.endswith(f".{key}")), None)
        if old is None:
            rest.add(name)
            continue
        parameters.add(moved[old])
        present.setdefault(moved[old], set()).add(old)
    for new, needed in fused.items():
        found = present.get(new, set())
        if 0 < len(found) < len(needed):
            raise TargetError(
                f"PEFT cannot target {', '.join(sorted(found))} without "
                f"{', '.join(sorted(set(needed) - found))}: they are fused into {new}",
                where=config.where,
            )
    adapted = [
        (expert, len(fused[name]) if (name := leaf(expert.name)) in fused else 1)
        for expert in modules.experts
        if any(expert.name.endswith(f".{target}") for target in parameters)
    ]
    if parameters and not adapted:
        raise TargetError(
            f"PEFT finds no parameter named {', '.join(sorted(parameters))} in this model",
            where=config.where,
        )
    return tuple(sorted(rest)), adapted
