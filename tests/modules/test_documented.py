"""Types of remote code by their rule: counted, read beside it, or refused with the place."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.errors import TargetError, UnsupportedError
from hfkv.facts import Facts
from hfkv.facts.classes import config_class
from hfkv.model import Model
from hfkv.modules.documented import basis_of
from hfkv.modules.rules import rules
from hfkv.peft.lora import Lora, LoraOptions
from tests.modules.skeletons import CASES, Case

IDS = [f"{case.name}-{number}" for number, case in enumerate(CASES)]
CASE = {case.name: case for case in CASES}


def count(base: Facts, **fields: Any) -> Lora:
    return Model(base).lora(
        LoraOptions.from_options(**{"r": 4, "target_modules": "all-linear", **fields})
    )


def test_rules_are_of_types_that_transformers_lacks() -> None:
    assert not [name for name in rules() if config_class(name) is not None]
    assert {basis_of(name)[0] for name in rules()} == {"documented"}


def test_every_rule_has_a_case_and_says_its_source() -> None:
    assert {case.name for case in CASES} == set(rules())
    assert all(".py" in rule.source for found in rules().values() for rule in found)
    assert sum(len(found) for found in rules().values()) <= len(CASES)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_every_linear_layer_but_the_output_embedding(case: Case) -> None:
    figure = count(case.facts())
    assert figure.basis == "documented"
    assert figure.parameters == 4 * sum(sum(shape) for shape in case.linear.values())
    assert figure.modules == len(case.linear)
    source = next(note for note in figure.notes if case.name in note)
    assert any(rule.source in source for rule in rules()[case.name])
    assert ("past the layers" in source) == bool(case.beyond)


def test_the_first_and_the_later_glm_differ_in_their_head() -> None:
    later, first = (case for case in CASES if case.name == "chatglm")
    assert "output_layer" in count(later.facts()).per_target
    assert "lm_head" not in count(first.facts()).per_target


def test_a_router_that_is_a_parameter_and_one_that_is_a_layer() -> None:
    assert "gate" not in count(CASE["deepseek"].facts()).per_target
    with pytest.raises(TargetError, match="neither a linear layer"):
        count(CASE["deepseek"].facts(), target_modules=["gate"])
    named = count(
        CASE["deepseek"].facts(), target_modules=["q_proj"], target_parameters=["gate.weight"]
    )
    assert named.per_target["gate"] == 4 * (4 + 32)
    assert count(CASE["hunyuan"].facts()).per_target["wg"] == 4 * (4 + 32)


def test_a_head_whose_class_versions_differ() -> None:
    base = CASE["baichuan"].facts()
    with pytest.raises(
        UnsupportedError, match="lm_head is a linear layer or of a class of its own"
    ):
        count(base, target_modules=["lm_head"])
    assert count(base, target_modules=["W_pack"], modules_to_save=["lm_head"]).saved == (
        ("lm_head", 128 * 32),
    )


def test_a_tied_head_is_there_though_not_saved() -> None:
    tied = CASE["hunyuan"].facts()
    figure = count(tied, target_modules=["q_proj"], modules_to_save=["lm_head"])
    assert figure.saved == (("lm_head", 128 * 32),)
    assert figure.all_parameters - figure.parameters == sum(
        tensor.elements for tensor in tied.tensors or ()
    )


def test_layers_past_the_count_get_nothing_or_are_refused() -> None:
    assert not any(
        layer.startswith("model.layers.2") for layer, *_ in count(CASE["kimi_k2"].facts()).per_layer
    )
    ling = CASE["bailing_moe_v2"].facts(**{"model.layers.2.eh_proj.weight": (32, 64)})
    with pytest.raises(UnsupportedError, match=r"model\.layers\.2.*expected 2 layers"):
        count(ling)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("qwen", {"transformer.h.1.mlp.w2.weight": None}, r"h\.1\.mlp\.w2\.weight is missing"),
        (
            "qwen",
            {"transformer.h.1.mlp.w2.weight": (40, 32)},
            r"h\.1\.mlp\.w2\.weight is of shape \[40, 32\]; expected \[48, 32\]",
        ),
        ("qwen", {"lm_head.weight": None}, r"lm_head\.weight is there 0 times"),
        ("qwen", {"transformer.h.0.mlp.w1.weight": (48, 32, 1)}, r"of shape \[48, 32, 1\]"),
        (
            "deepseek",
            {"model.layers.1.mlp.experts.3.up_proj.weight": None},
            r"layers\.1\.mlp\.experts\.\{\}\.up_proj is there for 3 experts; expected 4",
        ),
        ("deepseek", {"model.layers.1.mlp.gate.weight": (5, 32)}, r"expected \[4, 32\]"),
    ],
)
def test_a_checkpoint_that_does_not_agree_is_refused(
    name: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnsupportedError, match=message) as error:
        count(CASE[name].facts(**changes))
    assert rules()[name][0].source in str(error.value)


def test_weights_beside_the_rule_make_it_inferred() -> None:
    seen = CASE["qwen"].facts(
        **{
            "transformer.visual.proj.weight": (32, 16),
            "transformer.visual.conv1.weight": (16, 3, 2, 2),
        }
    )
    figure = count(seen)
    assert figure.basis == "inferred"
    assert figure.parameters == count(CASE["qwen"].facts()).parameters + 4 * (32 + 16)
    assert any("of 2 other weights, such as transformer.visual" in note for note in figure.notes)
    with pytest.raises(UnsupportedError, match=r"visual\.conv1"):
        count(seen, target_modules=["conv1"])


def test_other_names_than_the_rules_are_inferred() -> None:
    base = CASE["minicpm"].facts()
    config = {**(base.config or {}), "model_type": "qwen"}
    figure = count(Facts(model="tiny/odd", source="directory", config=config, tensors=base.tensors))
    assert figure.basis == "inferred"
    assert any("its names are not those of Qwen/Qwen-7B" in note for note in figure.notes)


def test_types_whose_code_was_not_read_stay_inferred() -> None:
    for model_type in ("aquila", "internvl_chat", "novel"):
        assert basis_of(model_type)[0] == "inferred"


def test_numbers_beyond_reason_are_names() -> None:
    name = f"model.layers.{'9' * 5000}.mlp.up_proj.weight"
    with pytest.raises(UnsupportedError, match="experts"):
        count(
            CASE["deepseek"].facts(
                **{f"model.layers.1.mlp.experts.{10**17}.up_proj.weight": (24, 32)}
            )
        )
    assert count(CASE["deepseek"].facts(**{name: (48, 32)})).basis == "inferred"
