"""Composite classes around another part than their defaults have, by the config alone."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.data import read_json
from hfkv.errors import UnsupportedError
from hfkv.facts import Facts
from hfkv.model import Model
from hfkv.modules.class_plan import UNPROVED, ClassPlan, plan_of
from hfkv.modules.plan_parts import Donor, donor_of, exchanged
from hfkv.modules.table import tables_of
from hfkv.peft.lora import LoraOptions

PROVED: dict[str, dict[str, list[str]]] = read_json("plan_parts.json")
TEXT: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 24,
    "num_hidden_layers": 3,
    "vocab_size": 100,
}
VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "image_size": 28,
    "patch_size": 14,
}


def _lora(config: dict[str, Any], *targets: str) -> Any:
    facts = Facts(model="bare", source="directory", config={"dtype": "bfloat16", **config})
    return Model(facts).lora(LoraOptions.from_options(r=1, target_modules=[*targets]))


def _composite(model_type: str, name: str, text: str, vision: str) -> dict[str, Any]:
    return {
        "model_type": model_type,
        "architectures": [name],
        "text_config": {"model_type": text, **TEXT},
        "vision_config": {"model_type": vision, **VISION},
    }


def _llava(text: str, vision: str = "clip_vision_model") -> dict[str, Any]:
    return _composite("llava", "LlavaForConditionalGeneration", text, vision)


@pytest.mark.parametrize("text", ["llama", "gemma2", "qwen2", "mistral", "olmo2"])
def test_a_decoder_of_another_type_is_counted_as_that_types_own(text: str) -> None:
    """Three layers of queries from 64, and two of the tower's from 32."""
    figure = _lora(_llava(text), "q_proj")
    alone = _lora({"model_type": text, **TEXT}, "q_proj")
    assert figure.parameters == alone.parameters + 2 * (32 + 32)
    assert figure.basis == "exact"


def test_both_parts_may_be_others() -> None:
    config = _llava("mistral", "siglip_vision_model")
    assert _lora(config, "q_proj").parameters == 3 * (64 + 4 * 24) + 2 * (32 + 32)


def test_paligemma_2_is_around_gemma_2() -> None:
    name = "PaliGemmaForConditionalGeneration"
    config = _composite("paligemma", name, "gemma2", "siglip_vision_model")
    assert _lora(config, "q_proj").parameters == 3 * (64 + 4 * 24) + 2 * (32 + 32)


@pytest.mark.parametrize("text", ["t5", "mamba", "never_heard_of"])
def test_what_was_not_built_in_its_place_is_refused(text: str) -> None:
    with pytest.raises(UnsupportedError):
        _lora(_llava(text), "q_proj")


def test_what_a_parts_own_plan_does_not_say_is_refused_of_the_whole_too() -> None:
    config = _llava("gemma2")
    config["text_config"]["head_dim"] = True
    with pytest.raises(UnsupportedError, match=r"true for text_config\.head_dim"):
        _lora(config, "q_proj")


def test_every_part_that_was_proved_has_a_plan() -> None:
    index = read_json("modules", "INDEX.json")["types"]
    type_of = {name: model_type for model_type, names in index.items() for name in names}
    for name, parts in PROVED.items():
        (table,) = (item for item in tables_of(type_of[name]) if item.architecture == name)
        places = {path: place for place, _, _, path in table.parts}
        for path, types in parts.items():
            assert types == sorted(set(types))
            plan = plan_of(type_of[name], name)
            for model_type in types:
                made = exchanged(plan, places[path], path, donor_of(model_type))
                assert made.parts[path] == (model_type,)


def _plan(**more: Any) -> ClassPlan:
    return ClassPlan.parse(
        "Made",
        {
            "keys": {},
            "parts": {},
            "lengths": {},
            "tied": {},
            "input": None,
            "output": None,
            "modules": [],
            "trees": [],
            **more,
        },
    )


def test_keys_and_names_move_to_the_parts_place() -> None:
    tree = {
        "if": ["below", 0, "min(width, 3) - first[-i0 - 1]"],
        "then": ["int(width / 2) + len(kinds)", 4],
        "else": UNPROVED,
    }
    inner = _plan(
        keys={"width": {"kinds": ["int"]}},
        filled={
            "kinds": {
                "length": "layers",
                "item": {"if": ["every", 0, "width", 1], "then": "a", "else": "b"},
                "absent": True,
            }
        },
        lengths={"model.layers": "layers"},
        multiples=[["width", "2 * heads"]],
        input="model.embed",
        tied={"model.a.weight": "model.embed.weight", "head.weight": "model.embed.weight"},
        modules=[["model", 1, {}], ["model.layers.{}", 1, {"weight": 0}], ["head", 1, {}]],
        trees=[tree, ["linear", False, "width // 2"]],
    )
    outer = _plan(
        keys={"scale": {}, "text_config.old": {}},
        parts={"text_config": ["old"]},
        lengths={"all.text.blocks": "text_config.old"},
        input="all.text.words",
        modules=[["all", 0, {}], ["all.text", 0, {}], ["all.text.words", 0, {}], ["end", 0, {}]],
        trees=[["other", False, 1]],
    )
    donor = Donor(model_type="new", plan=inner, name="model", path="")
    made = exchanged(outer, "all.text", "text_config", donor)
    assert [name for name, _ in made.modules] == ["all", "all.text", "all.text.layers.{}", "end"]
    assert made.modules[2][1] == ["linear", False, "text_config.width // 2"]
    assert made.parameters == (
        (
            "all.text.layers.{}",
            "weight",
            {
                "if": ["below", 0, "min(text_config.width, 3) - text_config.first[-i0 - 1]"],
                "then": ["int(text_config.width / 2) + len(text_config.kinds)", 4],
                "else": UNPROVED,
            },
        ),
    )
    assert made.lengths == {"all.text.layers": "text_config.layers"}
    assert made.input == "all.text.embed"
    assert made.tied == (("all.text.a.weight", "all.text.embed.weight"),)
    assert made.multiples == (("text_config.width", "2 * text_config.heads"),)
    assert made.filled["text_config.kinds"]["item"]["if"] == ["every", 0, "text_config.width", 1]
    assert made.filled["text_config.kinds"]["item"]["then"] == "a"
    assert set(made.keys) == {"scale", "text_config.width"}
    assert made.parts == {"text_config": ("new",)}
