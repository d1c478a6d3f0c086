"""The methods by ``peft_type``."""

from __future__ import annotations

from collections.abc import Mapping

from hfkv.peft.tuners import copied, factored, shared, sparse, turned
from hfkv.peft.tuners.rule import Rule

__all__ = ["RULES"]

RULES: Mapping[str, Rule] = {
    **factored.RULES,
    **turned.RULES,
    **shared.RULES,
    **sparse.RULES,
    **copied.RULES,
}
