"""The names that llama.cpp's converter gives tensors, to those they are published under.

Pure data, used by :mod:`hfkv.facts.gguf_names`; sources are named there.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["FALCON_NORMS", "JOINED", "LAYER", "NAMED", "OWN", "OWN_TOP", "TOP", "WHOLE"]

#: Outside the layers. Names are without ``.weight`` or ``.bias``.
TOP = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
#: Within a layer, after ``blk.N.`` and ``model.layers.N.``.
LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_q_a": "self_attn.q_a_proj",
    "attn_q_a_norm": "self_attn.q_a_layernorm",
    "attn_q_b": "self_attn.q_b_proj",
    "attn_kv_a_mqa": "self_attn.kv_a_proj_with_mqa",
    "attn_kv_a_norm": "self_attn.kv_a_layernorm",
    "attn_kv_b": "self_attn.kv_b_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "ffn_gate_inp": "mlp.gate",
    "ffn_gate_exps": "mlp.experts.{}.gate_proj",
    "ffn_up_exps": "mlp.experts.{}.up_proj",
    "ffn_down_exps": "mlp.experts.{}.down_proj",
    "ffn_gate_shexp": "mlp.shared_experts.gate_proj",
    "ffn_up_shexp": "mlp.shared_experts.up_proj",
    "ffn_down_shexp": "mlp.shared_experts.down_proj",
    "exp_probs_b.bias": "mlp.gate.e_score_correction_bias",
}
_SHARED_EXPERT = {
    "ffn_gate_shexp": "mlp.shared_expert.gate_proj",
    "ffn_up_shexp": "mlp.shared_expert.up_proj",
    "ffn_down_shexp": "mlp.shared_expert.down_proj",
    "ffn_gate_inp_shexp": "mlp.shared_expert_gate",
}
_W123 = {
    "ffn_gate_inp": "block_sparse_moe.gate",
    "ffn_gate_exps": "block_sparse_moe.experts.{}.w1",
    "ffn_up_exps": "block_sparse_moe.experts.{}.w3",
    "ffn_down_exps": "block_sparse_moe.experts.{}.w2",
}
_FOUR_NORMS = {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_DELTA = {
    "post_attention_norm": "post_attention_layernorm",
    "attn_qkv": "linear_attn.in_proj_qkv",
    "attn_gate": "linear_attn.in_proj_z",
    "ssm_alpha": "linear_attn.in_proj_a",
    "ssm_beta": "linear_attn.in_proj_b",
    "ssm_norm": "linear_attn.norm",
    "ssm_out": "linear_attn.out_proj",
    "ssm_a": "linear_attn.A_log",
    "ssm_dt.bias": "linear_attn.dt_bias",
    "ssm_conv1d": "1 linear_attn.conv1d",
}
_GPT_NEOX = {
    "attn_norm": "input_layernorm",
    "attn_qkv": "attention.query_key_value",
    "attn_output": "attention.dense",
    "ffn_norm": "post_attention_layernorm",
    "ffn_up": "mlp.dense_h_to_4h",
    "ffn_down": "mlp.dense_4h_to_h",
}
_BLOOM = {
    **_GPT_NEOX,
    "attn_qkv": "self_attention.query_key_value",
    "attn_output": "self_attention.dense",
}

#: Types that publish some names of a layer otherwise. A target may begin with what is done to the
#: tensor: ``T`` swaps its two axes, ``1`` sets a size of 1 before its last, ``EE`` swaps the axes
#: of each expert's matrix.
OWN: Mapping[str, Mapping[str, str]] = {
    "arcee": {},
    "cohere": {},
    "cohere2": {},
    "deepseek_v2": {},
    "deepseek_v3": {},
    "dots1": {},
    "ernie4_5": {},
    "ernie4_5_moe": {"exp_probs_b.bias": "mlp.moe_statics.e_score_correction_bias"},
    "exaone4": _FOUR_NORMS,
    "gemma": {},
    "gemma2": _FOUR_NORMS,
    "gemma3_text": _FOUR_NORMS,
    "glm4": {
        "ffn_up": "mlp.gate_up_proj",
        "post_attention_norm": "post_self_attn_layernorm",
        "post_ffw_norm": "post_mlp_layernorm",
    },
    "glm4_moe": {"post_attention_norm": "post_attention_layernorm"},
    "gpt_oss": {
        "post_attention_norm": "post_attention_layernorm",
        "ffn_gate_inp": "mlp.router",
        "attn_sinks.weight": "self_attn.sinks",
        "ffn_down_exps.weight": "EE mlp.experts.down_proj",
        "ffn_down_exps.bias": "mlp.experts.down_proj_bias",
    },
    "granite": {},
    "granite_swa": {"attn_sinks.weight": "self_attn.sinks"},
    "granitemoe": {
        "ffn_gate_inp": "block_sparse_moe.router.layer",
        "ffn_down_exps": "block_sparse_moe.output_linear",
    },
    "granitemoeshared": {
        "ffn_gate_inp": "block_sparse_moe.router.layer",
        "ffn_down_exps": "block_sparse_moe.output_linear",
        "ffn_down_shexp": "shared_mlp.output_linear",
    },
    "hunyuan_v1_dense": {
        "attn_q_norm": "self_attn.query_layernorm",
        "attn_k_norm": "self_attn.key_layernorm",
    },
    "internlm3": {},
    "jais2": {},
    "lfm2": {
        "attn_norm": "operator_norm",
        "attn_output": "self_attn.out_proj",
        "attn_q_norm": "self_attn.q_layernorm",
        "attn_k_norm": "self_attn.k_layernorm",
        "ffn_norm": "ffn_norm",
        "ffn_gate": "feed_forward.w1",
        "ffn_down": "feed_forward.w2",
        "ffn_up": "feed_forward.w3",
        "shortconv.conv": "1 conv.conv",
        "shortconv.in_proj": "conv.in_proj",
        "shortconv.out_proj": "conv.out_proj",
    },
    "llama": {},
    "minicpm3": {},
    "minimax_m2": {**_W123, "exp_probs_b.bias": "block_sparse_moe.e_score_correction_bias"},
    "ministral3": {},
    "mistral": {},
    "mixtral": _W123,
    "nemotron": {},
    "olmo": {},
    "olmo2": _FOUR_NORMS,
    "olmo3": _FOUR_NORMS,
    "olmoe": {},
    "phi": {"attn_output": "self_attn.dense", "ffn_up": "mlp.fc1", "ffn_down": "mlp.fc2"},
    "phi3": {"attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"},
    "qwen2": {},
    "qwen2_moe": _SHARED_EXPERT,
    "qwen3": {},
    "qwen3_5_moe_text": {**_DELTA, **_SHARED_EXPERT},
    "qwen3_5_text": _DELTA,
    "qwen3_moe": {},
    "seed_oss": {"post_attention_norm": "post_attention_layernorm"},
    "smollm3": {},
    "stablelm": {},
    "starcoder2": {"ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"},
}
#: Names outside the layers, where they are otherwise.
OWN_TOP: Mapping[str, Mapping[str, str]] = {
    "lfm2": {**TOP, "token_embd_norm": "model.embedding_norm"},
    "phi": {**TOP, "output_norm": "model.final_layernorm"},
}
#: Types whose names are all their own: outside the layers, the beginning of a layer's, in a layer.
WHOLE: Mapping[str, tuple[Mapping[str, str], str, Mapping[str, str]]] = {
    "bloom": (
        {
            "token_embd": "transformer.word_embeddings",
            "token_embd_norm": "transformer.word_embeddings_layernorm",
            "output_norm": "transformer.ln_f",
            "output": "lm_head",
        },
        "transformer.h",
        _BLOOM,
    ),
    "falcon": (
        {
            "token_embd": "transformer.word_embeddings",
            "output_norm": "transformer.ln_f",
            "output": "lm_head",
        },
        "transformer.h",
        {**_BLOOM, "attn_norm": "input_layernorm"},
    ),
    "gpt2": (
        {
            "token_embd": "transformer.wte",
            "position_embd": "transformer.wpe",
            "output_norm": "transformer.ln_f",
            "output": "lm_head",
        },
        "transformer.h",
        {
            "attn_norm": "ln_1",
            "attn_qkv.weight": "T attn.c_attn.weight",
            "attn_qkv.bias": "attn.c_attn.bias",
            "attn_output.weight": "T attn.c_proj.weight",
            "attn_output.bias": "attn.c_proj.bias",
            "ffn_norm": "ln_2",
            "ffn_up.weight": "T mlp.c_fc.weight",
            "ffn_up.bias": "mlp.c_fc.bias",
            "ffn_down.weight": "T mlp.c_proj.weight",
            "ffn_down.bias": "mlp.c_proj.bias",
        },
    ),
    "gpt_neox": (
        {
            "token_embd": "gpt_neox.embed_in",
            "output_norm": "gpt_neox.final_layer_norm",
            "output": "embed_out",
        },
        "gpt_neox.layers",
        _GPT_NEOX,
    ),
}
#: Falcon's decoder with grouped heads has two norms, of which the first is the second's other name.
FALCON_NORMS = {"attn_norm": "ln_mlp", "attn_norm_2": "ln_attn"}

#: Parts of a layer that are published as one tensor, joined along the axis of outputs.
JOINED: Mapping[str, Mapping[tuple[str, ...], str]] = {
    "gpt_oss": {
        ("ffn_gate_exps.weight", "ffn_up_exps.weight"): "EE mlp.experts.gate_up_proj",
        ("ffn_gate_exps.bias", "ffn_up_exps.bias"): "mlp.experts.gate_up_proj_bias",
    },
    "granitemoe": {
        ("ffn_gate_exps.weight", "ffn_up_exps.weight"): "block_sparse_moe.input_linear.weight"
    },
    "granitemoeshared": {
        ("ffn_gate_exps.weight", "ffn_up_exps.weight"): "block_sparse_moe.input_linear.weight",
        ("ffn_gate_shexp.weight", "ffn_up_shexp.weight"): "shared_mlp.input_linear.weight",
    },
}

#: Types whose published names are known here.
NAMED = frozenset([*OWN, *WHOLE])
