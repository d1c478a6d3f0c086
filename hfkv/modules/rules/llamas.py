"""Decoders that keep Llama's modules, most under Llama's names."""

from __future__ import annotations

from hfkv.modules.rules.rule import (
    HEAD,
    HIDDEN,
    LAYER,
    MLP,
    SELF,
    Rule,
    attention,
    gated,
    head,
    weights,
)

__all__ = ["RULES"]


def _llama(source: str, width: str = HEAD) -> Rule:
    """Llama's modules under Llama's names."""
    return Rule(
        source=source,
        input="model.embed_tokens",
        ties=True,
        weights=(*attention(SELF, width), *gated(MLP, "intermediate_size"), head()),
    )


_DECI = "modeling_decilm.py, DeciLMForCausalLM"

RULES: dict[str, tuple[Rule, ...]] = {
    "baichuan": (
        Rule(
            source="baichuan-inc/Baichuan2-7B-Chat: modeling_baichuan.py, BaichuanForCausalLM",
            input="model.embed_tokens",
            weights=(
                *weights(SELF, "W_pack", f"3 * {HIDDEN}", HIDDEN),
                *weights(SELF, "o_proj", HIDDEN, HIDDEN),
                *gated(MLP, "intermediate_size"),
                # A NormHead in Baichuan 2, a linear layer in the first Baichuan.
                head("head"),
            ),
        ),
    ),
    "deci": (_llama(f"Deci/DeciLM-7B: {_DECI}", "head_dim"),),
    "internlm": (
        Rule(
            source="internlm/internlm-chat-7b: modeling_internlm.py, InternLMForCausalLM",
            input="model.embed_tokens",
            weights=(
                *weights(SELF, "q_proj k_proj v_proj o_proj", HIDDEN, HIDDEN),
                *gated(MLP, "intermediate_size"),
                head(),
            ),
        ),
    ),
    "internlm2": (
        Rule(
            source="internlm/internlm2-chat-7b: modeling_internlm2.py, InternLM2ForCausalLM",
            input="model.tok_embeddings",
            output="output",
            ties=True,
            weights=(
                *weights(
                    f"{LAYER}attention.",
                    "wqkv",
                    f"(num_attention_heads + 2 * num_key_value_heads) * {HEAD}",
                    HIDDEN,
                ),
                *weights(f"{LAYER}attention.", "wo", HIDDEN, HIDDEN),
                *weights(f"{LAYER}feed_forward.", "w1 w3", "intermediate_size", HIDDEN),
                *weights(f"{LAYER}feed_forward.", "w2", HIDDEN, "intermediate_size"),
                *weights("", "output", None, HIDDEN, "once"),
            ),
        ),
    ),
    "mimo": (
        Rule(
            # The layers for multi-token prediction are part of the class.
            source="XiaomiMiMo/MiMo-7B-RL: modeling_mimo.py, MiMoForCausalLM with MiMoMTPLayers",
            input="model.embed_tokens",
            ties=True,
            weights=(
                *attention(SELF, "head_dim"),
                *gated(MLP, "intermediate_size"),
                *weights("model.mtp_layers.{}.", "input_proj", HIDDEN, f"2 * {HIDDEN}", "some"),
                *attention("model.mtp_layers.{}.self_attn.", "head_dim", "some"),
                *gated("model.mtp_layers.{}.mlp.", "intermediate_size", "some"),
                head(),
            ),
        ),
    ),
    "minicpm": (_llama("openbmb/MiniCPM-2B-sft-bf16: modeling_minicpm.py, MiniCPMForCausalLM"),),
    "nemotron-nas": (
        Rule(
            source=f"nvidia/Llama-3_1-Nemotron-51B-Instruct: {_DECI}",
            input="model.embed_tokens",
            ties=True,
            # Each block has or lacks attention and MLP, of sizes of its own.
            weights=(
                *weights(SELF, "q_proj k_proj v_proj", None, HIDDEN, "some"),
                *weights(SELF, "o_proj", HIDDEN, None, "some"),
                *gated(MLP, None, "some"),
                head(),
            ),
        ),
    ),
    "PanguEmbedded": (
        _llama(
            "FreedomIntelligence/openPangu-Embedded-7B: modeling_openpangu_dense.py, "
            "PanguEmbeddedForCausalLM"
        ),
    ),
    "stablelm_epoch": (
        _llama("stabilityai/stable-code-3b: modeling_stablelm_epoch.py, StableLMEpochForCausalLM"),
    ),
    "yuan": (
        Rule(
            source="IEITYuan/Yuan2-2B-hf: yuan_hf_model.py, YuanForCausalLM",
            input="model.embed_tokens",
            ties=True,
            weights=(
                *weights(SELF, "q_proj k_proj qk_proj", None, HIDDEN, "some"),
                *weights(SELF, "v_proj", None, HIDDEN),
                *weights(SELF, "o_proj", HIDDEN, None),
                *weights(
                    f"{SELF}lf_gate.", "conv1", f"{HIDDEN} // 2", HIDDEN, "some", kind="conv2d"
                ),
                *weights(
                    f"{SELF}lf_gate.", "conv2", HIDDEN, f"{HIDDEN} // 2", "some", kind="conv2d"
                ),
                *gated(MLP, "intermediate_size", "some"),
                head(),
            ),
        ),
    ),
}
