"""What the registry keeps of one architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hfkv.cache.plans import PlanFunction

__all__ = ["Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One architecture.

    Attributes:
        plan: config to plan.
        basis: ``exact`` where the pinned transformers has the class, else ``documented``.
        source: where the rule stands; "" for the class itself.
        kinds: words for its layers, where there is no default config to read them from.
    """

    plan: PlanFunction
    basis: Literal["exact", "documented"] = "exact"
    source: str = ""
    kinds: tuple[str, ...] = ()
