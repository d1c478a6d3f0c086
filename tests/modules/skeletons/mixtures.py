"""Mixtures of experts."""

from __future__ import annotations

from tests.modules.skeletons.bare_model import (
    LAYERS,
    SIZES,
    Case,
    Part,
    decoder,
    heads,
    linear,
    mlp,
    one,
)

__all__ = ["CASES"]


def _experts(start: str, size: int = 24) -> list[Part]:
    return [part for n in range(4) for part in mlp(f"{start}experts.{n}.", size)]


def _mixture(
    layer: int, attention: list[Part], gate: Part, shared: str = "shared_experts"
) -> list[Part]:
    """A layer of a mixture, the first one dense."""
    start = f"model.layers.{layer}.mlp."
    if not layer:
        return [*attention, *mlp(start, 48)]
    return [*attention, gate, *_experts(start), *mlp(f"{start}{shared}.", 24)]


_MLA = {
    "q_lora_rank": 12,
    "kv_lora_rank": 10,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "v_head_dim": 8,
    "n_routed_experts": 4,
    "moe_intermediate_size": 24,
}


def _ling(name: str, head: str, buffers: dict[str, tuple[int, ...]] | None = None) -> Case:
    return Case(
        name=name,
        config={
            **SIZES,
            "model_type": name,
            "head_dim": 8,
            "num_experts": 4,
            "moe_intermediate_size": 24,
        },
        parts=decoder(
            (
                _mixture(
                    n,
                    linear(
                        f"model.layers.{n}.attention.", query_key_value=(64, 32), dense=(32, 32)
                    ),
                    one(f"model.layers.{n}.mlp.gate", "plain", 4, 32),
                )
                for n in LAYERS
            ),
            embedding="model.word_embeddings",
            head_kind=head,
        ),
        input="model.word_embeddings",
        output="lm_head",
        buffers=buffers or {},
        targets=("query_key_value",),
    )


def _w123(start: str, size: int) -> list[Part]:
    return linear(start, w1=(size, 32), w2=(32, size), w3=(size, 32))


CASES: tuple[Case, ...] = (
    Case(
        name="deepseek",
        config={
            **SIZES,
            "model_type": "deepseek",
            "n_routed_experts": 4,
            "moe_intermediate_size": 24,
        },
        parts=decoder(
            _mixture(
                n,
                heads(f"model.layers.{n}.self_attn."),
                one(f"model.layers.{n}.mlp.gate", "plain", 4, 32),
            )
            for n in LAYERS
        ),
        input="model.embed_tokens",
        output="lm_head",
        targets=("q_proj", "up_proj"),
    ),
    Case(
        name="kimi_k2",
        config={**SIZES, **_MLA, "model_type": "kimi_k2"},
        parts=decoder(
            _mixture(
                n,
                linear(
                    f"model.layers.{n}.self_attn.",
                    q_a_proj=(12, 32),
                    q_b_proj=(48, 12),
                    kv_a_proj_with_mqa=(14, 32),
                    kv_b_proj=(64, 10),
                    o_proj=(32, 32),
                ),
                one(f"model.layers.{n}.mlp.gate", "plain", 4, 32),
            )
            for n in LAYERS
        ),
        input="model.embed_tokens",
        output="lm_head",
        # A layer for multi-token prediction, which the class does not build.
        beyond={"model.layers.2.eh_proj.weight": (32, 64), "model.layers.2.enorm.weight": (32,)},
        targets=("q_a_proj", "down_proj"),
    ),
    _ling("bailing_moe", "plain"),
    _ling("bailing_moe_v2", "linear", {"model.layers.1.mlp.gate.expert_bias": (4,)}),
    Case(
        name="arctic",
        config={**SIZES, "model_type": "arctic", "num_local_experts": 4},
        parts=decoder(
            [
                *heads(f"model.layers.{n}.self_attn."),
                *(
                    _w123(f"model.layers.{n}.block_sparse_moe.mlp.", 48)
                    if not n
                    else [
                        one(f"model.layers.{n}.block_sparse_moe.gate", "linear", 4, 32),
                        *(
                            part
                            for expert in range(4)
                            for part in _w123(
                                f"model.layers.{n}.block_sparse_moe.experts.{expert}.", 48
                            )
                        ),
                        *_w123(f"model.layers.{n}.residual_mlp.", 32),
                    ]
                ),
            ]
            for n in LAYERS
        ),
        input="model.embed_tokens",
        output="lm_head",
        targets=("q_proj", "w1", "gate"),
    ),
    Case(
        name="hunyuan",
        config={
            **SIZES,
            "model_type": "hunyuan",
            "attention_head_dim": 8,
            "num_experts": 4,
            "tie_word_embeddings": True,
        },
        parts=decoder(
            _mixture(
                n,
                heads(f"model.layers.{n}.self_attn."),
                one(f"model.layers.{n}.mlp.gate.wg", "linear", 4, 32),
                "shared_mlp",
            )
            for n in LAYERS
        ),
        input="model.embed_tokens",
        output="lm_head",
        tied=True,
        targets=("q_proj", "wg"),
    ),
)
