"""Gemma from 2 on: windows between full layers, layers that share, global heads of their own."""

from __future__ import annotations

from collections.abc import Sequence

from hfkv.cache.geometry import grouped, unfilled
from hfkv.cache.kinds import Shared
from hfkv.cache.layer_types import one_full_in, window_if_causal
from hfkv.cache.layered import LayerValues, last_layers_share, layered, stated_per_layer
from hfkv.cache.plan import Plan
from hfkv.cache.row import Row, table
from hfkv.errors import ConfigError
from hfkv.facts.config import Config, Place
from hfkv.reading import describe

__all__ = ["ROWS"]

_STATED = stated_per_layer("head_dim", "num_key_value_heads")


def _halved_for_all(config: Config) -> int | None:
    """Gemma 4's window, halved where attention looks both ways everywhere."""
    window = config.optional_int("sliding_window")
    both = config.get("use_bidirectional_attention")
    if both not in (None, "all", "vision"):
        raise ConfigError(
            f"found {describe(both)}",
            where=config.place("use_bidirectional_attention"),
            expected="'all', 'vision' or null",
        )
    return window if window is None or both != "all" else window // 2 + 1


def _last_is_full(names: Sequence[str]) -> Sequence[str]:
    """The class makes the last layer full, whatever the file says."""
    return [*names[:-1], "full_attention"] if names else names


def _global_heads(config: Config, names: Sequence[str]) -> LayerValues:
    """Full layers have ``global_head_dim`` and ``num_global_key_value_heads`` of their own.

    The class reads these two only where the file has no ``per_layer_config``, and the heads only
    where keys serve as values too.
    """
    if config.states("per_layer_config"):
        return _STATED(config, names)
    own = {"head_dim": Place(config, "global_head_dim")}
    if config.get("num_global_key_value_heads") is not None and _keys_are_values(config):
        own["num_key_value_heads"] = Place(config, "num_global_key_value_heads")
    return {index: own for index, name in enumerate(names) if name == "full_attention"}


def _keys_are_values(config: Config) -> bool:
    """``attention_k_eq_v``; a class that knows no such key takes it as set."""
    return config.bool("attention_k_eq_v", default=not config.declares("attention_k_eq_v"))


_GEMMA_4 = layered(
    unfilled, one_full_in(6), window=_halved_for_all, per_layer=_global_heads, then=_last_is_full
)


def _drafter(config: Config) -> Plan:
    """A drafting model reads the cache of the model it drafts for; all its layers share that."""
    return Plan(
        kinds=[Shared(layer=None)] * config.nested("text_config").layers(),
        notes=(
            "it drafts on the cache of the model that it assists, and keeps none of its own: 0 B",
        ),
    )


ROWS: dict[str, Row] = table(
    ("gemma2", Row(layered(grouped, one_full_in(2)))),
    (
        "gemma3_text",
        Row(layered(grouped, one_full_in("sliding_window_pattern"), window=window_if_causal)),
    ),
    ("gemma3n_text", Row(last_layers_share(layered(unfilled, one_full_in(5))))),
    ("diffusion_gemma_text", Row(_GEMMA_4)),
    ("gemma4_text", Row(last_layers_share(_GEMMA_4))),
    # The pinned class refuses its own config: all layers share, so none is left to share with.
    (
        "gemma4_assistant",
        Row(
            _drafter,
            basis="documented",
            source="Gemma4AssistantForCausalLM.forward of transformers 5.24.0: use_cache=False",
        ),
    ),
    ("gemma4_unified_assistant", Row(_drafter)),
)
