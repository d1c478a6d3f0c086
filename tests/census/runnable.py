"""Classes whose defaults are inconsistent, with the smallest change that makes them run.

Values are those of a published config of the type where one is known; the comment says which. What
is said of composites does not reach the decoder, so that their cache is the same.
"""

from __future__ import annotations

from functools import cache
from typing import Any

__all__ = ["RUNNABLE", "stand_in_for_timm"]

#: A rotary embedding of three axes, as the vision-language classes want it.
_THREE_AXES = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [8, 12, 12]}

_QWEN_4 = {
    "num_hidden_layers": 8,
    "indexer_n_heads": 4,
    "indexer_kv_heads": 1,
    "indexer_head_dim": 256,
    "indexer_budget": 64,
    "indexer_compress_ratio": 16,
    "ple_layer_ids": [1, 6],
    "ngram_vocab_size_base": 1000,
    "eos_token_id": 2,
}

_DECODERS: dict[str, dict[str, Any]] = {
    # Bamba 9B: at least one layer must attend, for the cache to know its length.
    "bamba": {"attn_layer_indices": [9, 18, 27]},
    # The class wants rotary parameters for each type of layer and has none.
    "cohere_compass_text": {
        "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 10000.0}}
    },
    # Built from a map of tokens; Chameleon 7B's own number of the image token.
    "chameleon": {"vocabulary_map": {"<image>": 8711}},
    # DBRX: the attention's config has no rotary base of its own.
    "dbrx": {"attn_config": {"rope_theta": 500000.0, "kv_n_heads": 8, "clip_qkv": 8}},
    # DeepSeek-OCR 2 states which layers are sparse, and how many experts serve a token.
    "deepseek_ocr2": {
        "text_config": {
            "num_hidden_layers": 12,
            "mlp_layer_types": ["dense", *["sparse"] * 11],
            "num_experts_per_tok": 6,
            "moe_intermediate_size": 896,
        }
    },
    # DeepSeek-V2-Lite: experts for each token.
    "deepseek_v2": {"num_experts_per_tok": 6, "moe_intermediate_size": 1408},
    # dots.llm1: experts.
    "dots1": {"n_routed_experts": 128, "n_shared_experts": 2, "num_experts_per_tok": 6},
    # Emu3 is built from a map of tokens.
    "emu3": {"vocabulary_map": {"<image>": 151851, "<|extra_200|>": 151846}},
    # Gemma 4's experts: the class builds them, the config has no number of them.
    "diffusion_gemma": {
        "text_config": {"num_experts": 128, "top_k_experts": 8, "moe_intermediate_size": 704}
    },
    # All layers share by default, which leaves none to share with; this leaves one of each kind.
    "gemma4_unified_assistant": {"text_config": {"num_kv_shared_layers": 24}},
    # GLM-4.1V and GLM-4.5V: half of each head is rotated, in three sections.
    "glm4v": {"text_config": {"rope_parameters": {**_THREE_AXES, "partial_rotary_factor": 0.5}}},
    "glm4v_moe": {
        "text_config": {
            "head_dim": 128,
            "rope_parameters": {**_THREE_AXES, "partial_rotary_factor": 0.5},
        }
    },
    # Granite 4.0 H Tiny: at least one layer must attend.
    "granitemoehybrid": {
        "num_hidden_layers": 40,
        "layer_types": [
            "attention" if layer in (5, 15, 25, 35) else "mamba" for layer in range(40)
        ],
    },
    # Which decoder layers take which level of the vision tower.
    "granite4_vision": {"deepstack_layer_map": [[-19, 9]], "downsample_rate": "4/8"},
    # Hunyuan 7B: the class divides by a head size that it has no default for.
    "hunyuan_v1_dense": {"head_dim": 128},
    "hunyuan_v1_moe": {"head_dim": 128},
    "hunyuan_vl": {
        "text_config": {
            "head_dim": 128,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [16, 16, 16, 16],
            },
        }
    },
    # LFM2-8B-A1B: which layers attend; the class has no pattern.
    "lfm2_moe": {
        "num_hidden_layers": 24,
        "layer_types": [
            "full_attention" if layer in (2, 6, 10, 14, 18, 21) else "conv" for layer in range(24)
        ],
    },
    # Minitron 8B: key/value heads.
    "nemotron": {"num_key_value_heads": 8},
    # Qwen3-Omni 30B-A3B: an even head size.
    "qwen3_omni_moe_thinker": {"text_config": {"num_attention_heads": 32, "head_dim": 128}},
    # Qwen 4's indexer has no sizes by default; small ones, and layers with n-grams too.
    "qwen4_exp_text": {**_QWEN_4},
    "qwen4_exp": {"text_config": {**_QWEN_4}},
    # Their recurrences are loops over tokens; fewer layers keep the recording short.
    "recurrent_gemma": {"num_hidden_layers": 6},
    "rwkv": {"num_hidden_layers": 4},
    "zamba": {"num_hidden_layers": 12},
    # Reformer on Crime and Punishment: it generates.
    "reformer": {"is_decoder": True, "num_buckets": [2, 4]},
    # Step-3.7-Flash slides over 512 tokens.
    "step3p7": {"text_config": {"sliding_window": 512}},
}

_COMPOSITES: dict[str, dict[str, Any]] = {
    # SigLIP so400m has 16 heads; the default has 14, which do not divide its 1152 channels.
    "aya_vision": {"vision_config": {"model_type": "siglip_vision_model"}},
    "cohere_compass": {"text_config": _DECODERS["cohere_compass_text"]},
    # GLM-4.6V has the decoder of GLM-4.5V, and the same rotary sections.
    "glm46v": _DECODERS["glm4v"],
    "glmga": _DECODERS["glm4v"],
    # Perception-LM 1B: the width of its tower, which the projector reads.
    "perception_lm": {
        "vision_config": {"model_type": "timm_wrapper", "model_args": {"embed_dim": 1024}}
    },
    # The default talker lacks keys that its class reads; without speech only the thinker is built.
    "qwen3_omni_moe": {
        "enable_audio_output": False,
        "thinker_config": _DECODERS["qwen3_omni_moe_thinker"],
    },
}


#: By type, or by class.
RUNNABLE: dict[str, dict[str, Any]] = {
    # The class computes a scale from head_dim, which only its published configs state.
    "ministral": {"head_dim": 128},
    **_DECODERS,
    **_COMPOSITES,
    # The class reads it, but its config does not define it, so a file has to state it: as many as
    # heads, the only number that the class runs with.
    "moonshine_streaming": {"num_key_value_heads": 8},
    # The class makes a cache of encoder_layers (2) and then fills decoder_layers (24), which fails,
    # so the defaults are refused; with as many encoder layers it runs.
    "BlenderbotForCausalLM": {"encoder_layers": 24},
}


@cache
def stand_in_for_timm() -> None:
    """Let an empty tower stand in for those of timm, which is not among the references."""
    from transformers import AutoModel, PreTrainedModel
    from transformers.models.gemma3n.configuration_gemma3n import Gemma3nVisionConfig
    from transformers.models.timm_wrapper.configuration_timm_wrapper import TimmWrapperConfig

    for config_class in (TimmWrapperConfig, Gemma3nVisionConfig):
        tower = type("Tower", (PreTrainedModel,), {"config_class": config_class})
        AutoModel.register(config_class, tower, exist_ok=True)
