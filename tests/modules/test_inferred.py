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
from hfkv.versions import tables
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


def test_an_embedding_has_no_bias() -> None:
    """What is named like one and has a bias is a projection, of patches or of embeddings."""
    name = "visual.patch_embedding"
    seen = novel((f"{name}.weight", (48, 32)), (f"{name}.bias", (48,)))
    assert count(seen).parameters == 4 * (PER_RANK + 48 + 32)
    odd = novel(("model.embed_it.weight", (48, 32)), ("model.embed_it.bias", (48,)))
    assert count(odd).parameters == 4 * (PER_RANK + 48 + 32)


def test_a_norm_of_each_head_is_no_layer() -> None:
    """Its bias has two dimensions, as its weight has."""
    name = "model.layers.0.self_attn.q_norm"
    assert count(novel((f"{name}.weight", (4, 16)), (f"{name}.bias", (4, 16)))).parameters == (
        4 * PER_RANK
    )


@pytest.mark.parametrize("leaf", ["embedding", "codebook", "pe_k", "bias_values", "bos_token"])
def test_a_table_that_may_be_a_layer(leaf: str) -> None:
    """A linear layer was called vision_tokenizer.quantize.embedding, and a codebook is."""
    odd = novel((f"vision_tokenizer.quantize.{leaf}.weight", (512, 8)))
    with pytest.raises(UnsupportedError, match=rf"quantize\.{leaf} is a linear layer or an emb"):
        count(odd)
    assert count(odd, exclude_modules=[leaf]).parameters == 4 * PER_RANK
    # Named outright it gets the same adapter in both cases.
    assert count(odd, target_modules=[leaf]).parameters == 4 * (512 + 8)


@pytest.mark.parametrize("leaf", ["embed_positions", "token_type_embeddings", "wpe", "pos_embed"])
def test_a_table_of_positions_or_types(leaf: str) -> None:
    assert count(novel((f"model.{leaf}.weight", (512, 64)))).parameters == 4 * PER_RANK


def test_a_block_that_several_layers_may_share() -> None:
    """Zamba's file has its one transformer block in the first layer that runs it."""
    names = [f"model.layers.{n}.mixer.in_proj.weight" for n in range(4)]
    block = "model.layers.1.shared_block.self_attn.q_proj.weight"
    odd = novel(*((name, (8, 8)) for name in (*names, block)))
    with pytest.raises(UnsupportedError, match="shared by several"):
        count(odd)
    rest = count(odd, target_modules=["in_proj"])
    assert rest.parameters == 4 * 4 * 16
    each = novel(*((f"model.layers.{n}.shared_block.up.weight", (8, 8)) for n in range(4)))
    assert count(each).parameters > 4 * PER_RANK


def test_what_is_packed_under_a_name_of_its_own() -> None:
    stem = "decoder.layers.0.attn"
    odd = novel((f"{stem}.gqkv_proj.weight", (256, 64)), (f"{stem}.o_proj.weight", (64, 64)))
    with pytest.raises(UnsupportedError, match="several that the file has as one"):
        count(odd)
    usual = novel((f"{stem}.qkv_proj.weight", (192, 64)), (f"{stem}.o_proj.weight", (64, 64)))
    assert count(usual).parameters == 4 * (PER_RANK + 256 + 128)


def test_a_head_of_which_the_file_has_the_bias_alone() -> None:
    odd = novel(("cls.predictions.decoder.bias", (128,)))
    with pytest.raises(UnsupportedError, match=r"cls\.predictions\.decoder"):
        count(odd)


def test_it_says_to_which_release_the_type_is_unknown() -> None:
    pinned = tables()["transformers"]

    def said(**config: Any) -> str:
        (note,) = [n for n in count(novel(**config)).notes if "no module table" in n]
        return note

    assert f"no type of transformers {pinned}" in said()
    assert "newer" not in said(transformers_version="4.40.0")
    assert "its config is of 99.1: a newer hfkv may know it" in said(transformers_version="99.1")
