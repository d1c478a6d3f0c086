"""LoRA by the config alone: what is answered, and what is refused and why."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.errors import UnsupportedError
from hfkv.facts import Facts
from hfkv.facts.config import Config
from hfkv.model import Model
from hfkv.modules.class_plan import holds, kind_of, leaf_of, plan_of, reader, size_of
from hfkv.peft.lora import LoraOptions

MISTRAL: dict[str, Any] = {
    "model_type": "mistral",
    "architectures": ["MistralForCausalLM"],
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 3,
    "vocab_size": 100,
    "dtype": "bfloat16",
}


def _lora(config: dict[str, Any], **missing: str) -> Any:
    facts = Facts(model="bare", source="directory", config=config, missing=missing)
    return Model(facts).lora(LoraOptions.from_options(r=1, target_modules=["q_proj"]))


def test_a_config_alone_is_enough() -> None:
    figure = _lora(MISTRAL, tensors="there are no safetensors files")
    assert (figure.parameters, figure.basis) == (3 * (64 + 64), "exact")
    block = 64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 96 + 2 * 64
    assert figure.all_parameters == 2 * 100 * 64 + 3 * block + 64 + figure.parameters
    (note,) = [note for note in figure.notes if "no weights were seen" in note]
    assert "MistralForCausalLM (there are no safetensors files)" in note


def test_an_absent_key_and_null_are_the_classs_own() -> None:
    """Heads of 64 // 4 = 16, unless ``head_dim`` says otherwise."""
    assert _lora({**MISTRAL, "head_dim": None}).parameters == 3 * (64 + 64)
    assert _lora({**MISTRAL, "head_dim": 24}).parameters == 3 * (64 + 96)


def test_ties_follow_the_config() -> None:
    tied = _lora({**MISTRAL, "tie_word_embeddings": True})
    assert _lora(MISTRAL).all_parameters - tied.all_parameters == 100 * 64


def test_of_a_packed_model_it_is_the_unquantized_classs() -> None:
    figure = _lora({**MISTRAL, "quantization_config": {"quant_method": "awq", "bits": 4}})
    assert any("unquantized class" in note for note in figure.notes)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"num_hidden_layers": [3]}, "a list of 1 for num_hidden_layers"),
        ({"hidden_size": 64.0}, "64.0 for hidden_size"),
        ({"hidden_act": "of-my-own"}, "'of-my-own' for hidden_act"),
        ({"head_dim": True}, "true for head_dim"),
        ({"per_layer_config": {"0": {}}}, "checked with per_layer_config"),
        ({"num_hidden_layers": 10**9}, "1,000,000,000 members"),
        ({"model_type": "never_heard_of"}, "model_type 'never_heard_of' are not known"),
    ],
)
def test_what_was_not_proved_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnsupportedError, match=r"config\.json alone is not enough") as caught:
        _lora({**MISTRAL, **change}, tensors="there are no safetensors files")
    assert reason in str(caught.value)


def test_a_division_that_the_class_refuses_is_refused() -> None:
    """LlamaConfig takes no ``hidden_size`` that is not a multiple of the heads; Mistral does."""
    uneven = {**MISTRAL, "hidden_size": 66}
    assert _lora(uneven).parameters == 3 * (66 + 4 * 16)
    llama = {**uneven, "model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    with pytest.raises(
        UnsupportedError, match="only where hidden_size is a multiple of num_attention_heads"
    ):
        _lora(llama)


def test_a_key_that_the_class_never_reads_does_not_matter() -> None:
    assert _lora({**MISTRAL, "of_my_own": {"a": [1, "b"]}}).parameters == 3 * (64 + 64)


@pytest.mark.parametrize(
    ("test", "index", "expected"),
    [
        (["set", "flag"], (), True),
        (["set", "zero"], (), False),
        (["null", "nothing"], (), True),
        (["list", "places"], (), True),
        (["list", "four"], (), False),
        (["is", "flag", 1], (), False),
        (["is", "four", 4], (), True),
        (["same", "four", "vier"], (), True),
        (["same", "nothing", "void"], (), False),
        (["over", "four", 4], (), False),
        (["over", "four - zero", 3], (), True),
        (["over", "zero - four", 0], (), False),
        (["has", "kinds", "b"], (), True),
        (["has", "kinds", "c"], (), False),
        (["has", "four", 4], (), False),
        (["odd", "four // vier"], (), True),
        (["odd", "four // zero"], (), False),
        (["at", 1, 2], (0, 2), True),
        (["below", 0, "four - 1"], (3,), False),
        (["cycle", 0, 2, 1], (3,), True),
        (["every", 0, "four", 1], (3,), True),
        (["every", 0, "four // vier", -1], (0,), True),
        (["every", 0, "four // zero", 1], (3,), False),
        (["every", 0, "zero", 1], (3,), False),
        (["phase", 0, "four", "zero"], (8,), True),
        (["after", 0, "four", "vier + 1"], (9,), True),
        (["after", 0, "four", "vier + 1"], (1,), False),
        (["after", 0, "four", "zero - 1"], (3,), False),
        (["in", 0, "places"], (2,), True),
        (["in", 0, "nothing"], (2,), False),
        (["listed", 0, "places"], (1,), True),
        (["item", 0, "kinds", "b"], (1,), True),
        (["item", 0, "kinds", "b"], (7,), False),
        (["turn", 0, "kinds", "b"], (7,), True),
        (["turn", 0, "nothing", "b"], (7,), False),
    ],
)
def test_tests_of_a_tree(test: list[Any], index: tuple[int, ...], expected: bool) -> None:
    values = {
        "flag": True,
        "zero": 0,
        "four": 4,
        "vier": 4,
        "places": [0, 2],
        "kinds": ["a", "b"],
    }
    assert holds(test, values.get, index) is expected


def test_sizes_can_depend_on_the_index_and_on_a_list() -> None:
    values: dict[str, Any] = {"widths": [3, 5], "widths[1]": 5}
    assert size_of("2 * widths[i0]", values.get, (1,)) == 10
    assert size_of("len(widths)", values.get, ()) == 2
    assert size_of("len(none)", values.get, ()) is None
    assert size_of("len(widths) * 4", values.get, ()) == 8


@pytest.mark.parametrize(
    ("text", "index", "expected"),
    [
        ("widths[i0 - 1]", 1, 3),
        ("widths[i0]", 2, None),
        ("widths[-i0 - 1] + 1", 0, 6),
        ("widths[-i0 - 1]", 1, 3),
        ("widths[-i0 - 1]", 2, None),
        ("widths[-i0]", 1, 5),
        ("widths[-1]", 0, 5),
        ("nothing[-1]", 0, None),
    ],
)
def test_an_items_place_is_counted_from_either_end(
    text: str, index: int, expected: int | None
) -> None:
    read = reader(Config({"model_type": "llama", "widths": [3, 5]}, where="config.json"))
    assert size_of(text, read, (index,)) == expected


FILLED: dict[str, Any] = {
    "kinds": {
        "length": "layers",
        "item": {"if": ["below", 0, "dense_first"], "then": "dense", "else": "sparse"},
    },
    "gated": {"value": {"if": ["set", "layers"], "then": True, "else": False}, "absent": True},
}


@pytest.mark.parametrize(
    ("raw", "key", "expected"),
    [
        ({}, "dense_first", 1),
        ({"dense_first": None}, "dense_first", None),
        ({"layers": 3}, "kinds", ["dense", "sparse", "sparse"]),
        ({"layers": 3, "kinds": None, "dense_first": 2}, "kinds[1]", "dense"),
        ({"layers": 3, "kinds": ["sparse"]}, "kinds", ["sparse"]),
        ({}, "kinds", None),
        ({"layers": 10**9}, "kinds", None),
        ({"layers": 3}, "gated", True),
        ({"layers": 3, "gated": None}, "gated", None),
        ({"layers": 3, "gated": False}, "gated", False),
    ],
)
def test_a_config_is_read_as_the_class_completes_it(
    raw: dict[str, Any], key: str, expected: object
) -> None:
    read = reader(
        Config({"model_type": "none", **raw}, where=""), defaults={"dense_first": 1}, filled=FILLED
    )
    assert read(key) == expected


def test_a_number_that_nothing_depends_on_may_be_any() -> None:
    """A rate is 0 or 1 to the proof of MPT, and 0.0 in files."""
    mpt = {"model_type": "mpt", "dtype": "float16", "architectures": ["MptForCausalLM"]}
    options = LoraOptions.from_options(r=1, target_modules=["Wqkv"])

    def count(rate: object) -> int:
        config = {**mpt, "attn_config": {"attn_pdrop": rate}}
        return (
            Model(Facts(model="bare", source="directory", config=config)).lora(options).parameters
        )

    assert count(0.25) == count(0)
    with pytest.raises(UnsupportedError, match="attn_pdrop"):
        count("much")


@pytest.mark.parametrize(("named", "taken"), [("gemma3_text", True), ("gemma2", False)])
def test_a_nested_config_must_be_of_its_type(named: str, taken: bool) -> None:
    config = {"model_type": "gemma3", "dtype": "float16", "text_config": {"model_type": named}}
    if taken:
        assert _lora(config).parameters > 0
    else:
        with pytest.raises(UnsupportedError, match=r"'gemma2' for text_config\.model_type"):
            _lora(config)


def test_a_leaf_that_nothing_proved_is_refused() -> None:
    tree = {"if": ["set", "key"], "then": [1], "else": "?"}
    assert leaf_of(tree, {"key": 1}.get, ()) == [1]
    with pytest.raises(UnsupportedError, match="not proved with such a combination"):
        leaf_of(tree, {}.get, ())


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        (True, "bool"),
        (0, "zero"),
        (-1, "negative"),
        (2.0, "float"),
        ([], "empty"),
        ([0, 1], "ints"),
        ([0, -1], "signed"),
        (["a"], "strs"),
        ([1, "a"], "list"),
        ({}, "object"),
        (..., "absent"),
    ],
)
def test_kinds_of_value(value: Any, kind: str) -> None:
    assert kind_of(value) == kind


def test_a_pattern_of_letters_is_read_as_the_list_that_the_class_makes_of_it() -> None:
    nemotron = {
        "model_type": "nemotron_h",
        "architectures": ["NemotronHForCausalLM"],
        "dtype": "bfloat16",
        "hidden_size": 64,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
    }
    pattern = _lora({**nemotron, "hybrid_override_pattern": "M*E-*", "num_hidden_layers": 5})
    kinds = ["linear_attention", "full_attention", "moe", "mlp", "full_attention"]
    listed = _lora({**nemotron, "layers_block_type": kinds})
    assert pattern.parameters == listed.parameters == 2 * (64 + 64)
    assert pattern.all_parameters == listed.all_parameters
    both = _lora({**nemotron, "layers_block_type": kinds[:2], "hybrid_override_pattern": "M*E-*"})
    assert both.parameters == 64 + 64  # the list is what the class goes by
    with pytest.raises(UnsupportedError, match="hybrid_override_pattern"):
        _lora({**nemotron, "hybrid_override_pattern": "M*?"})


def test_a_key_that_was_held_has_one_value() -> None:
    """Apertus 1.5's tokenizer of sound is made in a loop over a list."""
    name = "Apertus1p5ForConditionalGeneration"
    options = LoraOptions.from_options(r=8, target_modules="all-linear")

    def count(ratios: list[int]) -> int:
        config = {
            "model_type": "apertus1p5",
            "architectures": [name],
            "dtype": "bfloat16",
            "audio_config": {"model_type": "wavtokenizer_encoder", "upsampling_ratios": ratios},
        }
        facts = Facts(model="bare", source="directory", config=config)
        return Model(facts).lora(options).parameters

    assert count([6, 5, 5, 4]) == 18_876_416
    with pytest.raises(UnsupportedError, match=r"only with \[6, 5, 5, 4\] for audio_config\."):
        count([8, 5, 4, 2])


def test_a_word_may_be_any_where_the_class_asks_for_none() -> None:
    """MiniMax M3's gate is computed in line, whatever ``hidden_act`` says."""
    proved = plan_of("minimax_m3_vl", "MiniMaxM3SparseForConditionalGeneration").keys
    assert "any word" in proved["text_config.hidden_act"]["kinds"]
    assert "any word" not in plan_of("mistral", "MistralForCausalLM").keys["hidden_act"]["kinds"]


def test_a_flag_that_was_never_set_in_the_proof_is_refused() -> None:
    """What stands behind it was never built: DBRX is not known with tied embeddings."""
    dbrx = {
        "model_type": "dbrx",
        "architectures": ["DbrxForCausalLM"],
        "dtype": "bfloat16",
        "attn_config": {"rope_theta": 10000.0},
        "ffn_config": {},
    }
    kinds = plan_of("dbrx", "DbrxForCausalLM").keys["tie_word_embeddings"]["kinds"]
    assert "false" in kinds
    assert "true" not in kinds
    with pytest.raises(UnsupportedError, match="true for tie_word_embeddings"):
        _lora({**dbrx, "tie_word_embeddings": True})
