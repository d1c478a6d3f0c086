"""What a rank means in a mixture of experts."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hfkv.facts.config import Config
from hfkv.json_value import attributes
from hfkv.modules.built import target_name
from hfkv.modules.table import own_config
from hfkv.peft.base import Base
from hfkv.peft.lora.adapter import Lora

__all__ = ["Experts", "experts_of"]

#: The names that configs have for the experts that work on one token.
_ACTIVE = tuple(
    """num_experts_per_tok num_experts_per_token experts_per_token moe_topk moe_k
    top_k_experts num_selected_experts""".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """The experts of a model under one adapter.

    Attributes:
        experts: in each layer that has some.
        active: of them at work on one token; None where the config does not say.
        ranks: of each fused parameter, how many times ``r`` its adapter has.
        share: of the adapter's parameters, those of experts.
    """

    experts: int
    active: int | None
    ranks: dict[str, Fraction]
    share: Fraction

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a reader must be told."""
        if not self.ranks:
            return (
                f"mixture: none of the {self.experts:,} experts of a layer is adapted by these "
                "targets, so the rank is that of the other layers",
            )
        held = ", ".join(
            f"{name} r" if times == 1 else f"{name} {float(times):g}r"
            for name, times in self.ranks.items()
        )
        found = [
            f"mixture: each of the {self.experts:,} experts of a layer gets an adapter of its own "
            f"({held}), {float(self.share):.1%} of all its parameters"
            + (
                "; PEFT doubles r on what is fused of two projections"
                if any(times == 2 for times in self.ranks.values())
                else ""
            )
        ]
        if self.active is not None:
            found.append(
                f"{self.active:,} experts work on a token: LoRA Without Regret gives each the rank "
                f"over that number, r/{self.active:,}, so that LoRA's share of a layer is the same "
                "in experts as elsewhere; PEFT gives each the rank as it is"
            )
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        value = attributes(self, "experts active share")
        return value | {"ranks": {name: float(times) for name, times in self.ranks.items()}}


def experts_of(base: Base, adapter: Lora) -> Experts | None:
    """The fused experts of a model; None where it has none."""
    adapted = [item for item in adapter.injection.adapted if item.experts > 1]
    held = [
        shape[0]
        for module in base.built.modules
        for shape in module.parameters.values()
        if len(shape) == 3 and module.name.endswith(".experts")
    ]
    if not held and not adapted:
        return None
    return Experts(
        experts=max([*held, *(item.experts for item in adapted)]),
        active=_active(base.config),
        ranks={target_name(item.name): Fraction(item.rank, adapter.r) for item in adapted},
        share=Fraction(sum(item.parameters for item in adapted), adapter.parameters or 1),
    )


def _active(config: Config) -> int | None:
    own = own_config(config)
    for place in (own, own.text()):
        for key in _ACTIVE:
            value = place.get(key)
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
    return None
