"""More decoders with keys and values of tokens: each reads its heads or windows its own way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hfkv.cache.geometry import (
    Heads,
    declared_head_dim,
    grouped_by,
    grouped_split,
    head_dim_or_split,
    heads,
    kv_heads,
    mpt,
    multi_head,
    split_head_dim,
    stated_kv_heads,
)
from hfkv.cache.kinds import Full, Kind, Nothing, Sliding
from hfkv.cache.layer_types import (
    all_full,
    first_full,
    full_at,
    full_from_the_end,
    inferred,
    sliding_prefix,
    window_from,
)
from hfkv.cache.plan import Plan
from hfkv.cache.plans import layered, stated_per_layer
from hfkv.cache.row import Row
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.config import Config
from hfkv.reading import describe

__all__ = ["ROWS"]

#: Classes that fill in missing heads, and divide only where nothing names a head size.
_FILLED = grouped_by(kv_heads, declared_head_dim)
#: Classes that fill in no heads.
_STATED = grouped_by(stated_kv_heads, declared_head_dim)
#: Classes that divide wherever there is no head size, 0 included.
_EITHER = grouped_by(kv_heads, head_dim_or_split)
_STATED_EITHER = grouped_by(stated_kv_heads, head_dim_or_split)
_STATED_SPLIT = grouped_by(stated_kv_heads, split_head_dim)


def _dbrx(config: Config) -> Heads:
    """DBRX: the heads stand in ``attn_config``, whose class has no type of its own."""
    inner = config.raw.get("attn_config")
    if not isinstance(inner, Mapping):
        inner = {}
    if not isinstance(inner.get("rope_theta"), (int, float)):
        raise ConfigError(
            f"found {describe(inner.get('rope_theta'))}",
            where=config.place("attn_config.rope_theta"),
            expected="a number (the class has no default for it)",
        )
    count = config.check_int("attn_config.kv_n_heads", inner.get("kv_n_heads", 1))
    dim = split_head_dim(config)
    rows = {".Wqkv.weight": config.int("hidden_size") + 2 * count * dim}
    return Heads(count=count, k_dim=dim, v_dim=dim, rows=rows)


def _jetmoe(config: Config) -> Heads:
    """JetMoE: keys and values of each head once; experts repeat them after the cache."""
    # Rotary embeddings are at least two wide, and would widen narrower keys.
    dim, count = config.int("kv_channels", least=2), config.int("num_key_value_heads")
    return Heads(count=count, k_dim=dim, v_dim=dim, rows={".kv_proj.weight": 2 * count * dim})


def _local_window(config: Config) -> int | None:
    """ModernBERT's decoder: half of ``local_attention``, or a file's own ``sliding_window``.

    The class makes -1 of a missing one, and its cache then forgets tokens that it still needs.
    """
    if "sliding_window" in config.raw:
        return config.optional_int("sliding_window")
    size = config.optional_int("local_attention", least=0)
    if size is None or size < 2:
        raise ConfigError(
            f"found {describe(size)}",
            where=config.place("local_attention"),
            expected="at least 2 where layers slide",
        )
    return size // 2


def _mimo(config: Config) -> Plan:
    """MiMo-V2-Flash: sliding layers have twice the heads; values are narrower than keys."""
    return layered(
        _mimo_heads,
        full_at(lambda layer, layers: layer == 0 or not (layer + 1) % 6),
        kinds={"sliding_attention": _mimo_sliding},
    )(config)


def _mimo_heads(config: Config, times: int = 1) -> Heads:
    count = times * config.int("num_key_value_heads")
    k_dim, v_dim = declared_head_dim(config), config.int("v_head_dim")
    rows = {".k_proj.weight": count * k_dim, ".v_proj.weight": count * v_dim}
    return Heads(count=count, k_dim=k_dim, v_dim=v_dim, rows=rows)


def _mimo_sliding(config: Config) -> Kind:
    shape = _mimo_heads(config, times=2)
    # The older key counts without the token itself.
    older: Any = config.raw.get("sliding_window_size")
    if older is None:
        window = config.int("sliding_window")
    else:
        window = config.check_int("sliding_window_size", older) + 1
    return Sliding(
        window=window, heads=shape.count, k_dim=shape.k_dim, v_dim=shape.v_dim, rows=shape.rows
    )


def _prompted(config: Config) -> Plan:
    """CPM-Ant: every sequence starts with a learned prompt, which is cached like tokens."""
    dim, extra = config.int("dim_head"), config.int("prompt_length", least=0)
    for key in ("layer_types", "sliding_window", "attention_chunk_size"):
        if config.get(key) is not None:
            raise UnsupportedError(
                f"a prompt in a cache of other than full layers ({key})", where=config.place(key)
            )
    full = Full(heads=config.int("num_attention_heads"), k_dim=dim, v_dim=dim, extra=extra)
    return Plan(
        kinds=[full] * config.layers(),
        notes=(f"the class puts a prompt of {extra} positions before every sequence",),
    )


def _of_two_stacks(config: Config) -> Heads:
    """HRM: as many key/value heads as heads; a layer of the cache is no layer of the weights."""
    dim = declared_head_dim(config)
    return Heads(count=heads(config), k_dim=dim, v_dim=dim)


def _runs(config: Config) -> int:
    """HRM: the layers of two stacks run several times, and keep keys and values each time."""
    stack = config.optional_int("num_layers_per_stack")
    cycles = config.int("H_cycles") * (config.int("L_cycles", least=0) + 1)
    return (config.layers() if stack is None else stack) * cycles


def _hrm(config: Config) -> Plan:
    """A file that states ``num_layers_per_stack`` counts the places in its number of layers."""
    made = layered(_of_two_stacks, layers=_runs)(config)
    if config.optional_int("num_layers_per_stack") is None:
        return made
    places, runs = config.layers(), len(made.kinds)
    if places < runs:
        raise ConfigError(
            f"found {places}",
            where=config.place("num_hidden_layers"),
            expected=f"a place for each of {runs} runs of a layer, as its class fills them",
        )
    return replace(made, kinds=[*made.kinds, *([Nothing()] * (places - runs))])


def _without_drafts(config: Config) -> Config:
    """Step 3.5: a list of kinds that also names the drafting layers is cut to the others."""
    names, drafts = config.strings("layer_types"), config.raw.get("num_nextn_predict_layers", 0)
    count = config.layers()
    drafts = config.check_int("num_nextn_predict_layers", drafts, least=0)
    if drafts and names is not None and len(names) == count + drafts:
        return config.overlaid({"layer_types": list(names[:count])}, "layer_types")
    return config


def _step(config: Config) -> Plan:
    """Step 3.5: full where no list says otherwise; sliding layers may have other query heads."""
    return layered(_STATED, all_full, per_layer=stated_per_layer("num_attention_heads"))(
        _without_drafts(config)
    )


ROWS: dict[str, Row] = {
    **dict.fromkeys(
        """cohere_compass_text granite4_vision_text hunyuan_v1_dense hunyuan_v1_moe
        hunyuan_vl_text qwen3_vl_text cosmos3_edge_text""".split(),
        Row(layered(_FILLED)),
    ),
    **dict.fromkeys(
        """emu3_text_model ernie4_5_vl_moe_text glm4v_moe_text molmo2_text
        qwen3_omni_moe_text""".split(),
        Row(layered(_STATED)),
    ),
    **dict.fromkeys("glm4v_text deepseek_ocr2_text".split(), Row(layered(grouped_split))),
    **dict.fromkeys(
        "kyutai_speech_to_text moshi voxtral_realtime_text".split(), Row(layered(_EITHER))
    ),
    "chameleon": Row(layered(_STATED_SPLIT)),
    "cohere2_moe": Row(layered(_FILLED, sliding_prefix)),
    "cpmant": Row(_prompted),
    "dbrx": Row(layered(_dbrx)),
    "dots1": Row(layered(_FILLED, window_from)),
    "flint": Row(
        layered(
            _STATED,
            full_at(lambda layer, layers: layer < 2 or layer % 4 == 1 or layer == layers - 1),
        )
    ),
    "hrm_text": Row(_hrm),
    "jetmoe": Row(layered(_jetmoe)),
    "mimo_v2_flash": Row(_mimo),
    "modernbert-decoder": Row(
        layered(multi_head, first_full(3, "global_attn_every_n_layers"), window=_local_window)
    ),
    "mpt": Row(layered(mpt)),
    "muse_glimmer_text": Row(layered(_STATED, full_from_the_end(4))),
    "muse_spark_text": Row(layered(_STATED, full_from_the_end(4))),
    "nemotron": Row(layered(_STATED_EITHER)),
    "qwen3_vl_moe_text": Row(layered(_STATED_EITHER, inferred)),
    "step3p5": Row(_step),
}
