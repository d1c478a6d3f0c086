"""What transformers stores for a plan, in the words of a test."""

from __future__ import annotations

from typing import Any

from hfkv.cache.conventions import Layer, Sequences
from hfkv.cache.conventions.transformers import TRANSFORMERS
from hfkv.cache.curve import Curve
from hfkv.cache.plan import Plan

__all__ = ["curve", "layers", "size"]


def layers(plan: Plan, **stored: Any) -> tuple[Layer, ...]:
    """Every layer's tensors; ``stored`` is as :class:`hfkv.cache.conventions.Sequences` has it."""
    return TRANSFORMERS.layers(plan, Sequences(**stored))


def size(plan: Plan, **stored: Any) -> int:
    """Bytes of all layers."""
    return TRANSFORMERS.bytes(plan, Sequences(**stored))


def curve(plan: Plan) -> Curve:
    """Bytes against tokens of one sequence."""
    return Curve(
        at=lambda tokens: size(plan, tokens=tokens),
        bends=TRANSFORMERS.bends(plan),
        period=TRANSFORMERS.period(plan),
    )
