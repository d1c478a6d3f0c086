"""Which plan the layers of an architecture follow: one row each, keyed by ``model_type`` exactly.

Every ``exact`` row is compared with the cache that the pinned transformers really fills
(``tests/census``). A row for an architecture that transformers has no class for is ``documented``
and names its source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hfkv.cache.geometry import falcon, grouped, grouped_split, latent, multi_head, one_if
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
from hfkv.cache.plans import PlanFunction, layered
from hfkv.errors import UnsupportedError
from hfkv.facts.classes import pinned_version
from hfkv.facts.config import Config
from hfkv.reading import printable

__all__ = ["ROWS", "Row", "plan", "row_of"]


@dataclass(frozen=True, slots=True)
class Row:
    """One architecture.

    Attributes:
        plan: config to plan.
        basis: ``exact`` where the pinned transformers has the class, else ``documented``.
        source: where the rule stands; "" for the class itself.
    """

    plan: PlanFunction
    basis: Literal["exact", "documented"] = "exact"
    source: str = ""


def _text(config: Config) -> Plan:
    """The plan of the nested text config, by that config's own type."""
    inner = config.text()
    return row_of(inner).plan(inner)


_GROUPED = layered(grouped)
_GROUPED_SPLIT = layered(grouped_split)
_MULTI_HEAD = layered(multi_head)
_LATENT = layered(latent)
_QWEN = layered(grouped, switched_from, window=window_if_used)

ROWS: dict[str, Row] = {
    **dict.fromkeys(
        """apertus arcee aria_text bitnet cohere diffllama doge ernie4_5 ernie4_5_moe flex_olmo
        gemma glm glm4 glm4_moe granite granitemoe granitemoeshared helium hy_v3 hyperclovax
        internlm3 iquestcoder jais2 llama minimax_m2 ministral3 mistral mixtral nanochat olmo
        olmo2 olmoe phi phi3 phi4_multimodal phimoe seed_oss solar_open starcoder2""".split(),
        Row(_GROUPED),
    ),
    "stablelm": Row(_GROUPED_SPLIT),
    **dict.fromkeys(
        """biogpt bloom codegen ctrl gpt-sw3 gpt2 gpt_neo gpt_neox gpt_neox_japanese gptj opt
        persimmon xglm""".split(),
        Row(_MULTI_HEAD),
    ),
    **dict.fromkeys(
        "axk1 deepseek_v3 glm4_moe_lite minicpm3 youtu".split(),
        Row(_LATENT),
    ),
    **dict.fromkeys("qwen2 qwen3".split(), Row(_QWEN)),
    "afmoe": Row(layered(grouped, one_full_in(4, "global_attn_every_n_layers"))),
    "beam": Row(layered(grouped, last_full(one_full_in(6)))),
    "cohere2": Row(layered(grouped_split, one_full_in(4, "sliding_window_pattern"))),
    "cwm": Row(layered(grouped, first_full(4))),
    "exaone4": Row(layered(grouped, one_full_in(4, "sliding_window_pattern"))),
    "exaone_moe": Row(layered(grouped, one_full_in(4, "sliding_window_pattern"))),
    "falcon": Row(layered(falcon)),
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
    # Composite models: the decoder's plan, by the type of the nested text config.
    **dict.fromkeys(
        """audioflamingo3 cohere2_vision deepseek_vl deepseek_vl_hybrid exaone4_5 fun_asr_nano fuyu
        gemma3 glmasr got_ocr2 granite_speech granite_speech_plus hyperclovax_vision_v2 idefics2
        idefics3 internvl janus kimi_k25 lighton_ocr llama4 llava llava_next llava_next_video
        llava_onevision mistral3 moss_transcribe_diarize musicflamingo ovis2 pp_chart2table
        qianfan_ocr qwen2_audio qwen3_asr shieldgemma2 smolvlm vibevoice vibevoice_asr
        video_llama_3 video_llava vipllava voxtral""".split(),
        Row(_text),
    ),
}


def row_of(config: Config) -> Row:
    """The row of a config's ``model_type``.

    Raises:
        UnsupportedError: there is none; never a guess from a like name.
    """
    row = ROWS.get(config.model_type)
    if row is None:
        known = "" if config.cls is None else f" (a type of transformers {pinned_version()})"
        raise UnsupportedError(
            f"the KV cache of model_type '{printable(config.model_type)}'{known} is not known here",
            where=config.where,
            hint="hfkv kv --basis live asks the installed transformers",
        )
    return row


def plan(config: Config) -> Plan:
    """The plan of a model's cache.

    Raises:
        UnsupportedError: the architecture is not in the registry.
        ConfigError: a key that the plan reads is missing or not usable.
    """
    return row_of(config).plan(config)
