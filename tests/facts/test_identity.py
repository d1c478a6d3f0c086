"""Which model a config is of, where it says two things."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hfkv.facts.classes import config_class, known_types
from hfkv.facts.identity import claim
from hfkv.model import Model
from tests.peft.tiny import CONFIG, facts


@pytest.mark.parametrize(
    "raw",
    [
        {"model_type": "llama"},
        {"model_type": "llama", "architectures": None},
        {"model_type": "llama", "architectures": ["LlamaForSequenceClassification"]},
        {"model_type": "llama", "architectures": ["LLaMAForCausalLM"]},
        {"model_type": "bert", "architectures": ["BertForMaskedLM"]},
        {"model_type": "t5", "architectures": ["T5WithLMHeadModel"]},
        {"model_type": "gpt2", "architectures": ["GPT2DoubleHeadsModel"]},
        {"model_type": "xlm-roberta", "architectures": ["XLMRobertaModel"]},
        # Remote code that bears the name of the class it was made from.
        {"model_type": "kimi_k2", "architectures": ["DeepseekV3ForCausalLM"]},
        {
            "model_type": "deepseek_v3",
            "architectures": ["DeepseekV3ForCausalLM"],
            "auto_map": {"AutoModelForCausalLM": "modeling_deepseek.DeepseekV3ForCausalLM"},
        },
        {"model_type": "nobody-knows", "architectures": ["LlamaForCausalLM"]},
    ],
)
def test_no_contradiction_is_seen_where_there_is_none(raw: dict[str, Any]) -> None:
    assert claim(raw) is None


@pytest.mark.parametrize("model_type", sorted(known_types()))
def test_a_types_own_classes_are_its_own(model_type: str) -> None:
    cls = config_class(model_type)
    assert cls is not None
    for name in cls.architectures:
        assert claim({"model_type": model_type, "architectures": [name]}) is None


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ({"model_type": "internlm", "architectures": ["InternLM2ForCausalLM"]}, "internlm2"),
        ({"model_type": "llama", "architectures": ["MistralForCausalLM"]}, "mistral"),
        ({"model_type": "llama", "architectures": ["MedusaModel"]}, None),
        ({"model_type": "qwen2", "architectures": ["SteelForCausalLM"]}, None),
        (
            {
                "model_type": "llama",
                "architectures": ["LlamaForCausalLM"],
                "auto_map": {"AutoModelForCausalLM": "owner/repo--modeling.DraftForCausalLM"},
            },
            None,
        ),
    ],
)
def test_another_class_is_named_with_its_type(raw: dict[str, Any], named: str | None) -> None:
    found = claim(raw)
    assert found is not None
    assert found.model_type == named


def test_figures_of_such_a_config_say_it_first_and_are_not_exact() -> None:
    model = Model(replace(facts(), config={**CONFIG, "architectures": ["SteelForCausalLM"]}))
    for figure in (model.kv_cache(tokens=10), model.lora(r=4)):
        assert figure.basis == "documented"
        assert "architectures names SteelForCausalLM" in figure.notes[0]
        assert figure.to_json()["notes"][0] == figure.notes[0]
