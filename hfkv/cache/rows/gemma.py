"""Gemma 3n and 4: layers that share, and global layers with heads of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hfkv.cache.geometry import declared_head_dim, grouped_by, stated_kv_heads
from hfkv.cache.kinds import Nothing
from hfkv.cache.layer_types import one_full_in
from hfkv.cache.plan import Plan
from hfkv.cache.plans import LayerValues, last_layers_share, layered, stated_per_layer
from hfkv.cache.row import Row
from hfkv.errors import ConfigError
from hfkv.facts.config import Config
from hfkv.reading import describe

__all__ = ["ROWS"]

_HEADS = grouped_by(stated_kv_heads, declared_head_dim)
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
    """Full layers have ``global_head_dim`` (512) and ``num_global_key_value_heads`` of their own.

    The class reads these two only where the file has no ``per_layer_config``, and the heads only
    where keys serve as values too.
    """
    if "per_layer_config" in config.raw:
        return _STATED(config, names)
    dim = config.raw.get("global_head_dim", 512)
    own: dict[str, Any] = {"head_dim": config.check_int("global_head_dim", dim)}
    heads = config.raw.get("num_global_key_value_heads")
    if heads is not None and _keys_are_values(config):
        own["num_key_value_heads"] = config.check_int("num_global_key_value_heads", heads)
    return {index: own for index, name in enumerate(names) if name == "full_attention"}


def _keys_are_values(config: Config) -> bool:
    """``attention_k_eq_v``; a class that knows no such key takes it as set."""
    return config.bool("attention_k_eq_v", default=not config.declares("attention_k_eq_v"))


_GEMMA_4 = layered(
    _HEADS, one_full_in(6), window=_halved_for_all, per_layer=_global_heads, then=_last_is_full
)


def _drafter(config: Config) -> Plan:
    """A drafting model reads the cache of the model it drafts for; all its layers share that."""
    text = config.raw.get("text_config")
    named = text.get("model_type", "") if isinstance(text, Mapping) else ""
    inner = config.nested("text_config", model_type=str(named))
    return Plan(
        kinds=[Nothing()] * inner.layers(),
        notes=(
            "it drafts on the cache of the model that it assists, and keeps none of its own: 0 B",
        ),
    )


ROWS: dict[str, Row] = {
    "diffusion_gemma_text": Row(_GEMMA_4),
    "gemma3n_text": Row(last_layers_share(layered(_HEADS, one_full_in(5)))),
    # The pinned class refuses its own config: all layers share, so none is left to share with.
    "gemma4_assistant": Row(
        _drafter,
        basis="documented",
        source="Gemma4AssistantForCausalLM.forward of transformers 5.23.0: use_cache=False",
    ),
    "gemma4_text": Row(last_layers_share(_GEMMA_4)),
    "gemma4_unified_assistant": Row(_drafter),
    "gemma4_unified_text": Row(last_layers_share(_GEMMA_4)),
}
