"""Which plan the layers of an architecture follow: one row each, keyed by ``model_type`` exactly.

Every ``exact`` row is compared with the cache that the pinned transformers really fills
(``tests/census``). A row for an architecture that transformers has no class for is ``documented``
and names its source. The rows stand in ``hfkv/cache/rows``, a file per family.
"""

from __future__ import annotations

from hfkv.cache.plan import Plan
from hfkv.cache.row import Row
from hfkv.cache.rows import (
    attention,
    decoders,
    gemma,
    hybrid,
    latent,
    own,
    recurrent,
    sparse,
    uncommon,
)
from hfkv.errors import UnsupportedError
from hfkv.facts.classes import pinned_version
from hfkv.facts.config import Config
from hfkv.reading import printable

__all__ = ["ROWS", "Row", "plan", "row_of"]


def _text(config: Config) -> Plan:
    """The plan of the nested text config, by that config's own type."""
    inner = config.text()
    return row_of(inner).plan(inner)


#: Composite models: the decoder's plan, by the type of the nested text config.
_COMPOSITE: dict[str, Row] = {
    **dict.fromkeys(
        """aria audioflamingo3 cohere2_vision deepseek_vl deepseek_vl_hybrid exaone4_5 fun_asr_nano
        fuyu gemma3 glm_ocr glmasr got_ocr2 granite_docling granite_speech
        granite_speech_plus hyperclovax_vision_v2 idefics2 idefics3 internvl janus
        kimi_k25 lighton_ocr llama4 llava llava_next llava_next_video llava_onevision
        minicpm_ocr minicpmv4_6 minicpmv4_7 mistral3 moss_transcribe_diarize
        musicflamingo ovis2 paddleocr_vl pp_chart2table qianfan_ocr qwen2_5_omni_thinker
        qwen2_5_vl qwen2_audio qwen2_vl qwen3_5 qwen3_5_moe qwen3_asr shieldgemma2
        smolvlm vibevoice vibevoice_asr video_llama_3 video_llava vipllava voxtral""".split(),
        Row(_text),
    ),
}

#: Composite models whose text part only they can run.
_AROUND: dict[str, Row] = dict.fromkeys(
    """cosmos3_edge deepseek_ocr2 diffusion_gemma dots3_note emu3 ernie4_5_vl_moe glm4v glm4v_moe
    glm5_next granite4_vision hunyuan_vl mistral_large4 molmo2 muse_glimmer muse_spark
    qwen3_omni_moe_thinker qwen3_vl qwen3_vl_moe qwen4_exp step3p7 unlimited_ocr
    voxtral_realtime""".split(),
    Row(_text),
)

ROWS: dict[str, Row] = {
    **attention.ROWS,
    **decoders.ROWS,
    **gemma.ROWS,
    **hybrid.ROWS,
    **latent.ROWS,
    **own.ROWS,
    **recurrent.ROWS,
    **sparse.ROWS,
    **uncommon.ROWS,
    **_COMPOSITE,
    **_AROUND,
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
