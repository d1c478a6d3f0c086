"""Fused experts: which of several counts PEFT makes, on a tiny Qwen3-MoE."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.errors import TargetError
from hfkv.facts import Facts
from hfkv.model import Model
from hfkv.peft.lora import Lora, LoraOptions
from hfkv.tensors import Tensor, TensorTable

HIDDEN, INNER, EXPERTS, R = 64, 32, 4, 8


def moe() -> Facts:
    start = "model.layers.0."
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (128, HIDDEN),
        "lm_head.weight": (128, HIDDEN),
        "model.norm.weight": (HIDDEN,),
        f"{start}input_layernorm.weight": (HIDDEN,),
        f"{start}post_attention_layernorm.weight": (HIDDEN,),
        f"{start}mlp.gate.weight": (EXPERTS, HIDDEN),
    }
    for name in "qkvo":
        shapes[f"{start}self_attn.{name}_proj.weight"] = (HIDDEN, HIDDEN)
    for name in "qk":
        shapes[f"{start}self_attn.{name}_norm.weight"] = (16,)
    for expert in range(EXPERTS):
        for name, shape in (
            ("gate", (INNER, HIDDEN)),
            ("up", (INNER, HIDDEN)),
            ("down", (HIDDEN, INNER)),
        ):
            shapes[f"{start}mlp.experts.{expert}.{name}_proj.weight"] = shape
    return Facts(
        model="tiny/moe",
        source="directory",
        config={
            "model_type": "qwen3_moe",
            "architectures": ["Qwen3MoeForCausalLM"],
            "hidden_size": HIDDEN,
            "moe_intermediate_size": INNER,
            "num_experts": EXPERTS,
            "num_hidden_layers": 1,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "head_dim": 16,
            "vocab_size": 128,
            "torch_dtype": "bfloat16",
        },
        tensors=TensorTable(
            Tensor(name=name, dtype="BF16", shape=shape) for name, shape in shapes.items()
        ),
    )


def count(**fields: Any) -> Lora:
    return Model(moe()).lora(LoraOptions.from_options(r=R, **fields))


def test_the_conversion_doubles_the_rank_of_what_is_joined() -> None:
    figure = count(target_modules=["gate_proj", "up_proj", "down_proj"])
    assert figure.parameters == 11_264
    assert figure.per_target.keys() == {"experts.gate_up_proj", "experts.down_proj"}
    (note,) = [note for note in figure.notes if note.startswith("experts")]
    assert "7,168" in note
    assert "9,216" in note


def test_explicit_parameters_do_not() -> None:
    figure = count(
        target_modules=[], target_parameters=["experts.gate_up_proj", "experts.down_proj"]
    )
    assert figure.parameters == 7_168
    (note,) = [note for note in figure.notes if note.startswith("experts")]
    assert "explicit" in note
    assert "11,264" in note
    assert "9,216" in note


def test_experts_that_get_nothing_are_told() -> None:
    figure = count(target_modules=["q_proj"])
    (note,) = [note for note in figure.notes if note.startswith("experts: none")]
    assert "7,168" in note
    assert "9,216" in note


def test_all_linear_takes_the_router_as_well() -> None:
    figure = count(target_modules="all-linear")
    attention = 4 * R * 2 * HIDDEN
    assert figure.per_target["gate"] == R * (HIDDEN + EXPERTS)
    assert figure.parameters == attention + 11_264 + R * (HIDDEN + EXPERTS)


@pytest.mark.parametrize(
    "fields",
    [
        {"target_modules": ["gate_proj"]},
        {"target_modules": None},
        {"target_modules": "all-linear", "use_dora": True},
        {"target_modules": "all-linear", "lora_dropout": 0.1},
    ],
)
def test_what_peft_refuses(fields: dict[str, Any]) -> None:
    with pytest.raises(TargetError):
        count(**fields)
