"""Decoders that keep Llama's modules."""

from __future__ import annotations

from typing import Any

from tests.modules.skeletons.bare_model import LAYERS, SIZES, Case, decoder, heads, linear, mlp, one

__all__ = ["CASES"]


def _llama(name: str, tied: bool = False, **config: Any) -> Case:
    return Case(
        name=name,
        config={**SIZES, "model_type": name, "tie_word_embeddings": tied, **config},
        parts=decoder(
            [
                *heads(f"model.layers.{n}.self_attn."),
                *mlp(f"model.layers.{n}.mlp.", 48),
                one(f"model.layers.{n}.input_layernorm", "norm", 32),
            ]
            for n in LAYERS
        ),
        input="model.embed_tokens",
        output="lm_head",
        tied=tied,
        targets=("q_proj", "down_proj"),
    )


CASES: tuple[Case, ...] = (
    *map(_llama, ("minicpm", "stablelm_epoch", "PanguEmbedded", "deci")),
    _llama("minicpm", tied=True),
    Case(
        name="internlm",
        config={**SIZES, "model_type": "internlm"},
        parts=decoder(
            [
                *heads(f"model.layers.{n}.self_attn.", 32),
                *mlp(f"model.layers.{n}.mlp.", 48),
            ]
            for n in LAYERS
        ),
        input="model.embed_tokens",
        output="lm_head",
        buffers={"model.layers.0.self_attn.rotary_emb.inv_freq": (4,)},
        targets=("q_proj", "o_proj"),
    ),
    Case(
        name="baichuan",
        config={**SIZES, "model_type": "baichuan"},
        parts=decoder(
            (
                [
                    *linear(f"model.layers.{n}.self_attn.", W_pack=(96, 32), o_proj=(32, 32)),
                    *mlp(f"model.layers.{n}.mlp.", 48),
                ]
                for n in LAYERS
            ),
            head_kind="plain",
        ),
        input="model.embed_tokens",
        output="lm_head",
        targets=("W_pack",),
    ),
    Case(
        name="internlm2",
        config={**SIZES, "model_type": "internlm2"},
        parts=decoder(
            (
                linear(
                    f"model.layers.{n}.",
                    attention__wqkv=(64, 32),
                    attention__wo=(32, 32),
                    feed_forward__w1=(48, 32),
                    feed_forward__w3=(48, 32),
                    feed_forward__w2=(32, 48),
                )
                for n in LAYERS
            ),
            embedding="model.tok_embeddings",
            head="output",
        ),
        input="model.tok_embeddings",
        output="output",
        targets=("wqkv", "w2"),
    ),
    Case(
        name="mimo",
        config={**SIZES, "model_type": "mimo", "head_dim": 8, "num_nextn_predict_layers": 1},
        parts=decoder(
            [
                *(
                    [
                        *heads(f"model.layers.{n}.self_attn."),
                        *mlp(f"model.layers.{n}.mlp.", 48),
                    ]
                    for n in LAYERS
                ),
                [
                    *linear("model.mtp_layers.0.", input_proj=(32, 64)),
                    *heads("model.mtp_layers.0.self_attn."),
                    *mlp("model.mtp_layers.0.mlp.", 48),
                ],
            ]
        ),
        input="model.embed_tokens",
        output="lm_head",
        targets=("q_proj", "input_proj"),
    ),
    Case(
        name="nemotron-nas",
        config={**SIZES, "model_type": "nemotron-nas", "intermediate_size": None},
        parts=decoder(
            [
                [*heads("model.layers.0.self_attn.", 8), *mlp("model.layers.0.mlp.", 40)],
                # A block without attention, of another size.
                [*mlp("model.layers.1.mlp.", 56)],
            ]
        ),
        input="model.embed_tokens",
        output="lm_head",
        targets=("k_proj", "up_proj"),
    ),
    Case(
        name="yuan",
        config={**SIZES, "model_type": "yuan", "tie_word_embeddings": True},
        parts=decoder(
            [
                *heads(f"model.layers.{n}.self_attn.", 32),
                one(f"model.layers.{n}.self_attn.lf_gate.conv1", "conv2d", 16, 32, 2, 1),
                one(f"model.layers.{n}.self_attn.lf_gate.conv2", "conv2d", 32, 16, 2, 1),
                one(f"model.layers.{n}.self_attn.lf_gate.output_layernorm", "norm", 32),
                *mlp(f"model.layers.{n}.mlp.", 48),
            ]
            for n in LAYERS
        ),
        input="model.embed_tokens",
        output="lm_head",
        tied=True,
        targets=("q_proj", "conv1"),
    ),
)
