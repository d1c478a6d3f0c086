"""Decoders that keep keys and values of tokens only: full, sliding, chunked, latent."""

from __future__ import annotations

from dataclasses import replace

from hfkv.cache.encoders import attends_if
from hfkv.cache.geometry import (
    falcon,
    grouped,
    grouped_split,
    grouped_stated,
    latent,
    multi_head,
    one_if,
    repeated,
)
from hfkv.cache.layer_types import (
    all_full,
    all_sliding,
    every_other_below,
    first_full,
    last_full,
    no_rope_chunked,
    no_rope_sliding,
    one_full_in,
    switched_from,
    window_if_causal,
    window_if_used,
)
from hfkv.cache.plan import Plan
from hfkv.cache.plans import layered
from hfkv.cache.row import Row
from hfkv.facts.config import Config

__all__ = ["ROWS"]

_GROUPED = layered(grouped)
_GROUPED_SPLIT = layered(grouped_split)
_MULTI_HEAD = layered(multi_head)
_LATENT = layered(latent)
_QWEN = layered(grouped, switched_from, window=window_if_used)


def _falcon(config: Config) -> Plan:
    """Falcon, with what its class does to the heads of the larger models."""
    made = layered(falcon)(config)
    if not config.bool("new_decoder_architecture"):
        return made
    # Read for the note alone: whatever it is, the class keeps a copy for every head.
    shared = config.raw.get("num_kv_heads", config.raw.get("n_head_kv"))
    heads = config.int("num_attention_heads")
    notes = repeated(shared, heads) if type(shared) is int and shared > 0 else ()
    return replace(made, notes=(*made.notes, *notes))


ROWS: dict[str, Row] = {
    **dict.fromkeys(
        """apertus arcee aria_text bitnet cohere diffllama doge ernie4_5 ernie4_5_moe flex_olmo
        gemma glm glm4 glm4_moe glm_ocr_text granite granite_docling_text granitemoe
        granitemoeshared helium hy_v3 hyperclovax internlm3 iquestcoder jais2 llama
        minimax_m2 ministral3 mistral mixtral nanochat olmo olmo2 olmoe
        paddleocr_vl_text phi phi3 phi4_multimodal phimoe seed_oss solar_open starcoder2""".split(),
        Row(_GROUPED),
    ),
    "stablelm": Row(_GROUPED_SPLIT),
    **dict.fromkeys(
        """biogpt bloom codegen ctrl gpt-sw3 gpt_neo gpt_neox gpt_neox_japanese gptj opt
        persimmon""".split(),
        Row(_MULTI_HEAD),
    ),
    **dict.fromkeys(
        "gpt2 xglm".split(), Row(attends_if("add_cross_attention", _MULTI_HEAD, multi_head))
    ),
    **dict.fromkeys(
        "axk1 deepseek_v3 glm4_moe_lite minicpm3 youtu".split(),
        Row(_LATENT),
    ),
    **dict.fromkeys(
        "qwen2 qwen2_5_omni_text qwen2_5_vl_text qwen2_vl_text qwen3".split(),
        Row(_QWEN),
    ),
    "afmoe": Row(layered(grouped, one_full_in(4, "global_attn_every_n_layers"))),
    "beam": Row(layered(grouped, last_full(one_full_in(6)))),
    "cohere2": Row(layered(grouped_stated, one_full_in(4, "sliding_window_pattern"))),
    "cwm": Row(layered(grouped, first_full(4))),
    "exaone4": Row(layered(grouped, one_full_in(4, "sliding_window_pattern"))),
    "exaone_moe": Row(layered(grouped, one_full_in(4, "sliding_window_pattern"))),
    "falcon": Row(_falcon),
    "gemma2": Row(layered(grouped, one_full_in(2))),
    "gemma3_text": Row(
        layered(grouped, one_full_in(6, "sliding_window_pattern"), window=window_if_causal)
    ),
    "gpt_bigcode": Row(layered(one_if("multi_query"))),
    "gpt_oss": Row(layered(grouped, one_full_in(2))),
    "granite_swa": Row(layered(grouped, first_full(4))),
    "granitemoe_swa": Row(layered(grouped, first_full(4))),
    "kolibri1": Row(layered(grouped, one_full_in(5))),
    "laguna": Row(layered(grouped, all_full)),
    "llama4_text": Row(layered(grouped, no_rope_chunked)),
    "mellum": Row(layered(grouped, all_full)),
    "ministral": Row(layered(grouped, all_sliding)),
    "olmo3": Row(layered(grouped, one_full_in(4))),
    "qwen2_moe": Row(layered(grouped, every_other_below, window=window_if_used)),
    "qwen3_moe": Row(layered(grouped, window=window_if_used)),
    "smollm3": Row(layered(grouped, no_rope_sliding)),
    "vaultgemma": Row(layered(grouped, one_full_in(2))),
}
