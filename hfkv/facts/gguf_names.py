"""From the tensor names of a GGUF file to those under which the model is published.

llama.cpp's converter renames tensors, stacks a layer's experts into one tensor, and for latent
attention splits one projection into two. Everything after this reads published names, so each is
turned back: names by the tables below, stacks into the experts' own matrices, shapes and bytes
with them. Values are never read, so their order within a tensor (rotary pairs) does not matter.

Sources: ``tensor_mapping.py`` of the ``gguf`` package and llama.cpp's converter. The tests compare
the result with the published names of the very models that the converter was given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hfkv.tensors import Tensor, TensorTable

__all__ = ["NAMED", "published"]

_BLOCK = re.compile(r"blk\.(0|[1-9][0-9]{0,5})\.(.+)")

#: Outside the layers. Names are without ``.weight`` or ``.bias``.
_TOP = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
#: Within a layer, after ``blk.N.`` and ``model.layers.N.``.
_LAYER = {
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
_OWN: Mapping[str, Mapping[str, str]] = {
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
    "internlm3": {},
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
    "mistral": {},
    "mixtral": _W123,
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
}
#: Names outside the layers, where they are otherwise.
_OWN_TOP: Mapping[str, Mapping[str, str]] = {
    "lfm2": {**_TOP, "token_embd_norm": "model.embedding_norm"},
    "phi": {**_TOP, "output_norm": "model.final_layernorm"},
}
#: Types whose names are all their own: outside the layers, the beginning of a layer's, in a layer.
_WHOLE: Mapping[str, tuple[Mapping[str, str], str, Mapping[str, str]]] = {
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
_FALCON_NORMS = {"attn_norm": "ln_mlp", "attn_norm_2": "ln_attn"}

#: Parts of a layer that are published as one tensor, joined along the axis of outputs.
_JOINED: Mapping[str, Mapping[tuple[str, ...], str]] = {
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
NAMED = frozenset([*_OWN, *_WHOLE])


def published(
    tensors: TensorTable, model_type: str, config: Mapping[str, Any]
) -> tuple[TensorTable, tuple[str, ...]]:
    """The tensors under the names that ``model_type`` is published with.

    Args:
        model_type: one of :data:`NAMED`.
        config: the heads in it tell where a joined query, key and value are cut.

    Returns:
        The table, and the names of matrices in the model's layers for which no name is known.
    """
    renamer = _Renamer(tensors, model_type, config)
    made = TensorTable(renamer.run())
    return made, tuple(renamer.unknown)


class _Renamer:
    def __init__(self, tensors: TensorTable, model_type: str, config: Mapping[str, Any]) -> None:
        self.tensors = tensors
        self.config = config
        self.unknown: list[str] = []
        if model_type in _WHOLE:
            self.top, self.start, self.layer = _WHOLE[model_type]
            if model_type == "falcon" and "blk.0.attn_norm_2.weight" in tensors:
                self.layer = {**self.layer, **_FALCON_NORMS}
        else:
            self.top, self.start = _OWN_TOP.get(model_type, _TOP), "model.layers"
            self.layer = {**_LAYER, **_OWN[model_type]}
        joined = _JOINED.get(model_type, {})
        self.joined = {part: (parts, target) for parts, target in joined.items() for part in parts}

    def run(self) -> Iterator[Tensor]:
        for tensor in self.tensors:
            found = _BLOCK.fullmatch(tensor.name)
            if found is None:
                target = _target(self.top, tensor.name)
                yield tensor if target is None else _named(tensor, target)
                continue
            yield from self.in_layer(tensor, int(found[1]), found[2])

    def in_layer(self, tensor: Tensor, number: int, part: str) -> Iterator[Tensor]:
        start = f"{self.start}.{number}."
        if part in self.joined:
            parts, target = self.joined[part]
            if part == parts[0]:
                pieces = [self.tensors.get(f"blk.{number}.{name}") for name in parts]
                yield _named(_join([piece for piece in pieces if piece]), target, start)
            return
        if part in ("attn_k_b.weight", "attn_v_b.weight") and len(tensor.shape) == 3:
            if part == "attn_k_b.weight":
                yield from self.latent(tensor, number, start)
            return
        # Files of 2023 hold each expert in a tensor of its own.
        single = re.fullmatch(r"ffn_(gate|up|down)\.([0-9]{1,5})\.weight", part)
        if single:
            target = self.layer.get(f"ffn_{single[1]}_exps", "")
            if "{}" in target:
                yield _named(tensor, f"{target.format(single[2])}.weight", start)
                return
        target_or_none = _target(self.layer, part)
        if target_or_none is not None:
            yield from _placed(tensor, target_or_none, start)
        elif part in ("attn_qkv.weight", "attn_qkv.bias"):
            yield from self.query_key_value(tensor, part, start)
        elif part == "ffn_gate_up_exps.weight" and len(tensor.shape) == 3:
            for name, piece in zip(
                ("ffn_gate_exps.weight", "ffn_up_exps.weight"),
                _cut(tensor, 1, [tensor.shape[1] // 2] * 2),
                strict=True,
            ):
                yield from self.in_layer(piece, number, name)
        else:
            layers = self.config.get("num_hidden_layers")
            # What lies beyond the model's layers predicts ahead, and no class loads it.
            if len(tensor.shape) > 1 and not (isinstance(layers, int) and number >= layers):
                self.unknown.append(tensor.name)
            yield tensor

    def query_key_value(self, tensor: Tensor, part: str, start: str) -> Iterator[Tensor]:
        """One projection that the converter joined on request, cut into its three."""
        values = [self.config.get(key) for key in ("num_attention_heads", "num_key_value_heads")]
        dim = self.config.get("head_dim")
        sizes = [
            count * dim
            for count in (values[0], values[1], values[1])
            if isinstance(count, int) and isinstance(dim, int)
        ]
        if len(sizes) != 3 or sum(sizes) != tensor.shape[0]:
            self.unknown.append(tensor.name)
            yield tensor
            return
        suffix = part.rpartition(".")[2]
        for name, piece in zip("qkv", _cut(tensor, 0, sizes), strict=True):
            yield _named(piece, f"self_attn.{name}_proj.{suffix}", start)

    def latent(self, tensor: Tensor, number: int, start: str) -> Iterator[Tensor]:
        """Keys and values from the latent: (heads, rank, key) and (heads, value, rank)."""
        other = self.tensors.get(f"blk.{number}.attn_v_b.weight")
        heads, rank, key = tensor.shape
        if other is None or len(other.shape) != 3 or other.shape[::2] != (heads, rank):
            self.unknown.append(tensor.name)
            yield tensor
            return
        yield Tensor(
            name=f"{start}{_LAYER['attn_kv_b']}.weight",
            dtype=tensor.dtype,
            shape=(heads * (key + other.shape[1]), rank),
            size=tensor.bytes + other.bytes,
        )


def _target(names: Mapping[str, str], name: str) -> str | None:
    """The published name of a tensor: by its whole name, or with its ending carried over."""
    if name in names:
        return names[name]
    base, _, ending = name.rpartition(".")
    if ending in ("weight", "bias") and base in names:
        return f"{names[base]}.{ending}"
    return None


def _placed(tensor: Tensor, target: str, start: str) -> Iterator[Tensor]:
    """A tensor under its name; a stack of experts as the experts' own tensors."""
    if "{}" not in target:
        yield _named(tensor, target, start)
        return
    count = tensor.shape[0]
    for number in range(count):
        yield Tensor(
            name=start + target.format(number),
            dtype=tensor.dtype,
            shape=tensor.shape[1:],
            # Experts are whole rows of blocks, so the bytes divide evenly.
            size=None if tensor.size is None else tensor.size // count,
        )


def _named(tensor: Tensor, target: str, start: str = "") -> Tensor:
    """A tensor under a published name, its axes as its class has them."""
    action, _, name = target.rpartition(" ")
    shape = tensor.shape
    if action == "T" and len(shape) == 2:
        shape = (shape[1], shape[0])
    elif action == "EE" and len(shape) == 3:
        shape = (shape[0], shape[2], shape[1])
    elif action == "1" and len(shape) == 2:
        shape = (shape[0], 1, shape[1])
    return Tensor(name=start + name, dtype=tensor.dtype, shape=shape, size=tensor.size)


def _join(pieces: list[Tensor]) -> Tensor:
    """Tensors as one, one after the other along the axis of outputs."""
    first = pieces[0]
    axis = 0 if len(first.shape) == 2 and not first.name.endswith("bias") else 1
    axis = min(axis, len(first.shape) - 1)
    rows = sum(piece.shape[axis] for piece in pieces)
    return Tensor(
        name=first.name,
        dtype=first.dtype,
        shape=(*first.shape[:axis], rows, *first.shape[axis + 1 :]),
        size=sum(piece.bytes for piece in pieces),
    )


def _cut(tensor: Tensor, axis: int, sizes: list[int]) -> Iterator[Tensor]:
    """A tensor cut along an axis that is not the innermost, so between rows of blocks."""
    for size in sizes:
        yield Tensor(
            name=tensor.name,
            dtype=tensor.dtype,
            shape=(*tensor.shape[:axis], size, *tensor.shape[axis + 1 :]),
            size=None if tensor.size is None else tensor.size * size // tensor.shape[axis],
        )
