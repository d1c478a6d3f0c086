"""Decoders with names of their own."""

from __future__ import annotations

from typing import Any

from tests.modules.skeletons.bare_model import LAYERS, SIZES, Case, Part, decoder, linear, mlp, one

__all__ = ["CASES"]


def _web(name: str) -> Case:
    return Case(
        name=name,
        config={
            "model_type": name,
            "hidden_size": 32,
            "n_head": 4,
            "n_layer": 2,
            "vocab_size": 128,
            "tie_word_embeddings": False,
        },
        parts=decoder(
            (
                linear(
                    f"transformer.h.{n}.",
                    self_attention__query_key_value=(48, 32),
                    self_attention__dense=(32, 32),
                    mlp__dense_h_to_4h=(128, 32),
                    mlp__dense_4h_to_h=(32, 128),
                )
                for n in LAYERS
            ),
            embedding="transformer.word_embeddings",
            norm="transformer.ln_f",
        ),
        input="transformer.word_embeddings",
        output="lm_head",
        targets=("query_key_value", "dense"),
    )


def _phi(start: str) -> list[Part]:
    return [
        one(f"{start}ln", "norm", 32),
        *linear(
            start,
            mixer__Wqkv=(96, 32),
            mixer__out_proj=(32, 32),
            mlp__fc1=(128, 32),
            mlp__fc2=(32, 128),
        ),
    ]


def _first_phi(name: str, layers: Any, **names: str) -> Case:
    embedding, norm, head = names["embedding"], names["norm"], names["head"]
    return Case(
        name=name,
        config={
            "model_type": name,
            "n_embd": 32,
            "n_head": 4,
            "n_layer": 2,
            "vocab_size": 128,
            "tie_word_embeddings": False,
        },
        parts=decoder(map(_phi, layers), embedding=embedding, norm=norm, head=head),
        input=embedding,
        output=head,
        targets=("Wqkv", "fc1"),
    )


CASES: tuple[Case, ...] = (
    Case(
        name="chatglm",
        config={
            "model_type": "chatglm",
            "hidden_size": 32,
            "ffn_hidden_size": 48,
            "num_attention_heads": 4,
            "kv_channels": 8,
            "multi_query_attention": True,
            "multi_query_group_num": 2,
            "num_layers": 2,
            "padded_vocab_size": 128,
            "tie_word_embeddings": False,
        },
        parts=decoder(
            (
                linear(
                    f"transformer.encoder.layers.{n}.",
                    self_attention__query_key_value=(64, 32),
                    self_attention__dense=(32, 32),
                    mlp__dense_h_to_4h=(96, 32),
                    mlp__dense_4h_to_h=(32, 48),
                )
                for n in LAYERS
            ),
            embedding="transformer.embedding.word_embeddings",
            norm="transformer.encoder.final_layernorm",
            head="transformer.output_layer",
        ),
        input="transformer.embedding.word_embeddings",
        # The class returns none, so that the head is a layer as any other.
        output=None,
        buffers={"transformer.rotary_pos_emb.inv_freq": (4,)},
        targets=("dense",),
    ),
    Case(
        name="chatglm",
        config={
            "model_type": "chatglm",
            "hidden_size": 32,
            "inner_hidden_size": 48,
            "num_attention_heads": 4,
            "num_layers": 2,
            "vocab_size": 128,
        },
        parts=decoder(
            (
                linear(
                    f"transformer.layers.{n}.",
                    attention__query_key_value=(96, 32),
                    attention__dense=(32, 32),
                    mlp__dense_h_to_4h=(48, 32),
                    mlp__dense_4h_to_h=(32, 48),
                )
                for n in LAYERS
            ),
            embedding="transformer.word_embeddings",
            norm="transformer.final_layernorm",
        ),
        input="transformer.word_embeddings",
        output="lm_head",
        targets=("query_key_value",),
    ),
    Case(
        name="qwen",
        config={
            **SIZES,
            "model_type": "qwen",
            "intermediate_size": 96,
            "kv_channels": 8,
        },
        parts=decoder(
            (
                linear(
                    f"transformer.h.{n}.",
                    attn__c_attn=(96, 32),
                    attn__c_proj=(32, 32),
                    mlp__w1=(48, 32),
                    mlp__w2=(48, 32),
                    mlp__c_proj=(32, 48),
                )
                for n in LAYERS
            ),
            embedding="transformer.wte",
            norm="transformer.ln_f",
        ),
        input="transformer.wte",
        output="lm_head",
        targets=("c_attn", "attn.c_proj"),
    ),
    Case(
        name="telechat",
        config={
            "model_type": "telechat",
            "hidden_size": 32,
            "ffn_hidden_size": 48,
            "n_head": 4,
            "n_layer": 2,
            "num_key_value_heads": 2,
            "vocab_size": 128,
            "tie_word_embeddings": False,
        },
        parts=decoder(
            (
                [
                    *linear(
                        f"transformer.h.{n}.self_attention.",
                        query=(32, 32),
                        key_value=(32, 32),
                        dense=(32, 32),
                    ),
                    *mlp(f"transformer.h.{n}.mlp.", 48),
                ]
                for n in LAYERS
            ),
            embedding="transformer.word_embeddings",
            norm="transformer.ln_f",
        ),
        input="transformer.word_embeddings",
        output="lm_head",
        targets=("query", "key_value"),
    ),
    _web("RefinedWeb"),
    _web("RefinedWebModel"),
    Case(
        name="codeshell",
        config={
            "model_type": "codeshell",
            "n_embd": 32,
            "n_head": 4,
            "n_inner": 48,
            "n_layer": 2,
            "vocab_size": 128,
            "tie_word_embeddings": False,
        },
        parts=decoder(
            (
                linear(
                    f"transformer.h.{n}.",
                    attn__c_attn=(64, 32),
                    attn__c_proj=(32, 32),
                    mlp__c_fc=(48, 32),
                    mlp__c_proj=(32, 48),
                )
                for n in LAYERS
            ),
            embedding="transformer.wte",
            norm="transformer.ln_f",
        ),
        input="transformer.wte",
        output="lm_head",
        targets=("c_attn", "mlp.c_proj"),
    ),
    Case(
        name="moss",
        config={
            "model_type": "moss",
            "n_embd": 32,
            "n_head": 4,
            "n_layer": 2,
            "vocab_size": 128,
            "tie_word_embeddings": False,
        },
        parts=decoder(
            (
                linear(
                    f"transformer.h.{n}.",
                    attn__qkv_proj=(96, 32),
                    attn__out_proj=(32, 32),
                    mlp__fc_in=(128, 32),
                    mlp__fc_out=(32, 128),
                )
                for n in LAYERS
            ),
            embedding="transformer.wte",
            norm="transformer.ln_f",
        ),
        input="transformer.wte",
        output="lm_head",
        buffers={"transformer.h.0.attn.causal_mask": (1, 1, 16, 16)},
        targets=("qkv_proj", "fc_in"),
    ),
    Case(
        name="openelm",
        config={
            "model_type": "openelm",
            "model_dim": 32,
            "num_transformer_layers": 2,
            "share_input_output_layers": True,
            "vocab_size": 128,
        },
        parts=decoder(
            (
                linear(
                    f"transformer.layers.{n}.",
                    # Heads and widths grow from layer to layer.
                    attn__qkv_proj=(40 + 8 * n, 32),
                    attn__out_proj=(32, 24 + 8 * n),
                    ffn__proj_1=(64 + 32 * n, 32),
                    ffn__proj_2=(32, 32 + 16 * n),
                )
                for n in LAYERS
            ),
            embedding="transformer.token_embeddings",
            norm="transformer.norm",
            head=None,
        ),
        input="transformer.token_embeddings",
        output=None,
        targets=("qkv_proj",),
    ),
    _first_phi(
        "phi-msft",
        (f"transformer.h.{n}." for n in LAYERS),
        embedding="transformer.embd.wte",
        norm="lm_head.ln",
        head="lm_head.linear",
    ),
    _first_phi(
        "mixformer-sequential",
        (f"layers.{n}." for n in (1, 2)),
        embedding="layers.0.wte",
        norm="layers.3.ln",
        head="layers.3.linear",
    ),
)
