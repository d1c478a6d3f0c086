"""Prove the plan of a class again, of another release: what still holds is kept as it is.

Learning a plan takes minutes, refuting a wrong one seconds. So the stored one is tried first, with
each key alone, with random configs and with configs for each leaf of its trees. One that is refuted
is made to say nothing of the configs that refuted it; only where nothing would be left of it, and
where there is none, a plan is learned.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from hfkv.generate.plan_builds import plain, without_values
from hfkv.generate.plan_configs import near, space_of
from hfkv.generate.plan_narrow import narrowed
from hfkv.generate.plan_proof import Memory, prove
from hfkv.generate.plans import plan_for, smallest
from hfkv.live.build import transformers

__all__ = ["again", "held"]

#: Random configs that must bear a stored plan out, and how large a pool they are drawn from.
_PROVED, _POOL = 20, 12
#: How often a refuted plan is made to say less.
_NARROWED = 12


def held(
    model_type: str, name: str, content: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, str]:
    """What of a stored plan holds, which is the plan itself where nothing is wrong with it, and
    what was wrong; None where nothing is left."""
    space = space_of(model_type, name).hold_as(content["keys"])
    # Each release is asked by other configs than the one before.
    chance = random.Random(f"again {name} {transformers().__version__}")
    with without_values():
        pool = smallest(space)
        if not pool:
            return None, "its default config alone cannot be built"
        for _ in range(4 * _POOL):
            if len(pool) >= _POOL:
                break
            values = near(space, chance, pool)
            if plain(space, values) is not None:
                pool.append(values)
        left, reason, memory = content, "", Memory()
        for _ in range(_NARROWED):
            proof = prove(space, left, pool, chance, _PROVED, memory, stored=True)
            reason = reason or proof.reason
            if not proof.reason:
                return left, reason
            less = narrowed(space, left, proof.wrong, proof.good) if proof.wrong else None
            if less is None:
                break
            left = less
    return None, reason


def again(
    model_type: str, name: str, stored: Mapping[str, Any] | None, *, changed: bool
) -> tuple[dict[str, Any], str]:
    """The plan of a class, and what became of the stored one.

    Args:
        stored: the plan there is, or the reason why there is none; None where it was not tried.
        changed: whether the class's module table is another one than that plan was made with. Why
            it has no plan is asked anew only then: it takes the longest to find out.
    """
    if stored is not None and "refused" in stored and not changed:
        return dict(stored), "no plan, as before"
    if stored is None or "refused" in stored:
        return plan_for(model_type, name), "learned"
    left, why = held(model_type, name, stored)
    if not why:
        return dict(stored), "holds"
    if left is not None:
        return dict(left), f"says less: {why}"
    return plan_for(model_type, name), f"learned anew: {why}"
