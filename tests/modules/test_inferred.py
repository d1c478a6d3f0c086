"""Architectures without a module table: read off the checkpoint, or refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hfkv.errors import TargetError, UnsupportedError
from hfkv.facts import Facts
from hfkv.model import Model
from hfkv.peft.lora import Lora, LoraOptions
from hfkv.tensors import Tensor, TensorTable
from tests.peft.tiny import PER_RANK, facts


def novel(*more: tuple[str, tuple[int, ...]], **config: Any) -> Facts:
    base = facts(config={"model_type": "novel", **config})
    assert base.tensors is not None
    extra = [Tensor(name=name, dtype="BF16", shape=shape) for name, shape in more]
    return replace(base, tensors=TensorTable([*base.tensors, *extra]))


def count(base: Facts, **fields: Any) -> Lora:
    return Model(base).lora(
        LoraOptions.from_options(**{"r": 4, "target_modules": "all-linear", **fields})
    )


def test_it_is_said_to_be_inferred_and_why() -> None:
    figure = count(novel())
    assert (figure.parameters, figure.basis) == (4 * PER_RANK, "inferred")
    assert any("novel" in note and "lm_head" in note for note in figure.notes)
    assert figure.all_parameters == count(facts()).all_parameters


def test_targets_and_the_default_mapping_work_alike() -> None:
    assert count(novel(), target_modules=["q_proj"]).parameters == 2 * 4 * 128
    # PEFT's default mapping goes by model_type, and knows some that transformers does not.
    chat = novel(
        ("transformer.encoder.layers.0.self_attention.query_key_value.weight", (96, 64)),
        model_type="chatglm",
    )
    assert count(chat, target_modules=None).parameters == 4 * (96 + 64)
    with pytest.raises(TargetError, match="novel"):
        count(novel(), target_modules=None)


def test_buffers_are_no_parameters() -> None:
    plain = count(novel()).all_parameters
    with_buffer = novel(("model.layers.0.self_attn.rotary_emb.inv_freq", (8,)))
    assert count(with_buffer).all_parameters == plain


def test_a_router_is_not_to_be_told() -> None:
    moe = novel(
        ("model.layers.0.mlp.gate.weight", (4, 64)),
        *[(f"model.layers.0.mlp.experts.{n}.w1.weight", (32, 64)) for n in range(4)],
    )
    with pytest.raises(UnsupportedError, match=r"mlp\.gate.*plain parameter.*exclude_modules=gate"):
        count(moe)
    assert count(moe, exclude_modules=["gate"]).parameters == 4 * PER_RANK + 4 * 4 * (32 + 64)
    assert count(moe, target_modules=["q_proj"]).parameters == 2 * 4 * 128


def test_a_table_of_the_vocabularys_length_with_another_name() -> None:
    odd = novel(("model.shared.weight", (128, 64)))
    with pytest.raises(UnsupportedError, match="linear layer or an embedding"):
        count(odd)
    # Named outright it gets the same adapter in both cases, but not with DoRA.
    assert count(odd, target_modules=["shared"]).parameters == 4 * (128 + 64)
    with pytest.raises(UnsupportedError):
        count(odd, target_modules=["shared"], use_dora=True)


def test_two_heads_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="2 output embeddings"):
        count(novel(("talker.lm_head.weight", (32, 64))))


def test_convolutions_are_no_linear_layers_and_no_targets() -> None:
    seen = novel(("visual.patch.weight", (64, 3, 14, 14)))
    assert count(seen).parameters == 4 * PER_RANK
    with pytest.raises(UnsupportedError, match=r"visual\.patch"):
        count(seen, target_modules=["patch"])


def test_nothing_to_read_is_refused() -> None:
    base = replace(
        novel(), tensors=TensorTable([Tensor(name="a.weight", dtype="BF16", shape=(3,))])
    )
    with pytest.raises(UnsupportedError, match="novel"):
        count(base)
