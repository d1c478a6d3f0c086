"""How the caches of an older line of transformers differ from those of the newest release.

A rule takes the plan that a row makes and gives the one that holds there; it knows kinds of layers,
no types. Which type follows which rule is data, found and proved by :mod:`hfkv.generate.line`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hfkv.cache.kinds import Full, Kind, Latent, State, Together
from hfkv.cache.plan import Plan
from hfkv.cache.states import short_convolution
from hfkv.facts.config import Config
from hfkv.release_lines import cache_rule

__all__ = ["RULES", "in_line"]


def _expanded(plan: Plan, config: Config) -> Plan:
    """Of MLA every head's key and value, made from the latent before they are kept."""

    def expand(kind: Kind) -> Kind:
        if not isinstance(kind, Latent):
            return kind
        keys = config.int("qk_nope_head_dim") + config.int("qk_rope_head_dim")
        return Full(
            heads=config.int("num_attention_heads"),
            k_dim=keys,
            v_dim=config.int("v_head_dim"),
            rows=kind.rows,
            name="expanded latent",
        )

    return _each(plan, expand)


def _own_dtype(plan: Plan, config: Config) -> Plan:
    """Recurrent states in the model's own dtype, where the newest release pins float32."""

    def unpin(kind: Kind) -> Kind:
        if isinstance(kind, Together):
            return Together(tuple(map(unpin, kind.parts)))
        if not isinstance(kind, State):
            return kind
        return replace(kind, parts=tuple(replace(part, dtype=None) for part in kind.parts))

    return _each(plan, unpin)


def _every_layer(plan: Plan, config: Config) -> Plan:
    """A convolution's window in every layer, in those that only attend as well."""
    window = short_convolution("conv_L_cache")(config)

    def add(kind: Kind) -> Kind:
        return kind if isinstance(kind, State) else Together((kind, window))

    return _each(plan, add)


#: By the names that tables have for them.
RULES: Mapping[str, Callable[[Plan, Config], Plan]] = {
    "": lambda plan, config: plan,
    "expanded heads": _expanded,
    "states in the model's dtype": _own_dtype,
    "convolutions in every layer": _every_layer,
}


def in_line(line: str, plan: Plan, config: Config, file: Mapping[str, Any], *, where: str) -> Plan:
    """The plan as it is in an older line.

    Args:
        plan: that the row made.
        config: that it made it of, outermost.
        file: the same as it was read, by which it is told whether it was proved.

    Raises:
        UnsupportedError: the type was not proved there.
        ConfigError: a key that the rule reads is missing or not usable.
    """
    rule = cache_rule(line, file, config.model_type, where=where)
    return RULES[rule](plan, config.text())


def _each(plan: Plan, change: Callable[[Kind], Kind]) -> Plan:
    """The plan with each kind changed; layers that shared one share the new one."""
    made = {id(kind): change(kind) for kind in plan.kinds}
    return replace(plan, kinds=[made[id(kind)] for kind in plan.kinds])
