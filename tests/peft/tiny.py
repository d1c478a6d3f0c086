"""A tiny Llama: its config, and its header plain or packed in the ways there are."""

from __future__ import annotations

from typing import Any

from hfkv.facts import Facts
from hfkv.tensors import Tensor, TensorTable

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "intermediate_size": 256,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "vocab_size": 128,
    "torch_dtype": "bfloat16",
}
#: (out, in) of each layer's linear layers.
LINEAR = {
    "self_attn.q_proj": (64, 64),
    "self_attn.k_proj": (32, 64),
    "self_attn.v_proj": (32, 64),
    "self_attn.o_proj": (64, 64),
    "mlp.gate_proj": (256, 64),
    "mlp.up_proj": (256, 64),
    "mlp.down_proj": (64, 256),
}
#: Sum of inputs and outputs over both layers: LoRA parameters at rank 1.
PER_RANK = 2 * sum(out + into for out, into in LINEAR.values())


def facts(
    layer: Any = None, config: dict[str, Any] | None = None, tied: bool = False, **extra: Any
) -> Facts:
    """The tiny model; ``layer(name, out, in)`` gives a linear layer's tensors."""
    tensors = [Tensor(name="model.embed_tokens.weight", dtype="BF16", shape=(128, 64))]
    for index in range(2):
        start = f"model.layers.{index}."
        for name, (out, into) in LINEAR.items():
            if layer is None:
                tensors.append(
                    Tensor(name=f"{start}{name}.weight", dtype="BF16", shape=(out, into))
                )
            else:
                tensors += [
                    Tensor(name=f"{start}{name}.{part}", dtype=dtype, shape=shape)
                    for part, dtype, shape in layer(out, into)
                ]
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors.append(Tensor(name=f"{start}{norm}.weight", dtype="BF16", shape=(64,)))
    tensors.append(Tensor(name="model.norm.weight", dtype="BF16", shape=(64,)))
    if not tied:
        tensors.append(Tensor(name="lm_head.weight", dtype="BF16", shape=(128, 64)))
    return Facts(
        model="tiny/llama",
        source="directory",
        config={**CONFIG, "tie_word_embeddings": tied, **(config or {})},
        tensors=TensorTable(tensors),
        extra=extra.get("extra", {}),
    )
