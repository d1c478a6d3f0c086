"""Decoders whose names follow GPT-2, Bloom or GLM: blocks in ``transformer``, and most with one
projection for query, key and value."""

from __future__ import annotations

from hfkv.modules.rules.rule import BLOCK, HIDDEN, Rule, Weight, gated, head, weights

__all__ = ["RULES"]


def _first_web(repository: str) -> Rule:
    """Falcon's first code."""
    return Rule(
        # Its Linear is a class derived from nn.Linear.
        source=f"{repository}: modelling_RW.py, RWForCausalLM",
        input="transformer.word_embeddings",
        ties=True,
        container="transformer.h",
        layers=("n_layer", "num_hidden_layers"),
        weights=(
            *weights(f"{BLOCK}self_attention.", "query_key_value", None, HIDDEN),
            *weights(f"{BLOCK}self_attention.", "dense", HIDDEN, HIDDEN),
            *weights(f"{BLOCK}mlp.", "dense_h_to_4h", f"4 * {HIDDEN}", HIDDEN),
            *weights(f"{BLOCK}mlp.", "dense_4h_to_h", HIDDEN, f"4 * {HIDDEN}"),
            head(),
        ),
    )


def _first_phi(start: str) -> tuple[Weight, ...]:
    """A block of Phi's first code."""
    return (
        *weights(start, "mixer.Wqkv", None, "n_embd"),
        *weights(start, "mixer.out_proj", "n_embd", None),
        *weights(start, "mlp.fc1", None, "n_embd"),
        *weights(start, "mlp.fc2", "n_embd", None),
    )


_GLM = "transformer.encoder.layers.{}."
_QWEN = "kv_channels * num_attention_heads"
_FIRST_GLM = "transformer.layers.{}."

RULES: dict[str, tuple[Rule, ...]] = {
    "chatglm": (
        Rule(
            # No get_output_embeddings and no lm_head: output_layer is a layer as any other.
            source="THUDM/chatglm3-6b: modeling_chatglm.py, ChatGLMForConditionalGeneration, whose "
            "get_output_embeddings() is None",
            input="transformer.embedding.word_embeddings",
            output=None,
            container="transformer.encoder.layers",
            layers=("num_layers",),
            weights=(
                *weights(f"{_GLM}self_attention.", "query_key_value", None, HIDDEN),
                *weights(
                    f"{_GLM}self_attention.", "dense", HIDDEN, "kv_channels * num_attention_heads"
                ),
                *weights(f"{_GLM}mlp.", "dense_h_to_4h", "2 * ffn_hidden_size", HIDDEN),
                *weights(f"{_GLM}mlp.", "dense_4h_to_h", HIDDEN, "ffn_hidden_size"),
                *weights("transformer.", "output_layer", None, HIDDEN, "once"),
            ),
        ),
        Rule(
            source="THUDM/chatglm-6b: modeling_chatglm.py, ChatGLMForConditionalGeneration",
            input="transformer.word_embeddings",
            container="transformer.layers",
            layers=("num_layers",),
            weights=(
                *weights(f"{_FIRST_GLM}attention.", "query_key_value", f"3 * {HIDDEN}", HIDDEN),
                *weights(f"{_FIRST_GLM}attention.", "dense", HIDDEN, HIDDEN),
                *weights(f"{_FIRST_GLM}mlp.", "dense_h_to_4h", "inner_hidden_size", HIDDEN),
                *weights(f"{_FIRST_GLM}mlp.", "dense_4h_to_h", HIDDEN, "inner_hidden_size"),
                head(),
            ),
        ),
    ),
    "codeshell": (
        Rule(
            source="WisdomShell/CodeShell-7B: modeling_codeshell.py, CodeShellForCausalLM",
            input="transformer.wte",
            ties=True,
            container="transformer.h",
            layers=("n_layer", "num_hidden_layers"),
            weights=(
                *weights(f"{BLOCK}attn.", "c_attn", None, "n_embd"),
                *weights(f"{BLOCK}attn.", "c_proj", "n_embd", "n_embd"),
                *weights(f"{BLOCK}mlp.", "c_fc", "n_inner", "n_embd"),
                *weights(f"{BLOCK}mlp.", "c_proj", "n_embd", "n_inner"),
                head(size="n_embd"),
            ),
        ),
    ),
    "exaone": (
        Rule(
            source="LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct: modeling_exaone.py, ExaoneForCausalLM",
            input="transformer.wte",
            ties=True,
            container="transformer.h",
            layers=("num_layers", "num_hidden_layers"),
            weights=(
                *weights(
                    f"{BLOCK}attn.attention.", "q_proj", "num_attention_heads * head_dim", HIDDEN
                ),
                *weights(
                    f"{BLOCK}attn.attention.",
                    "k_proj v_proj",
                    "num_key_value_heads * head_dim",
                    HIDDEN,
                ),
                *weights(
                    f"{BLOCK}attn.attention.", "out_proj", HIDDEN, "num_attention_heads * head_dim"
                ),
                *weights(f"{BLOCK}mlp.", "c_fc_0 c_fc_1", "intermediate_size", HIDDEN),
                *weights(f"{BLOCK}mlp.", "c_proj", HIDDEN, "intermediate_size"),
                head(),
            ),
        ),
    ),
    "mixformer-sequential": (
        Rule(
            source="microsoft/phi-1_5: modeling_mixformer_sequential.py, "
            "MixFormerSequentialForCausalLM",
            input="layers.{}.wte",
            output="layers.{}.linear",
            container="layers",
            layers=("n_layer",),
            # One list for the embedding, the blocks and the head.
            first=1,
            beyond="other",
            weights=(
                *_first_phi("layers.{}."),
                *weights("layers.{}.", "linear", None, "n_embd", "once"),
            ),
        ),
    ),
    "moss": (
        Rule(
            source="fnlp/moss-moon-003-base: modeling_moss.py, MossForCausalLM",
            input="transformer.wte",
            container="transformer.h",
            layers=("n_layer",),
            buffers=r"\.attn\.causal_mask$",
            weights=(
                *weights(f"{BLOCK}attn.", "qkv_proj", "3 * n_embd", "n_embd"),
                *weights(f"{BLOCK}attn.", "out_proj", "n_embd", "n_embd"),
                *weights(f"{BLOCK}mlp.", "fc_in", None, "n_embd"),
                *weights(f"{BLOCK}mlp.", "fc_out", "n_embd", None),
                head(size="n_embd"),
            ),
        ),
    ),
    "openelm": (
        Rule(
            source="apple/OpenELM-1_1B: modeling_openelm.py, OpenELMForCausalLM",
            input="transformer.token_embeddings",
            headless="share_input_output_layers",
            container="transformer.layers",
            layers=("num_transformer_layers",),
            weights=(
                *weights("transformer.layers.{}.attn.", "qkv_proj", None, "model_dim"),
                *weights("transformer.layers.{}.attn.", "out_proj", "model_dim", None),
                *weights("transformer.layers.{}.ffn.", "proj_1", None, "model_dim"),
                *weights("transformer.layers.{}.ffn.", "proj_2", "model_dim", None),
                head(size="model_dim"),
            ),
        ),
    ),
    "phi-msft": (
        Rule(
            source="microsoft/phi-2: modeling_phi.py before it came to transformers, "
            "PhiForCausalLM",
            input="transformer.embd.wte",
            output="lm_head.linear",
            container="transformer.h",
            layers=("n_layer",),
            weights=(
                *_first_phi(BLOCK),
                *weights("lm_head.", "linear", None, "n_embd", "once"),
            ),
        ),
    ),
    "qwen": (
        Rule(
            source="Qwen/Qwen-7B: modeling_qwen.py, QWenLMHeadModel",
            input="transformer.wte",
            container="transformer.h",
            weights=(
                *weights(
                    f"{BLOCK}attn.", "c_attn", "3 * kv_channels * num_attention_heads", HIDDEN
                ),
                *weights(f"{BLOCK}attn.", "c_proj", _QWEN, HIDDEN),
                *weights(f"{BLOCK}mlp.", "w1 w2", "intermediate_size // 2", HIDDEN),
                *weights(f"{BLOCK}mlp.", "c_proj", HIDDEN, "intermediate_size // 2"),
                head(),
            ),
        ),
    ),
    "RefinedWeb": (_first_web("tiiuae/falcon-40b"),),
    "RefinedWebModel": (_first_web("tiiuae/falcon-7b"),),
    "telechat": (
        Rule(
            source="Tele-AI/telechat-7B: modeling_telechat.py, TelechatForCausalLM",
            input="transformer.word_embeddings",
            ties=True,
            container="transformer.h",
            layers=("n_layer", "num_hidden_layers"),
            weights=(
                *weights(f"{BLOCK}self_attention.", "query dense", HIDDEN, HIDDEN),
                *weights(
                    f"{BLOCK}self_attention.",
                    "key_value",
                    "2 * num_key_value_heads * (hidden_size // n_head)",
                    HIDDEN,
                ),
                *gated(f"{BLOCK}mlp.", "ffn_hidden_size"),
                head(),
            ),
        ),
    ),
}
