"""The adapter's count on models whose numbers are known."""

from __future__ import annotations

import pytest

import hfkv
from hfkv.errors import InputError, TargetError, UnsupportedError
from hfkv.peft.lora import LoraOptions

#: Measured with the pinned PEFT on the pinned transformers, r=32, all-linear.
GOLDEN = [
    ("meta-llama/Meta-Llama-3-70B", 414_187_520, {"q_proj": 41_943_040, "k_proj": 23_592_960}),
    (
        "mistralai/Mixtral-8x7B-v0.1",
        719_331_328,
        {
            "gate": 4_202_496,
            "experts.gate_up_proj": 536_870_912,
            "experts.down_proj": 687_865_856 - 536_870_912,
        },
    ),
    ("google/gemma-3-27b-it", 244_423_680, {}),
]

ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}


def model(name: str) -> hfkv.Model:
    return hfkv.load(name, source="snapshot")


@pytest.mark.parametrize(("name", "parameters", "some"), GOLDEN)
def test_golden(name: str, parameters: int, some: dict[str, int]) -> None:
    figure = model(name).lora(r=32)
    assert figure.parameters == parameters
    assert figure.parameters == sum(figure.per_target.values())
    assert some.items() <= figure.per_target.items()
    assert figure.bytes == 2 * parameters


def test_three_numbers_of_print_trainable_parameters() -> None:
    figure = model("meta-llama/Meta-Llama-3-70B").lora(r=32)
    assert figure.trainable_parameters == 414_187_520
    assert figure.all_parameters == 70_553_706_496 + 414_187_520
    assert f"{figure.trainable_percent:.4f}" == "0.5836"


@pytest.mark.parametrize(
    ("targets", "names"),
    [
        ("q_proj,v_proj", {"q_proj", "v_proj"}),
        ("default", {"q_proj", "v_proj"}),
        (r"regex:.*self_attn\..*_proj", ATTENTION),
        (
            "all-linear",
            {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
        ),
    ],
)
def test_targets(targets: str, names: set[str]) -> None:
    chosen = LoraOptions.parse_targets(targets)
    assert (
        model("meta-llama/Meta-Llama-3-8B").lora(r=8, target_modules=chosen).per_target.keys()
        == names
    )


def test_a_target_that_matches_nothing_names_what_there_is() -> None:
    with pytest.raises(TargetError) as caught:
        model("meta-llama/Meta-Llama-3-8B").lora(r=8, target_modules=["qproj"])
    assert "q_proj" in str(caught.value)


def test_what_peft_refuses_is_refused() -> None:
    with pytest.raises(TargetError, match="mixtral"):
        model("mistralai/Mixtral-8x7B-v0.1").lora(r=8, target_modules=None)
    with pytest.raises(TargetError, match="w3"):
        model("mistralai/Mixtral-8x7B-v0.1").lora(r=8, target_modules=["w1"])


def test_options_that_are_not_counted_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="arrow_config"):
        model("meta-llama/Meta-Llama-3-8B").lora(r=8, arrow_config={"top_k": 2})
    with pytest.raises(InputError, match="nonsense"):
        model("meta-llama/Meta-Llama-3-8B").lora(r=8, nonsense=True)
    assert model("meta-llama/Meta-Llama-3-8B").lora(r=8, lora_alpha=16, lora_dropout=0.1).r == 8


def test_layers_several_times_over() -> None:
    llama = model("meta-llama/Meta-Llama-3-8B")
    plain, half = llama.lora(r=8), llama.lora(r=8, layer_replication=[[0, 8], [4, 12]])
    assert half.parameters == plain.parameters // 2
    # Twelve layers' weights are left, four of them used twice.
    layers = 218_112_000 * 20
    assert half.all_parameters - half.parameters == 8_030_261_248 - layers
    with pytest.raises(TargetError, match=r"names layer 32, and model\.layers has 32"):
        llama.lora(r=8, layer_replication=[[0, 33]])


def test_a_peft_config_is_accepted_without_peft() -> None:
    class LoraConfig:
        def to_dict(self) -> dict[str, object]:
            return {
                "peft_type": "LORA",
                "r": 16,
                "target_modules": {"q_proj", "v_proj"},
                "lora_alpha": 32,
                "bias": "none",
            }

    base = model("meta-llama/Meta-Llama-3-8B")
    assert (
        base.lora(LoraConfig()).parameters
        == base.lora(r=16, target_modules=["v_proj", "q_proj"]).parameters
    )


def test_what_is_saved_is_an_object_of_the_json() -> None:
    figure = model("meta-llama/Meta-Llama-3-70B").lora(r=8, modules_to_save=["lm_head"])
    value = figure.to_json()
    assert value["saved"] == dict(figure.saved) == {"lm_head": 128_256 * 8192}
    assert value["target_modules"] == "all-linear"
    assert value["notes"] == list(figure.notes)
    assert list(value)[:5] == ["model", "r", "target_modules", "parameters", "bytes"]
