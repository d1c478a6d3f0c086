"""Packed checkpoints have the adapter of the layers they were packed from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hfkv.errors import ConfigError, UnsupportedError
from hfkv.model import Model, load
from hfkv.peft.lora import LoraOptions
from tests.peft.tiny import LINEAR, PER_RANK, facts

Layer = Callable[[int, int], list[tuple[str, str, tuple[int, ...]]]]

GPTQ: Layer = lambda out, into: [  # noqa: E731
    ("qweight", "I32", (into // 8, out)),
    ("qzeros", "I32", (1, out // 8)),
    ("scales", "F16", (1, out)),
    ("g_idx", "I32", (into,)),
]
AWQ: Layer = lambda out, into: [  # noqa: E731
    ("qweight", "I32", (into, out // 8)),
    ("qzeros", "I32", (1, out // 8)),
    ("scales", "F16", (1, out)),
]
FP8: Layer = lambda out, into: [  # noqa: E731
    ("weight", "F8_E4M3", (out, into)),
    ("weight_scale_inv", "F32", (1, 1)),
]
COMPRESSED: Layer = lambda out, into: [  # noqa: E731
    ("weight_packed", "I32", (out, into // 8)),
    ("weight_scale", "BF16", (out, 1)),
    ("weight_shape", "I64", (2,)),
]
NVFP4: Layer = lambda out, into: [  # noqa: E731
    ("weight", "U8", (out, into // 2)),
    ("weight_scale", "F8_E4M3", (out, into // 16)),
    ("weight_scale_2", "F32", ()),
    ("input_scale", "F32", ()),
]
MLX: Layer = lambda out, into: [  # noqa: E731
    ("weight", "U32", (out, into // 8)),
    ("scales", "BF16", (out, into // 64)),
    ("biases", "BF16", (out, into // 64)),
]
BITNET: Layer = lambda out, into: [  # noqa: E731
    ("weight", "U8", (out // 4, into)),
    ("weight_scale", "BF16", (1,)),
]
INT8: Layer = lambda out, into: [  # noqa: E731
    ("weight", "I8", (out, into)),
    ("SCB", "F32", (out,)),
    ("weight_format", "U8", ()),
]
STATE = ("absmax", "quant_map", "nested_absmax", "nested_quant_map")
NF4: Layer = lambda out, into: [  # noqa: E731
    ("weight", "U8", (out * into // 2, 1)),
    *[(f"weight.{name}", "F32", (16,)) for name in STATE],
    ("weight.quant_state.bitsandbytes__nf4", "U8", (80,)),
]
NF4_IN_BF16: Layer = lambda out, into: [  # noqa: E731
    ("weight", "BF16", (out * into // 4, 1)),
    ("weight.absmax", "F32", (16,)),
    ("weight.quant_state.bitsandbytes__nf4", "U8", (80,)),
]
GPTQ3: Layer = lambda out, into: [  # noqa: E731
    ("qweight", "I32", (into * 3 // 32, out)),
    ("scales", "F16", (1, out)),
]
MLX8: Layer = lambda out, into: [  # noqa: E731
    ("weight", "U32", (out, into // 4)),
    ("scales", "BF16", (out, into // 32)),
    ("biases", "BF16", (out, into // 32)),
]
COMPRESSED_CONFIG = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "config_groups": {"group_0": {"weights": {"num_bits": 4}}},
}

WAYS = [
    pytest.param(GPTQ, {"quant_method": "gptq", "bits": 4}, id="gptq"),
    pytest.param(AWQ, {"quant_method": "awq", "bits": 4, "version": "gemm"}, id="awq"),
    pytest.param(FP8, {"quant_method": "fp8"}, id="fp8"),
    pytest.param(COMPRESSED, COMPRESSED_CONFIG, id="compressed-tensors"),
    pytest.param(NVFP4, {"quant_method": "modelopt", "quant_algo": "NVFP4"}, id="nvfp4"),
    pytest.param(MLX, {"bits": 4, "group_size": 64}, id="mlx"),
    pytest.param(BITNET, {"quant_method": "bitnet"}, id="bitnet"),
    pytest.param(INT8, {"quant_method": "bitsandbytes", "load_in_8bit": True}, id="8bit"),
    pytest.param(NF4, {"quant_method": "bitsandbytes", "load_in_4bit": True}, id="4bit"),
    pytest.param(NF4, {"quant_method": "bitsandbytes", "_load_in_8bit": False}, id="4bit-old"),
    pytest.param(NF4_IN_BF16, {"quant_method": "bitsandbytes"}, id="4bit-in-bf16"),
    pytest.param(GPTQ3, {"quant_method": "gptq", "bits": 3}, id="gptq-3bit"),
    pytest.param(GPTQ, {"quant_method": "auto-round", "bits": 4}, id="auto-round"),
    pytest.param(AWQ, {"quant_method": "awq", "w_bit": 4}, id="awq-old"),
    pytest.param(FP8, {"quant_method": "modelopt", "quant_algo": "FP8"}, id="modelopt-fp8"),
    pytest.param(
        NVFP4,
        {
            "quant_method": "modelopt",
            "quant_algo": "MIXED_PRECISION",
            "quantized_layers": {"a": {"quant_algo": "NVFP4"}, "b": {"quant_algo": "FP8"}},
        },
        id="modelopt-mixed",
    ),
    pytest.param(
        MLX8,
        {
            "bits": 4,
            "group_size": 64,
            **{
                f"model.layers.{n}.{name}": {"bits": 8, "group_size": 32}
                for n in range(2)
                for name in LINEAR
            },
        },
        id="mlx-by-layer",
    ),
]


@pytest.mark.parametrize(("layer", "quantization"), WAYS)
def test_the_layers_own_sizes(layer: Layer, quantization: dict[str, Any]) -> None:
    packed = facts(layer, {"quantization_config": quantization})
    figure = Model(packed).lora(LoraOptions(r=4))
    plain = Model(facts()).lora(LoraOptions(r=4))
    assert figure.parameters == 4 * PER_RANK == plain.parameters
    assert figure.per_target == plain.per_target
    assert figure.all_parameters == plain.all_parameters


def test_the_side_file_is_read() -> None:
    packed = facts(GPTQ, extra={"quantize_config.json": {"bits": 4, "group_size": 128}})
    assert Model(packed).lora(LoraOptions(r=1)).parameters == PER_RANK
    side = {"quantization": {"quant_algo": "NVFP4"}}
    packed = facts(NVFP4, extra={"hf_quant_config.json": side})
    assert Model(packed).lora(LoraOptions(r=1)).parameters == PER_RANK


@pytest.mark.parametrize("bits", [None, True, "4", 3.5, 0, 7, 10**30])
def test_damaged_bits_are_an_error(bits: object) -> None:
    with pytest.raises(ConfigError, match="bits"):
        Model(facts(GPTQ, {"quantization_config": {"quant_method": "gptq", "bits": bits}})).lora(
            LoraOptions(r=1),
        )


@pytest.mark.parametrize(
    "quantization",
    [
        {"quant_method": "novel"},
        {"quant_method": "modelopt", "quant_algo": "W4A16_AWQ"},
        {"quant_method": "auto-round", "packing_format": "auto_round:novel"},
    ],
)
def test_what_cannot_be_unpacked_is_refused(quantization: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError):
        Model(facts(None, {"quantization_config": quantization})).lora(LoraOptions(r=1))


def test_4bit_says_where_its_sizes_come_from() -> None:
    config = {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}
    figure = Model(facts(NF4, config)).lora(LoraOptions(r=4))
    assert figure.basis == "documented"
    assert any("flat columns" in note and "config.json" in note for note in figure.notes)


def test_4bit_of_some_layers_alone() -> None:
    # Dynamic quantization leaves a layer here and there as it was.
    turn = iter(range(100))
    mixed: Layer = lambda out, into: (  # noqa: E731
        NF4(out, into) if next(turn) % 3 else [("weight", "BF16", (out, into))]
    )
    config = {"quantization_config": {"quant_method": "bitsandbytes"}}
    assert Model(facts(mixed, config)).lora(LoraOptions(r=4)).parameters == 4 * PER_RANK


@pytest.mark.parametrize(
    "changes",
    [{"hidden_size": 96}, {"intermediate_size": 255}, {"model_type": "novel"}],
)
def test_4bit_that_the_config_does_not_explain_is_refused(changes: dict[str, Any]) -> None:
    config = {"quantization_config": {"quant_method": "bitsandbytes"}, **changes}
    with pytest.raises(UnsupportedError, match="column"):
        Model(facts(NF4, config)).lora(LoraOptions(r=4))


@pytest.mark.parametrize(("layer", "quantization"), WAYS)
def test_parameters_are_those_of_the_unpacked_model(
    layer: Layer, quantization: dict[str, Any]
) -> None:
    packed = Model(facts(layer, {"quantization_config": quantization}))
    assert packed.parameters == Model(facts()).parameters
    assert packed.facts.tensors is not None
    assert packed.stored_elements == sum(item.elements for item in packed.facts.tensors)
    if layer is not FP8:
        assert packed.stored_elements != packed.parameters


def _kimi() -> Model:
    """Kimi K2.5's language model as its config lays it out, with int4 experts in int32 words."""
    hidden, expert, layers, experts, heads = 7168, 2048, 61, 384, 64
    header: dict[str, tuple[str, tuple[int, ...]]] = {
        "model.embed_tokens.weight": ("BF16", (163_840, hidden)),
        "lm_head.weight": ("BF16", (163_840, hidden)),
        "model.norm.weight": ("BF16", (hidden,)),
    }

    def mlp(place: str, width: int) -> None:
        for name, shape in (
            ("gate_proj", (width, hidden)),
            ("up_proj", (width, hidden)),
            ("down_proj", (hidden, width)),
        ):
            header[f"{place}.{name}.weight"] = ("BF16", shape)

    for index in range(layers):
        layer = f"model.layers.{index}"
        for name, shape in (
            ("self_attn.q_a_proj", (1536, hidden)),
            ("self_attn.q_a_layernorm", (1536,)),
            ("self_attn.q_b_proj", (heads * 192, 1536)),
            ("self_attn.kv_a_proj_with_mqa", (576, hidden)),
            ("self_attn.kv_a_layernorm", (512,)),
            ("self_attn.kv_b_proj", (heads * 256, 512)),
            ("self_attn.o_proj", (hidden, heads * 128)),
            ("input_layernorm", (hidden,)),
            ("post_attention_layernorm", (hidden,)),
        ):
            header[f"{layer}.{name}.weight"] = ("BF16", shape)
        if index == 0:
            mlp(f"{layer}.mlp", 18_432)
            continue
        mlp(f"{layer}.mlp.shared_experts", expert)
        header[f"{layer}.mlp.gate.weight"] = ("BF16", (experts, hidden))
        header[f"{layer}.mlp.gate.e_score_correction_bias"] = ("F32", (experts,))
        for number in range(experts):
            place = f"{layer}.mlp.experts.{number}"
            for name, (out, into) in (
                ("gate_proj", (expert, hidden)),
                ("up_proj", (expert, hidden)),
                ("down_proj", (hidden, expert)),
            ):
                header[f"{place}.{name}.weight_packed"] = ("I32", (out, into // 8))
                header[f"{place}.{name}.weight_scale"] = ("BF16", (out, into // 32))
                header[f"{place}.{name}.weight_shape"] = ("I32", (2,))
    config = {"model_type": "kimi_k25", "text_config": {"quantization_config": COMPRESSED_CONFIG}}
    values = {name: {"dtype": dtype, "shape": shape} for name, (dtype, shape) in header.items()}
    return load(config, header=values, name="kimi")


def test_a_trillion_parameters_in_170_billion_elements() -> None:
    model = _kimi()
    experts = 60 * 384 * 3 * 7168 * 2048
    assert model.parameters is not None
    assert model.stored_elements is not None
    assert model.parameters - experts == 1_026_408_232_448 - 1_014_686_023_680
    assert f"{model.parameters / 1e12:.2f}T" == "1.03T"
    assert f"{model.stored_elements / 1e9:.0f}B" == "170B"
    # Bytes per pretraining token are of what is stored.
    assert model.weight_bytes is not None
    assert model.weight_bytes < model.parameters


@pytest.mark.parametrize(("layer", "quantization"), WAYS)
def test_the_bytes_of_the_weights_are_the_headers_own(
    layer: Layer, quantization: dict[str, Any]
) -> None:
    packed = facts(layer, {"quantization_config": quantization})
    assert packed.tensors is not None
    assert packed.weight_bytes == packed.tensors.bytes == sum(t.bytes for t in packed.tensors)
