"""Composite models: a text decoder with towers for images, sound or video around it.

What a tower makes of an image or a sound takes up tokens like any other, and the towers keep
nothing; so the cache is the decoder's, by the type of its nested config.
"""

from __future__ import annotations

from hfkv.cache.row import TEXT, Row, table

__all__ = ["ROWS"]


ROWS: dict[str, Row] = table(
    (
        """apertus1p5 aria audioflamingo3 cohere2_vision deepseek_vl deepseek_vl_hybrid exaone4_5
        fun_asr_nano fuyu gemma3 glm_ocr glmasr got_ocr2 granite_docling granite_speech
        granite_speech_plus hyperclovax_vision_v2 idefics2 idefics3 internvl janus kimi_k25
        lighton_ocr llama4 llava llava_next llava_next_video llava_onevision minicpm_ocr
        minicpmv4_6 minicpmv4_7 mistral3 moss_transcribe_diarize musicflamingo omniasr ovis2
        paddleocr_vl pp_chart2table qianfan_ocr qwen2_5_omni_thinker qwen2_5_vl qwen2_audio
        qwen2_vl qwen3_5 qwen3_5_moe qwen3_asr shieldgemma2 smolvlm vibevoice vibevoice_asr
        video_llama_3 video_llava vipllava voxtral""",
        Row(inner=TEXT),
    ),
    # Those whose text part only they can run.
    (
        """cosmos3_edge deepseek_ocr2 diffusion_gemma dots3_note emu3 ernie4_5_vl_moe glm4v
        glm4v_moe glm5_next granite4_vision hunyuan_vl hy_v4_vl mistral_large4 molmo2
        muse_glimmer muse_spark qwen3_omni_moe_thinker qwen3_vl qwen3_vl_moe step3p7
        unlimited_ocr""",
        Row(inner=TEXT),
    ),
    (
        """aya_vision cohere_compass cosmos3_omni fast_vlm gemma3n gemma4 gemma4_unified glm46v
        glmga inkling2 inkling2_loop inkling_mm_model lfm2_vl lfm3_vl minimax_m3_vl
        nemo_speechlm nemotron_h_omni paligemma perception_lm qwen4_exp""",
        Row(inner=TEXT),
    ),
    (
        "qwen2_5_omni qwen3_omni_moe",
        Row(
            inner=TEXT,
            note="this is the thinker's cache; while it speaks, the talker holds one of its own",
        ),
    ),
    (
        "voxtral_realtime",
        Row(inner=TEXT, note="while it listens, the audio encoder holds a cache of its own"),
    ),
    # The prefix that its vision-language model reads. Its action expert attends to that and cuts
    # off what it wrote itself after each step (``modeling_pi0.py``, ``sample_actions``).
    ("pi0", Row(inner="vlm_config")),
)
