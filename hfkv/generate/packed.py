"""How quantized checkpoints store their weights: the tensors of the published files, from the
unquantized ones that transformers would save.

Only layouts that a published total confirms (see tests/snapshots); others stay without tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hfkv.tensors import Tensor, TensorTable

__all__ = ["LAYOUTS"]


def _mxfp4(config: Mapping[str, Any], table: TensorTable) -> Iterator[Tensor]:
    """gpt-oss: experts in blocks of 32 four-bit values (16 bytes) with one byte of scale each."""
    for tensor in table:
        experts = tensor.name.endswith(("experts.gate_up_proj", "experts.down_proj"))
        if not experts:
            yield tensor
            continue
        # In memory the experts are (experts, in, out); packed, the input runs along the blocks.
        number, width, rows = tensor.shape
        shape = (number, rows, width // 32)
        yield Tensor(name=f"{tensor.name}_blocks", dtype="U8", shape=(*shape, 16))
        yield Tensor(name=f"{tensor.name}_scales", dtype="U8", shape=shape)


def _deepseek_fp8(config: Mapping[str, Any], table: TensorTable) -> Iterator[Tensor]:
    """DeepSeek-V3: float8 projections with a float32 scale for each block of 128 x 128, and a
    layer more than the model runs, which predicts a token further ahead."""
    layers = int(config["num_hidden_layers"])
    hidden, vocabulary = int(config["hidden_size"]), int(config["vocab_size"])
    last, ahead = f"model.layers.{layers - 1}.", f"model.layers.{layers}."
    for tensor in table:
        yield from _fp8(tensor)
        if tensor.name.startswith(last):
            name = ahead + tensor.name.removeprefix(last)
            yield from _fp8(Tensor(name=name, dtype=tensor.dtype, shape=tensor.shape))
    experts = int(config["n_routed_experts"])
    for layer in range(int(config["first_k_dense_replace"]), layers + 1):
        name = f"model.layers.{layer}.mlp.gate.e_score_correction_bias"
        if table.get(name) is None:
            yield Tensor(name=name, dtype="F32", shape=(experts,))
    for name, shape in (
        ("embed_tokens", (vocabulary, hidden)),
        ("enorm", (hidden,)),
        ("hnorm", (hidden,)),
        ("eh_proj", (hidden, 2 * hidden)),
        ("shared_head.norm", (hidden,)),
        ("shared_head.head", (vocabulary, hidden)),
    ):
        yield Tensor(name=f"{ahead}{name}.weight", dtype="BF16", shape=shape)


def _fp8(tensor: Tensor) -> Iterator[Tensor]:
    projection = "_proj" in tensor.name and len(tensor.shape) == 2
    if not projection:
        yield tensor
        return
    yield Tensor(name=tensor.name, dtype="F8_E4M3", shape=tensor.shape)
    blocks = tuple(-(-size // 128) for size in tensor.shape)
    yield Tensor(name=f"{tensor.name}_scale_inv", dtype="F32", shape=blocks)


#: (model_type, quant_method) to the tensors of such a checkpoint.
LAYOUTS: dict[tuple[str, str], Callable[[Mapping[str, Any], TensorTable], Iterator[Tensor]]] = {
    ("gpt_oss", "mxfp4"): _mxfp4,
    ("deepseek_v3", "fp8"): _deepseek_fp8,
}
