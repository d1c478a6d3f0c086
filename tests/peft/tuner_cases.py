"""Configs of PEFT's methods: each method's defaults on small layers, and draws of its fields."""

from __future__ import annotations

from typing import Any

__all__ = ["CASES", "EVERY", "MODELS", "ONLY", "targets_of"]

Q = ["q_proj", "v_proj"]
#: Method to the configs that are tried; target_modules are added where they are not there.
CASES: dict[str, list[dict[str, Any]]] = {
    "IA3": [
        {"feedforward_modules": []},
        {"target_modules": ["k_proj", "down_proj"], "feedforward_modules": ["down_proj"]},
        {"target_modules": None},
        {"target_modules": "all-linear"},
        {"target_modules": r".*\.(q|down)_proj", "feedforward_modules": r".*down_proj"},
        {"target_modules": ["q_proj"], "feedforward_modules": ["down_proj"]},
    ],
    "LOHA": [{}, {"r": 3, "rank_pattern": {"q_proj": 5}}, {"use_effective_conv2d": True}],
    "LOKR": [
        {},
        {"r": 2, "decompose_both": True},
        {"r": 2, "decompose_factor": 4},
        {"r": 4, "decompose_factor": 6, "rank_pattern": {"v_proj": 1}},
        {"r": 1, "use_effective_conv2d": True, "decompose_both": True},
    ],
    "OFT": [
        {},
        {"r": 4, "oft_block_size": 0},
        {"r": 7, "oft_block_size": 0},
        {"oft_block_size": 10, "block_share": True},
        {"r": 4},
        {"oft_block_size": 8, "coft": True, "bias": "oft_only"},
    ],
    "BOFT": [{}, {"boft_block_size": 8}, {"boft_block_size": 0, "boft_block_num": 4},
             {"boft_block_size": 5}, {"boft_block_num": 4}, {"bias": "boft_only"}],
    "HRA": [{}, {"r": 4, "apply_GS": True}, {"bias": "all"}],
    "PSOFT": [{"r": 8}, {"r": 4, "psoft_orth": False}, {"r": 4, "psoft_mag_a": False}, {"r": 999},
              {"r": 1, "psoft_svd": "lowrank"}],
    "ROAD": [{"group_size": 16}, {"group_size": 8, "variant": "road_2"},
             {"group_size": 8, "variant": "road_4"}, {}, {"group_size": 7}],
    "OSF": [{}, {"effective_rank": 4}, {"effective_rank": 0.3}, {"effective_rank": 9999},
            {"effective_rank": 6, "rank_pattern": {"v_proj": 2, "q": 0.5}}],
    "BEFT": [{}],
    "LN_TUNING": [
        {"target_modules": None},
        {"target_modules": ["input_layernorm", "q_proj"]},
        {"target_modules": ["self_attn"]},
        {"target_modules": ["embed_tokens"]},
    ],
    "VERA": [{}, {"r": 4}, {"r": 4, "save_projection": False}, {"r": 4, "bias": "vera_only"}],
    "PVERA": [{"r": 4}, {"r": 4, "save_projection": False}],
    "RANDLORA": [{}, {"r": 5}, {"r": 5, "save_projection": False}, {"r": 4, "sparse": True},
                 {"r": 4, "very_sparse": True}],
    "VBLORA": [{"vector_length": 8, "num_vectors": 16}, {},
               {"vector_length": 8, "num_vectors": 300, "save_only_topk_weights": True, "topk": 3},
               {"vector_length": 4, "num_vectors": 8, "save_only_topk_weights": True}],
    "UNILORA": [{}, {"theta_d_length": 50, "save_indices": True}, {"r": 2, "bias": "unilora_only"}],
    "TINYLORA": [{}, {"u": 5, "r": 3}, {"weight_tying": 1.0}, {"weight_tying": 0.4},
                 {"save_projection": False}, {"target_modules": ["embed_tokens"], "r": 9}],
    "LILY": [{}, {"r": 4, "stride_A": 2}, {"r": 4, "num_B": 3, "target_modules": "all-linear"},
             {"num_B": 1}, {"r": 4, "target_modules": r".*\.[qv]_proj", "stride_A": 3}],
    "FROD": [{}, {"sparse_rate": 0.1, "save_projection": False}, {"sparse_rate": 0.0}],
    "FOURIERFT": [{"n_frequency": 50}, {"n_frequency": 50, "n_frequency_pattern": {"q_proj": 7}},
                  {"n_frequency": 10**6}, {}],
    "WAVEFT": [{"n_frequency": 50}, {"n_frequency": 50, "n_frequency_pattern": {"v_proj": 9}},
               {"n_frequency": 37, "proportional_parameters": True}, {"n_frequency": 10**6}],
    "SHIRA": [{"r": 2}, {"r": 3, "random_seed": 4}, {"r": 500}],
    "C3A": [{"block_size": 8}, {"block_size": 16, "block_size_pattern": {"q_proj": 4}}, {},
            {"block_size": 7}],
    "SUPERTUNING": [{}, {"sparsity": 0.5}, {"sparsity": 0.9, "r": 4},
                    {"save_precomputed_indices": False}, {"lora_alpha": 3}],
    "HIRA": [{}, {"r": 4, "rank_pattern": {"q_proj": 2}}, {"target_modules": ["embed_tokens"]}],
    "DELORA": [{}, {"r": 3, "rank_pattern": {"q_proj": 2}}],
    "DEFT": [{}, {"r": 500}, {"para": True, "decomposition_method": "qr"}],
    "GRALORA": [{}, {"r": 6, "gralora_k": 2, "hybrid_r": 3}, {"r": 5}, {"r": 7, "gralora_k": 7}],
    "MISS": [{"r": 8}, {"r": 8, "init_weights": "bat"}, {"r": 8, "init_weights": "mini",
              "mini_r": 4},
             {}, {"r": 9999}, {"r": 7, "init_weights": "bat"}],
    "ADALORA": [{"total_step": 100}, {}, {"total_step": 100, "init_r": 5, "bias": "lora_only"},
                {"total_step": 10, "tinit": 9, "tfinal": 3}],
    "POLY": [{}, {"r": 2, "n_tasks": 3, "n_skills": 2, "n_splits": 2}],
    "GLORA": [{}, {"config_A_B": "vector", "config_C": "vector", "config_D_E": "vector"},
              {"config_A_B": "none", "config_C": "none", "config_D_E": "none"},
              {"config_A_B": "constant", "r": 3}],
    "PEANUT": [{}, {"r": 4, "depth": 2}],
    "TRAINABLE_TOKENS": [
        {"target_modules": None, "token_indices": [1, 2]},
        {"target_modules": ["embed_tokens"], "token_indices": [0]},
        {"target_modules": ["lm_head"], "token_indices": [0, 5]},
        {"target_modules": None, "token_indices": [10**7]},
    ],
    "ADAPTION_PROMPT": [
        {"target_modules": None, "adapter_len": 5, "adapter_layers": 1},
        {"target_modules": None, "adapter_len": 5, "adapter_layers": 2},
        {"target_modules": None, "adapter_len": 5, "adapter_layers": 99},
        {"target_modules": None},
    ],
}  # fmt: skip

#: Fields that all methods have, tried with each.
EVERY: list[dict[str, Any]] = [
    {"target_modules": None},
    {"target_modules": "all-linear"},
    {"target_modules": ["q_proj", "v_projj"], "modules_to_save": ["lm_head"]},
    {"target_modules": ["nothing"]},
    {"target_modules": ["q_proj"], "layers_to_transform": [1]},
    {"target_modules": ["q_proj", "lm_head"], "task_type": "CAUSAL_LM"},
]

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "vocab_size": 40,
}
#: Model types by a class of their own, each with a config and the names that stand for q and v.
MODELS: dict[str, tuple[dict[str, Any], str, dict[str, str]]] = {
    "llama": ({**SMALL, "attention_bias": True}, "LlamaForCausalLM", {}),
    "llama-tied": ({**SMALL, "tie_word_embeddings": True}, "LlamaForCausalLM", {}),
    "gpt2": (
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 40, "n_positions": 16},
        "GPT2LMHeadModel",
        {
            "q_proj": "c_attn",
            "v_proj": "mlp.c_proj",
            "down_proj": "mlp.c_fc",
            "embed_tokens": "wte",
            "input_layernorm": "ln_1",
            "self_attn": "attn",
            "k_proj": "c_fc",
        },
    ),
    "t5": (
        {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "vocab_size": 40},
        "T5ForConditionalGeneration",
        {
            "q_proj": "q",
            "v_proj": "v",
            "down_proj": "wo",
            "embed_tokens": "shared",
            "input_layernorm": "layer_norm",
            "k_proj": "k",
            "self_attn": "SelfAttention",
        },
    ),
    "mixtral": (
        {**SMALL, "num_local_experts": 4, "num_experts_per_tok": 2},
        "MixtralForCausalLM",
        {},
    ),
    "mistral": (SMALL, "MistralForCausalLM", {}),
    # Convolutions of one and of two dimensions stand for v.
    "whisper": (
        {
            "d_model": 32,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 48,
            "decoder_ffn_dim": 48,
            "vocab_size": 40,
            "num_mel_bins": 8,
            "max_source_positions": 16,
            "max_target_positions": 16,
            "decoder_start_token_id": 1,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
        "WhisperForConditionalGeneration",
        {
            "v_proj": "conv1",
            "lm_head": "proj_out",
            "input_layernorm": "self_attn_layer_norm",
            "down_proj": "fc2",
        },
    ),
    "llava": (
        {
            "text_config": {**SMALL, "model_type": "llama"},
            "vision_config": {
                "model_type": "clip_vision_model",
                "hidden_size": 32,
                "intermediate_size": 48,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "image_size": 16,
                "patch_size": 4,
                "projection_dim": 32,
            },
            "image_token_index": 3,
        },
        "LlavaForConditionalGeneration",
        {"v_proj": "patch_embedding"},
    ),
}
#: Of these models, the methods that take convolutions, and a few that do not.
ONLY = {
    "whisper": "IA3 LOHA LOKR HIRA VERA LN_TUNING TRAINABLE_TOKENS DELORA".split(),
    "llava": "IA3 LOHA LOKR HIRA HRA BOFT ADALORA VERA LN_TUNING".split(),
}  # fmt: skip


def targets_of(case: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """A case with the names that a model has for its layers."""
    found = {}
    for key, value in {"target_modules": Q, **case}.items():
        if key in ("target_modules", "feedforward_modules") and isinstance(value, list):
            value = [names.get(item, item) for item in value]
        elif isinstance(value, dict):
            value = {names.get(item, item): own for item, own in value.items()}
        found[key] = value
    return found
