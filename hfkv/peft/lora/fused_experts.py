"""Targets that PEFT moves to fused experts (``peft/utils/transformers_weight_conversion.py``).

In these types the expert projections and the router are no linear layers any more in transformers
5. PEFT then adapts the fused parameters instead, the joined gate and up projection at twice the
rank, and a name that moves is taken from every other module of that name as well.
"""

from __future__ import annotations

import re

from hfkv.errors import TargetError
from hfkv.modules.built import Built, leaf
from hfkv.modules.table import experts_moved, peft_facts
from hfkv.peft.lora.draft import Draft, Rank
from hfkv.peft.matching import compiled

__all__ = ["convert"]


def convert(built: Built, draft: Draft) -> None:
    """Move the targets to the fused parameters, joined ones at the ranks of all that is in them.

    Raises:
        TargetError: only some of what is fused into one parameter is targeted.
    """
    facts, base = peft_facts(), experts_moved(built)
    if base is None:
        return
    moved: dict[str, str] = facts["expert_targets"][base]
    fused: dict[str, list[str]] = facts["expert_fused"][base]
    targets = draft.targets
    if isinstance(targets, str):
        names = _names(built, draft, targets, moved)
        if not names:
            return
    else:
        names = set(targets or ())
    kept = set()
    wanted = set(draft.parameters)
    present: dict[str, set[str]] = {}
    for name in names:
        old = next((key for key in moved if name == key or name.endswith(f".{key}")), None)
        if old is None:
            kept.add(name)
            continue
        wanted.add(moved[old])
        present.setdefault(moved[old], set()).add(old)
    for new, needed in fused.items():
        found = present.get(new, set())
        if 0 < len(found) < len(needed):
            raise TargetError(
                f"PEFT cannot target {', '.join(sorted(found))} without "
                f"{', '.join(sorted(set(needed) - found))}: they are fused into {new}",
                where=draft.where,
            )
        if len(found) == len(needed) > 1:
            times = len(needed)
            draft.ranks[rf".*\.{re.escape(new)}"] = Rank(value=draft.options.r * times, times=times)
    draft.targets, draft.parameters = tuple(sorted(kept)), tuple(sorted(wanted))
    draft.converted = True


def _names(built: Built, draft: Draft, targets: str, moved: dict[str, str]) -> set[str]:
    """The leaf names that a string resolves to: it loses what else it said of places."""
    if targets.lower() == "all-linear":
        return {
            leaf(module.name)
            for module in built.modules
            if module.kind in ("linear", "Conv1D") and module.name != built.output
        } | set(moved)
    expression = compiled(targets)

    def chosen(name: str) -> bool:
        return expression.fullmatch(name) is not None and not draft.excludes(name)

    # Tied parameters bear the name of the first only.
    parameters = [name for name in built.shapes() if name not in built.tied]
    found = {leaf(module.name) for module in built.modules if chosen(module.name)}
    found |= {leaf(name) for name in parameters if chosen(name)}
    for old, new in moved.items():
        if old not in found and any(
            leaf(name) == new and chosen(f"{name.rpartition('.')[0]}.{old}") for name in parameters
        ):
            found.add(old)
    return found
