"""Mixtures: one linear layer per expert and projection; what routes, each for itself."""

from __future__ import annotations

from hfkv.modules.rules.rule import (
    HIDDEN,
    LAYER,
    MLP,
    SELF,
    Rule,
    Size,
    Weight,
    attention,
    gated,
    head,
    weights,
)

__all__ = ["RULES"]


def _mixture(experts: Size, shared: str = "shared_experts") -> tuple[Weight, ...]:
    """Dense layers' MLPs and, in others, one linear layer per expert and projection."""
    return (
        *gated(MLP, "intermediate_size", "some"),
        *gated(f"{MLP}experts.{{}}.", experts, "some"),
        *gated(f"{MLP}{shared}.", None, "some"),
    )


_DEEPSEEK_HEADS = "num_attention_heads * (qk_nope_head_dim + qk_rope_head_dim)"
_ARCTIC = f"{LAYER}block_sparse_moe."
_BAILING = "(num_attention_heads + 2 * num_key_value_heads) * head_dim"


def _ling(source: str, head: Weight, buffers: str = "") -> Rule:
    """Ling, with a router for each kind of input in its kin for images and sound."""
    return Rule(
        source=source,
        input="model.word_embeddings",
        ties=True,
        experts=("num_experts",),
        # Whether its layers for multi-token prediction are built was not read.
        beyond="not known",
        buffers=buffers,
        weights=(
            *weights(f"{LAYER}attention.", "query_key_value", _BAILING, HIDDEN),
            *weights(f"{LAYER}attention.", "dense", HIDDEN, "num_attention_heads * head_dim"),
            *_mixture("moe_intermediate_size"),
            *weights(
                MLP, "gate image_gate audio_gate", "num_experts", HIDDEN, "some", kind="other"
            ),
            head,
        ),
    )


RULES: dict[str, tuple[Rule, ...]] = {
    "arctic": (
        Rule(
            source="Snowflake/snowflake-arctic-base: modeling_arctic.py, ArcticForCausalLM without "
            "DeepSpeed",
            input="model.embed_tokens",
            ties=True,
            experts=("num_local_experts",),
            weights=(
                *attention(SELF),
                *weights(f"{_ARCTIC}mlp.", "w1 w3", "intermediate_size", HIDDEN, "some"),
                *weights(f"{_ARCTIC}mlp.", "w2", HIDDEN, "intermediate_size", "some"),
                *weights(f"{_ARCTIC}experts.{{}}.", "w1 w3", "intermediate_size", HIDDEN, "some"),
                *weights(f"{_ARCTIC}experts.{{}}.", "w2", HIDDEN, "intermediate_size", "some"),
                *weights(_ARCTIC, "gate", "num_local_experts", HIDDEN, "some"),
                *weights(f"{LAYER}residual_mlp.", "w1 w2 w3", HIDDEN, HIDDEN, "some"),
                head(),
            ),
        ),
    ),
    "bailing_moe": (
        _ling(
            "inclusionAI/Ming-UniVision: modeling_bailing_moe.py, BailingMoeSparseMoeBlock",
            # Its class was not read.
            head("head"),
        ),
    ),
    "bailing_moe_v2": (
        _ling(
            "inclusionAI/Ling-mini-2.0: modeling_bailing_moe_v2.py, BailingMoeV2ForCausalLM",
            head(),
            r"\.expert_bias$",
        ),
    ),
    "deepseek": (
        Rule(
            source="deepseek-ai/deepseek-moe-16b-base: modeling_deepseek.py, DeepseekForCausalLM",
            input="model.embed_tokens",
            ties=True,
            experts=("n_routed_experts",),
            weights=(
                *attention(SELF),
                *_mixture("moe_intermediate_size"),
                *weights(MLP, "gate", "n_routed_experts", HIDDEN, "some", kind="other"),
                head(),
            ),
        ),
    ),
    "hunyuan": (
        Rule(
            source="tencent/Hunyuan-A13B-Instruct: modeling_hunyuan.py, HunYuanMoE",
            input="model.embed_tokens",
            ties=True,
            experts=("num_experts",),
            weights=(
                # Layers can share the keys and values of the one before.
                *weights(SELF, "q_proj", "num_attention_heads * attention_head_dim", HIDDEN),
                *weights(
                    SELF,
                    "k_proj v_proj",
                    "num_key_value_heads * attention_head_dim",
                    HIDDEN,
                    "some",
                ),
                *weights(SELF, "o_proj", HIDDEN, "num_attention_heads * attention_head_dim"),
                *_mixture(None, "shared_mlp"),
                *weights(MLP, "gate.wg", "num_experts", HIDDEN, "some"),
                head(),
            ),
        ),
    ),
    "kimi_k2": (
        Rule(
            source="moonshotai/Kimi-K2-Instruct: modeling_deepseek.py, DeepseekV3ForCausalLM",
            input="model.embed_tokens",
            ties=True,
            experts=("n_routed_experts",),
            weights=(
                *weights(SELF, "q_proj", _DEEPSEEK_HEADS, HIDDEN, "some"),
                *weights(SELF, "q_a_proj", "q_lora_rank", HIDDEN, "some"),
                *weights(SELF, "q_b_proj", _DEEPSEEK_HEADS, "q_lora_rank", "some"),
                *weights(SELF, "kv_a_proj_with_mqa", "kv_lora_rank + qk_rope_head_dim", HIDDEN),
                *weights(
                    SELF,
                    "kv_b_proj",
                    "num_attention_heads * (qk_nope_head_dim + v_head_dim)",
                    "kv_lora_rank",
                ),
                *weights(SELF, "o_proj", HIDDEN, "num_attention_heads * v_head_dim"),
                *_mixture("moe_intermediate_size"),
                *weights(MLP, "gate", "n_routed_experts", HIDDEN, "some", kind="other"),
                head(),
            ),
        ),
    ),
}
