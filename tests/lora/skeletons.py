"""Bare models of remote code: what their classes build, module by module, as their sources say.

Written out by hand and not from the rules under test. One list makes both the header of the
checkpoint and, with torch, a model of the same names and classes for PEFT itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hfkv.facts import Facts
from hfkv.tensors import Tensor, TensorTable

__all__ = ["CASES", "Case", "Part"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One module: ``linear`` and ``embedding`` (rows, columns), ``plain`` (a parameter ``weight``
    of its own), ``norm``, ``conv2d`` (out, in, height, width)."""

    name: str
    kind: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A type's tiny model.

    Attributes:
        name, config: the case, and its config.json.
        parts: every module with parameters, in order.
        input, output: what get_input_embeddings() and get_output_embeddings() return.
        tied: whether the head shares the input embedding's weight, and is not saved.
        buffers: tensors of the checkpoint that are no parameters.
        beyond: tensors of the checkpoint that the class does not load.
        targets: a list of names to adapt.
    """

    name: str
    config: dict[str, Any]
    parts: tuple[Part, ...]
    input: str
    output: str | None
    tied: bool = False
    buffers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    beyond: dict[str, tuple[int, ...]] = field(default_factory=dict)
    targets: tuple[str, ...]

    @property
    def linear(self) -> dict[str, tuple[int, ...]]:
        """The linear layers that ``all-linear`` adapts."""
        return {
            part.name: part.shape
            for part in self.parts
            if part.kind == "linear" and part.name != self.output
        }

    def facts(self, **changes: tuple[int, ...] | None) -> Facts:
        """The checkpoint; ``changes`` gives modules other shapes, or takes them away."""
        tensors = {
            f"{part.name}.weight": part.shape
            for part in self.parts
            if not (self.tied and part.name == self.output)
        }
        tensors |= self.buffers | self.beyond
        for name, shape in changes.items():
            if shape is None:
                del tensors[name]
            else:
                tensors[name] = shape
        return Facts(
            model=f"tiny/{self.name}",
            source="directory",
            config={"torch_dtype": "float32", **self.config},
            tensors=TensorTable(
                Tensor(name=name, dtype="F32", shape=shape) for name, shape in tensors.items()
            ),
        )


def _linear(start: str, **sizes: tuple[int, int]) -> list[Part]:
    """(out, in) by name; ``__`` stands for a dot."""
    return [
        Part(name=f"{start}{name.replace('__', '.')}", kind="linear", shape=shape)
        for name, shape in sizes.items()
    ]


def _one(name: str, kind: str, *shape: int) -> Part:
    return Part(name=name, kind=kind, shape=shape)


def _mlp(start: str, size: int) -> list[Part]:
    return _linear(start, gate_proj=(size, 32), up_proj=(size, 32), down_proj=(32, size))


def _heads(start: str, groups: int = 16) -> list[Part]:
    return _linear(
        start, q_proj=(32, 32), k_proj=(groups, 32), v_proj=(groups, 32), o_proj=(32, 32)
    )


def _decoder(
    layers: Iterable[list[Part]],
    *,
    embedding: str = "model.embed_tokens",
    norm: str = "model.norm",
    head: str | None = "lm_head",
    head_kind: str = "linear",
) -> tuple[Part, ...]:
    parts = [_one(embedding, "embedding", 128, 32)]
    for layer in layers:
        parts += layer
    parts.append(_one(norm, "norm", 32))
    if head is not None:
        parts.append(_one(head, head_kind, 128, 32))
    return tuple(parts)


_SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "vocab_size": 128,
    "tie_word_embeddings": False,
}
_LAYERS = range(2)


def _llama(name: str, tied: bool = False, **config: Any) -> Case:
    return Case(
        name=name,
        config={**_SIZES, "model_type": name, "tie_word_embeddings": tied, **config},
        parts=_decoder(
            [
                *_heads(f"model.layers.{n}.self_attn."),
                *_mlp(f"model.layers.{n}.mlp.", 48),
                _one(f"model.layers.{n}.input_layernorm", "norm", 32),
            ]
            for n in _LAYERS
        ),
        input="model.embed_tokens",
        output="lm_head",
        tied=tied,
        targets=("q_proj", "down_proj"),
    )


def _experts(start: str, size: int = 24) -> list[Part]:
    return [part for n in range(4) for part in _mlp(f"{start}experts.{n}.", size)]


def _mixture(
    layer: int, attention: list[Part], gate: Part, shared: str = "shared_experts"
) -> list[Part]:
    """A layer of a mixture, the first one dense."""
    start = f"model.layers.{layer}.mlp."
    if not layer:
        return [*attention, *_mlp(start, 48)]
    return [*attention, gate, *_experts(start), *_mlp(f"{start}{shared}.", 24)]


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
            **_SIZES,
            "model_type": name,
            "head_dim": 8,
            "num_experts": 4,
            "moe_intermediate_size": 24,
        },
        parts=_decoder(
            (
                _mixture(
                    n,
                    _linear(
                        f"model.layers.{n}.attention.", query_key_value=(64, 32), dense=(32, 32)
                    ),
                    _one(f"model.layers.{n}.mlp.gate", "plain", 4, 32),
                )
                for n in _LAYERS
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
    return _linear(start, w1=(size, 32), w2=(32, size), w3=(size, 32))


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
        parts=_decoder(
            (
                _linear(
                    f"transformer.h.{n}.",
                    self_attention__query_key_value=(48, 32),
                    self_attention__dense=(32, 32),
                    mlp__dense_h_to_4h=(128, 32),
                    mlp__dense_4h_to_h=(32, 128),
                )
                for n in _LAYERS
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
        _one(f"{start}ln", "norm", 32),
        *_linear(
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
        parts=_decoder(map(_phi, layers), embedding=embedding, norm=norm, head=head),
        input=embedding,
        output=head,
        targets=("Wqkv", "fc1"),
    )


CASES: tuple[Case, ...] = (
    *map(_llama, ("minicpm", "stablelm_epoch", "PanguEmbedded", "deci")),
    _llama("minicpm", tied=True),
    Case(
        name="internlm",
        config={**_SIZES, "model_type": "internlm"},
        parts=_decoder(
            [
                *_heads(f"model.layers.{n}.self_attn.", 32),
                *_mlp(f"model.layers.{n}.mlp.", 48),
            ]
            for n in _LAYERS
        ),
        input="model.embed_tokens",
        output="lm_head",
        buffers={"model.layers.0.self_attn.rotary_emb.inv_freq": (4,)},
        targets=("q_proj", "o_proj"),
    ),
    Case(
        name="baichuan",
        config={**_SIZES, "model_type": "baichuan"},
        parts=_decoder(
            (
                [
                    *_linear(f"model.layers.{n}.self_attn.", W_pack=(96, 32), o_proj=(32, 32)),
                    *_mlp(f"model.layers.{n}.mlp.", 48),
                ]
                for n in _LAYERS
            ),
            head_kind="plain",
        ),
        input="model.embed_tokens",
        output="lm_head",
        targets=("W_pack",),
    ),
    Case(
        name="internlm2",
        config={**_SIZES, "model_type": "internlm2"},
        parts=_decoder(
            (
                _linear(
                    f"model.layers.{n}.",
                    attention__wqkv=(64, 32),
                    attention__wo=(32, 32),
                    feed_forward__w1=(48, 32),
                    feed_forward__w3=(48, 32),
                    feed_forward__w2=(32, 48),
                )
                for n in _LAYERS
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
        config={**_SIZES, "model_type": "mimo", "head_dim": 8, "num_nextn_predict_layers": 1},
        parts=_decoder(
            [
                *(
                    [
                        *_heads(f"model.layers.{n}.self_attn."),
                        *_mlp(f"model.layers.{n}.mlp.", 48),
                    ]
                    for n in _LAYERS
                ),
                [
                    *_linear("model.mtp_layers.0.", input_proj=(32, 64)),
                    *_heads("model.mtp_layers.0.self_attn."),
                    *_mlp("model.mtp_layers.0.mlp.", 48),
                ],
            ]
        ),
        input="model.embed_tokens",
        output="lm_head",
        targets=("q_proj", "input_proj"),
    ),
    Case(
        name="nemotron-nas",
        config={**_SIZES, "model_type": "nemotron-nas", "intermediate_size": None},
        parts=_decoder(
            [
                [*_heads("model.layers.0.self_attn.", 8), *_mlp("model.layers.0.mlp.", 40)],
                # A block without attention, of another size.
                [*_mlp("model.layers.1.mlp.", 56)],
            ]
        ),
        input="model.embed_tokens",
        output="lm_head",
        targets=("k_proj", "up_proj"),
    ),
    Case(
        name="yuan",
        config={**_SIZES, "model_type": "yuan", "tie_word_embeddings": True},
        parts=_decoder(
            [
                *_heads(f"model.layers.{n}.self_attn.", 32),
                _one(f"model.layers.{n}.self_attn.lf_gate.conv1", "conv2d", 16, 32, 2, 1),
                _one(f"model.layers.{n}.self_attn.lf_gate.conv2", "conv2d", 32, 16, 2, 1),
                _one(f"model.layers.{n}.self_attn.lf_gate.output_layernorm", "norm", 32),
                *_mlp(f"model.layers.{n}.mlp.", 48),
            ]
            for n in _LAYERS
        ),
        input="model.embed_tokens",
        output="lm_head",
        tied=True,
        targets=("q_proj", "conv1"),
    ),
    Case(
        name="deepseek",
        config={
            **_SIZES,
            "model_type": "deepseek",
            "n_routed_experts": 4,
            "moe_intermediate_size": 24,
        },
        parts=_decoder(
            _mixture(
                n,
                _heads(f"model.layers.{n}.self_attn."),
                _one(f"model.layers.{n}.mlp.gate", "plain", 4, 32),
            )
            for n in _LAYERS
        ),
        input="model.embed_tokens",
        output="lm_head",
        targets=("q_proj", "up_proj"),
    ),
    Case(
        name="kimi_k2",
        config={**_SIZES, **_MLA, "model_type": "kimi_k2"},
        parts=_decoder(
            _mixture(
                n,
                _linear(
                    f"model.layers.{n}.self_attn.",
                    q_a_proj=(12, 32),
                    q_b_proj=(48, 12),
                    kv_a_proj_with_mqa=(14, 32),
                    kv_b_proj=(64, 10),
                    o_proj=(32, 32),
                ),
                _one(f"model.layers.{n}.mlp.gate", "plain", 4, 32),
            )
            for n in _LAYERS
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
        config={**_SIZES, "model_type": "arctic", "num_local_experts": 4},
        parts=_decoder(
            [
                *_heads(f"model.layers.{n}.self_attn."),
                *(
                    _w123(f"model.layers.{n}.block_sparse_moe.mlp.", 48)
                    if not n
                    else [
                        _one(f"model.layers.{n}.block_sparse_moe.gate", "linear", 4, 32),
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
            for n in _LAYERS
        ),
        input="model.embed_tokens",
        output="lm_head",
        targets=("q_proj", "w1", "gate"),
    ),
    Case(
        name="hunyuan",
        config={
            **_SIZES,
            "model_type": "hunyuan",
            "attention_head_dim": 8,
            "num_experts": 4,
            "tie_word_embeddings": True,
        },
        parts=_decoder(
            _mixture(
                n,
                _heads(f"model.layers.{n}.self_attn."),
                _one(f"model.layers.{n}.mlp.gate.wg", "linear", 4, 32),
                "shared_mlp",
            )
            for n in _LAYERS
        ),
        input="model.embed_tokens",
        output="lm_head",
        tied=True,
        targets=("q_proj", "wg"),
    ),
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
        parts=_decoder(
            (
                _linear(
                    f"transformer.encoder.layers.{n}.",
                    self_attention__query_key_value=(64, 32),
                    self_attention__dense=(32, 32),
                    mlp__dense_h_to_4h=(96, 32),
                    mlp__dense_4h_to_h=(32, 48),
                )
                for n in _LAYERS
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
        parts=_decoder(
            (
                _linear(
                    f"transformer.layers.{n}.",
                    attention__query_key_value=(96, 32),
                    attention__dense=(32, 32),
                    mlp__dense_h_to_4h=(48, 32),
                    mlp__dense_4h_to_h=(32, 48),
                )
                for n in _LAYERS
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
            **_SIZES,
            "model_type": "qwen",
            "intermediate_size": 96,
            "kv_channels": 8,
        },
        parts=_decoder(
            (
                _linear(
                    f"transformer.h.{n}.",
                    attn__c_attn=(96, 32),
                    attn__c_proj=(32, 32),
                    mlp__w1=(48, 32),
                    mlp__w2=(48, 32),
                    mlp__c_proj=(32, 48),
                )
                for n in _LAYERS
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
        parts=_decoder(
            (
                [
                    *_linear(
                        f"transformer.h.{n}.self_attention.",
                        query=(32, 32),
                        key_value=(32, 32),
                        dense=(32, 32),
                    ),
                    *_mlp(f"transformer.h.{n}.mlp.", 48),
                ]
                for n in _LAYERS
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
        parts=_decoder(
            (
                _linear(
                    f"transformer.h.{n}.",
                    attn__c_attn=(64, 32),
                    attn__c_proj=(32, 32),
                    mlp__c_fc=(48, 32),
                    mlp__c_proj=(32, 48),
                )
                for n in _LAYERS
            ),
            embedding="transformer.wte",
            norm="transformer.ln_f",
        ),
        input="transformer.wte",
        output="lm_head",
        targets=("c_attn", "mlp.c_proj"),
    ),
    Case(
        name="exaone",
        config={
            "model_type": "exaone",
            "hidden_size": 32,
            "intermediate_size": 48,
            "head_dim": 8,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "num_layers": 2,
            "vocab_size": 128,
            "tie_word_embeddings": True,
        },
        parts=_decoder(
            (
                _linear(
                    f"transformer.h.{n}.",
                    attn__attention__q_proj=(32, 32),
                    attn__attention__k_proj=(16, 32),
                    attn__attention__v_proj=(16, 32),
                    attn__attention__out_proj=(32, 32),
                    mlp__c_fc_0=(48, 32),
                    mlp__c_fc_1=(48, 32),
                    mlp__c_proj=(32, 48),
                )
                for n in _LAYERS
            ),
            embedding="transformer.wte",
            norm="transformer.ln_f",
        ),
        input="transformer.wte",
        output="lm_head",
        tied=True,
        targets=("q_proj", "c_fc_0"),
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
        parts=_decoder(
            (
                _linear(
                    f"transformer.h.{n}.",
                    attn__qkv_proj=(96, 32),
                    attn__out_proj=(32, 32),
                    mlp__fc_in=(128, 32),
                    mlp__fc_out=(32, 128),
                )
                for n in _LAYERS
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
        parts=_decoder(
            (
                _linear(
                    f"transformer.layers.{n}.",
                    # Heads and widths grow from layer to layer.
                    attn__qkv_proj=(40 + 8 * n, 32),
                    attn__out_proj=(32, 24 + 8 * n),
                    ffn__proj_1=(64 + 32 * n, 32),
                    ffn__proj_2=(32, 32 + 16 * n),
                )
                for n in _LAYERS
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
        (f"transformer.h.{n}." for n in _LAYERS),
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
