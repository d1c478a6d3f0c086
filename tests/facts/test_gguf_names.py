"""Names of GGUF files in forms that today's converter does not write: older files, and options."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hfkv.errors import HfkvError, UnsupportedError
from hfkv.facts import read
from hfkv.facts.gguf_names import published
from hfkv.model import Model
from hfkv.source.files import Files
from hfkv.source.gguf import GGUF_FILE
from hfkv.tensors import Tensor, TensorTable
from tests.facts.test_gguf import _header, _model

LLAMA: dict[str, Any] = {
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 16,
}


def _shapes(model_type: str, *tensors: Tensor, **config: Any) -> tuple[dict[str, Any], Any]:
    table, unknown = published(TensorTable(tensors), model_type, {**LLAMA, **config})
    return {tensor.name: (tensor.shape, tensor.bytes) for tensor in table}, unknown


def _q8(name: str, *shape: int) -> Tensor:
    size = 34 * shape[-1] // 32
    for item in shape[:-1]:
        size *= item
    return Tensor(name=name, dtype="Q8_0", shape=shape, size=size)


def _with(case: str, tensors: list[Tensor]) -> Model:
    header = _header(case)
    texts = {GGUF_FILE: header.to_json()}
    return Model(
        read(Files(model="m", source="directory", texts=texts, tensors=TensorTable(tensors)))
    )


def test_experts_in_tensors_of_their_own_are_the_stacked_ones() -> None:
    split: list[Tensor] = []
    for tensor in _header("mixtral").tensors:
        if "_exps." not in tensor.name:
            split.append(tensor)
            continue
        for number in range(tensor.shape[0]):
            name = tensor.name.replace("_exps.", f".{number}.")
            split.append(Tensor(name=name, dtype=tensor.dtype, shape=tensor.shape[1:]))
    assert _with("mixtral", split).facts.tensors == _model("mixtral").facts.tensors


def test_a_joined_gate_and_up_are_cut_between_rows() -> None:
    found, unknown = _shapes("qwen3_moe", _q8("blk.0.ffn_gate_up_exps.weight", 2, 128, 64))
    assert unknown == ()
    assert found == {
        f"model.layers.0.mlp.experts.{number}.{name}.weight": ((64, 64), 64 * 68)
        for number in range(2)
        for name in ("gate_proj", "up_proj")
    }


def test_a_joined_query_key_value_is_cut_by_the_heads() -> None:
    found, unknown = _shapes("llama", _q8("blk.1.attn_qkv.weight", 160, 96))
    assert unknown == ()
    start = "model.layers.1.self_attn"
    assert found == {
        f"{start}.q_proj.weight": ((96, 96), 96 * 102),
        f"{start}.k_proj.weight": ((32, 96), 32 * 102),
        f"{start}.v_proj.weight": ((32, 96), 32 * 102),
    }


@pytest.mark.parametrize(
    "tensor",
    [
        _q8("blk.0.attn_qkv.weight", 161, 96),
        _q8("blk.0.attn_k_b.weight", 6, 32, 32),
        _q8("blk.0.something_new.weight", 96, 96),
        _q8("blk.0.ffn_gate.7.down.weight", 96, 96),
    ],
    ids=lambda tensor: tensor.name,
)
def test_a_matrix_of_a_layer_without_a_name_is_said(tensor: Tensor) -> None:
    found, unknown = _shapes("llama", tensor)
    assert unknown == (tensor.name,)
    assert found == {tensor.name: (tensor.shape, tensor.bytes)}


def test_an_unknown_matrix_keeps_lora_out_and_leaves_the_cache() -> None:
    more = [*_header("llama").tensors, _q8("blk.0.something_new.weight", 96, 96)]
    model = _with("llama", more)
    assert model.kv_cache(tokens=1).bytes
    with pytest.raises(UnsupportedError, match=r"such as blk\.0\.something_new\.weight"):
        model.lora(r=4)


def test_what_predicts_ahead_is_no_layer_of_the_model() -> None:
    tensors = [*_header("glm4_moe").tensors]
    ahead = [
        Tensor(name=item.name.replace("blk.2.", "blk.3."), dtype=item.dtype, shape=item.shape)
        for item in tensors
        if item.name.startswith("blk.2.")
    ]
    ahead.append(Tensor(name="blk.3.nextn.eh_proj.weight", dtype="F16", shape=(96, 192)))
    header = _header("glm4_moe")
    keys = {**header.metadata, "glm4moe.block_count": 4, "glm4moe.nextn_predict_layers": 1}

    texts = {GGUF_FILE: json.dumps(keys).encode()}
    table = TensorTable([*tensors, *ahead])
    model = Model(read(Files(model="m", source="directory", texts=texts, tensors=table)))
    figure = model.kv_cache(tokens=100, dtype="bf16")
    assert figure.layers == _model("glm4_moe").kv_cache(tokens=100, dtype="bf16").layers
    assert any("multi-token prediction" in note for note in figure.notes)
    assert model.lora(r=4).parameters == _model("glm4_moe").lora(r=4).parameters


def test_an_older_latent_file_has_its_heads_sizes_in_the_standard_keys() -> None:
    header = _header("deepseek_v3")
    keys = {
        key: item for key, item in header.metadata.items() if not key.endswith(("_mla", "length"))
    }
    keys |= {
        "deepseek2.embedding_length": 96,
        "deepseek2.feed_forward_length": 160,
        "deepseek2.expert_feed_forward_length": 48,
        "deepseek2.attention.head_count_kv": 6,
        "deepseek2.attention.key_length": 24,
        "deepseek2.attention.value_length": 20,
    }
    tensors = []
    for item in header.tensors:
        if item.name.endswith("attn_k_b.weight"):
            name = item.name.replace("attn_k_b", "attn_kv_b")
            tensors.append(Tensor(name=name, dtype=item.dtype, shape=(6 * (16 + 20), 32)))
        elif not item.name.endswith("attn_v_b.weight"):
            tensors.append(item)

    texts = {GGUF_FILE: json.dumps(keys).encode()}
    table = TensorTable(tensors)
    model = Model(read(Files(model="m", source="directory", texts=texts, tensors=table)))
    new = _model("deepseek_v3")
    assert model.facts.tensors == new.facts.tensors
    assert model.kv_cache(tokens=9).layers == new.kv_cache(tokens=9).layers


def test_a_file_of_metadata_alone_has_a_cache_and_no_adapter() -> None:
    model = _with("qwen2", [])
    assert model.kv_cache(tokens=1, dtype="bf16").bytes
    with pytest.raises(HfkvError):
        model.lora(r=4)
