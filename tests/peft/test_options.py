"""Every option that changes the count, on a model small enough to count by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hfkv.errors import CrosscheckError, HfkvError, InputError, TargetError, UnsupportedError
from hfkv.model import Model
from hfkv.peft.lora import Lora, LoraOptions
from hfkv.peft.lora.witness import agree
from hfkv.tensors import Tensor, TensorTable
from tests.peft.tiny import PER_RANK, facts


def count(tied: bool = False, **fields: Any) -> Lora:
    return Model(facts(tied=tied)).lora(
        LoraOptions.from_options(**{"r": 4, "target_modules": ["q_proj"], **fields}),
    )


#: Two layers of q_proj (64, 64) at rank 4.
Q = 2 * 4 * 128


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Q),
        ({"target_modules": "all-linear"}, 4 * PER_RANK),
        ({"target_modules": "All-Linear"}, 4 * PER_RANK),
        ({"target_modules": None}, Q + 2 * 4 * 96),
        ({"target_modules": r".*\.1\..*q_proj"}, Q // 2),
        ({"target_modules": ["model.layers.0.self_attn.q_proj"]}, Q // 2),
        ({"use_dora": True}, Q + 2 * 64),
        ({"lora_bias": True}, Q + 2 * 64),
        ({"rank_pattern": {"q_proj": 2}}, Q // 2),
        ({"rank_pattern": {r".*\.0\..*q_proj": 8}}, Q + Q // 2),
        ({"layers_to_transform": 1}, Q // 2),
        ({"layers_to_transform": [0, 1]}, Q),
        ({"layers_to_transform": [0], "layers_pattern": "layers"}, Q // 2),
        ({"target_modules": ["q_proj", "k_proj"], "exclude_modules": ["k_proj"]}, Q),
        ({"exclude_modules": r".*\.0\..*"}, Q // 2),
        ({"modules_to_save": ["lm_head"]}, Q + 128 * 64),
        ({"modules_to_save": ["embed_tokens", "lm_head"]}, Q + 2 * 128 * 64),
        ({"target_modules": ["q_proj", "embed_tokens"]}, Q + 4 * (128 + 64)),
        ({"target_modules": ["lm_head"]}, 4 * (128 + 64)),
        ({"trainable_token_indices": [1, 2, 3]}, Q + 3 * 64),
        ({"target_modules": [], "target_parameters": ["mlp.up_proj.weight"]}, 2 * 4 * 320),
        ({"use_rslora": True, "lora_alpha": 64, "lora_dropout": 0.1}, Q),
    ],
)
def test_options(fields: dict[str, Any], expected: int) -> None:
    figure = count(**fields)
    assert figure.parameters == expected
    assert figure.bytes == 2 * expected
    low_rank = sum(figure.per_target.values())
    assert low_rank + sum(dict(figure.saved).values()) + figure.biases == expected


def test_a_tied_head_that_is_saved_is_a_full_copy() -> None:
    figure = count(tied=True, modules_to_save=["lm_head"])
    assert figure.parameters == Q + 128 * 64
    assert any("full copy" in note for note in figure.notes)
    assert any("not low-rank" in note for note in figure.notes)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"target_modules": ["nothing"]}, TargetError),
        ({"target_modules": ["self_attn"]}, TargetError),
        ({"target_modules": "all-linear", "layers_to_transform": [0]}, TargetError),
        ({"layers_pattern": "layers"}, TargetError),
        ({"use_dora": True, "lora_bias": True}, TargetError),
        ({"target_parameters": ["q_proj.weight"]}, TargetError),
        ({"r": 0}, InputError),
        ({"r": True}, InputError),
        ({"r": float("nan")}, InputError),
        ({"target_modules": [1]}, InputError),
        ({"target_modules": "("}, InputError),
        ({"bias": "some"}, InputError),
        ({"rank_pattern": ["q_proj"]}, InputError),
        ({"lora_dropout": float("inf")}, InputError),
        ({"nonsense": 1}, InputError),
        ({"arrow_config": {"top_k": 2}}, UnsupportedError),
        ({"layer_replication": [[0, 3]]}, TargetError),
        ({"layer_replication": [[0, 2, 3]]}, InputError),
        ({"layer_replication": [[0, 10**9]]}, InputError),
        ({"layer_replication": "all"}, InputError),
    ],
)
def test_refusals(fields: dict[str, Any], error: type[HfkvError]) -> None:
    with pytest.raises(error):
        count(**fields)


@pytest.mark.parametrize("pattern", ["(a+)+x", "(.*)*", "((a|b)*c)*", ".*.*.*.*.*.*.*.*.*z"])
def test_expressions_that_could_run_for_ever_are_refused(pattern: str) -> None:
    with pytest.raises(UnsupportedError, match="unbounded"):
        count(target_modules=pattern)


def test_the_snippet_names_every_option() -> None:
    figure = count(use_dora=True, rank_pattern={"q_proj": 2})
    assert figure.snippet() == (
        "LoraConfig(r=4, target_modules=['q_proj'], rank_pattern={'q_proj': 2}, use_dora=True, "
        "task_type='CAUSAL_LM')"
    )


def header(rank: int) -> TensorTable:
    start = "base_model.model.model.layers."
    return TensorTable(
        Tensor(name=f"{start}{layer}.self_attn.q_proj.{part}.weight", dtype="F32", shape=shape)
        for layer in range(2)
        for part, shape in (("lora_A", (rank, 64)), ("lora_B", (64, rank)))
    )


def test_an_adapters_own_header_is_a_witness() -> None:
    options = LoraOptions.from_config(
        {"peft_type": "LORA", "r": 4, "target_modules": ["q_proj"], "enable_lora": None}
    )
    base = Model(facts())
    figure = agree(base.base, base.lora(options), header(4))
    assert any("agrees" in note for note in figure.notes)
    with pytest.raises(CrosscheckError, match="q_proj"):
        agree(base.base, base.lora(options), header(8))


def test_other_methods_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="IA3"):
        LoraOptions.from_config({"peft_type": "IA3", "target_modules": ["q_proj"]})


def test_weights_that_the_class_does_not_load_are_named() -> None:
    base = facts()
    assert base.tensors is not None
    extra = Tensor(name="mtp.eh_proj.weight", dtype="BF16", shape=(64, 128))
    figure = Model(replace(base, tensors=TensorTable([*base.tensors, extra]))).lora(
        LoraOptions(r=4)
    )
    assert figure.parameters == 4 * PER_RANK
    assert any("mtp.eh_proj" in note for note in figure.notes)


def test_names_that_match_nothing_beside_others_are_told() -> None:
    figure = count(target_modules=["q_proj", "vproj"])
    assert figure.parameters == Q
    assert any("vproj" in text and "v_proj" in text for text in figure.warnings)


def test_what_is_saved_is_told_beside_what_is_trained() -> None:
    figure = count(target_modules=["q_proj", "embed_tokens"])
    assert figure.saved_parameters == figure.parameters + 128 * 64
    assert any("on disk" in note for note in figure.notes)
    assert figure.bytes_by_dtype["float32"] == 4 * figure.parameters
    layers = figure.to_json(layers=True)["per_layer"]
    assert sum(item["parameters"] for item in layers) == sum(figure.per_target.values())
