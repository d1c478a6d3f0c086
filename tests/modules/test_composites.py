"""Composite classes around another text or vision model than their defaults have."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from hfkv.errors import UnsupportedError
from hfkv.facts import Facts
from hfkv.model import Model
from hfkv.peft.lora import LoraOptions
from hfkv.tensors import Tensor, TensorTable

TEXT = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 256,
}
VISION = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 28,
    "patch_size": 14,
}
MOE = {"num_experts": 4, "moe_intermediate_size": 32}
LATENT = {"n_routed_experts": 4, "first_k_dense_replace": 1, "moe_intermediate_size": 32}
PAIRS: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    ("llava", {"model_type": "mistral"}, None),
    ("llava", {"model_type": "qwen3_moe", **MOE}, None),
    ("llava", {"model_type": "llama"}, {"model_type": "siglip_vision_model"}),
    ("llava_next", {"model_type": "mistral"}, None),
    ("internvl", {"model_type": "qwen3"}, None),
    ("internvl", {"model_type": "llama"}, {"model_type": "clip_vision_model"}),
    ("mistral3", {"model_type": "mistral4", "n_routed_experts": 4}, None),
    ("kimi_k25", {"model_type": "kimi_k2", **LATENT}, None),
]


def config(outer: str, text: dict[str, Any], vision: dict[str, Any] | None) -> dict[str, Any]:
    made: dict[str, Any] = {"model_type": outer, "text_config": {**TEXT, **text}}
    if vision:
        made["vision_config"] = {**VISION, **vision}
    return made


@pytest.mark.oracle
@pytest.mark.parametrize(("outer", "text", "vision"), PAIRS)
def test_the_part_is_the_one_that_the_config_names(
    outer: str, text: dict[str, Any], vision: dict[str, Any] | None
) -> None:
    pytest.importorskip("peft")
    from hfkv.live.build import class_of, config_of
    from hfkv.live.lora import build_for, measure
    from tests.census.lora_cases import cases, published
    from tests.census.lora_compare import counted, disagreement, summary

    raw = config(outer, text, vision)
    model = build_for(config_of(raw), class_of(config_of(raw)).__name__)
    header = TensorTable(Tensor(name=n, dtype=d, shape=s) for n, d, s in published(model))
    facts = Facts(model="tiny/composite", source="directory", config=raw, tensors=header)
    some = ("all_linear", "every_name", "exclude_regex", "save_embeddings", "bias_all")
    for name, options in cases(model).items():
        if name in some:
            theirs = summary(measure(copy.deepcopy(model), copy.deepcopy(options)))
            assert disagreement(counted(facts, options), theirs) is None, name


TALL = {"num_hidden_layers": 2, "is_decoder": True, "add_cross_attention": True}


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("outer", "parts", "counted"),
    [
        ("instructblip", {"text_config": {**TEXT, "model_type": "llama"}}, True),
        ("encoder-decoder", {"encoder": {}, "decoder": {"model_type": "gpt2", "n_layer": 2}}, True),
        ("encoder-decoder", {"encoder": {}, "decoder": {"model_type": "roberta"}}, True),
        # A projection between widths that neither's table shows.
        ("vision-encoder-decoder", {"encoder": {}, "decoder": {"model_type": "trocr"}}, False),
    ],
)
def test_models_with_a_head_as_parts(outer: str, parts: dict[str, Any], counted: bool) -> None:
    pytest.importorskip("peft")
    from hfkv.live.build import class_of, config_of
    from hfkv.live.lora import build_for, measure
    from tests.census.lora_cases import published

    kinds = {"encoder": "bert" if outer == "encoder-decoder" else "vit", "decoder": "bert"}
    raw: dict[str, Any] = {"model_type": outer}
    for key, values in parts.items():
        more = TALL if key == "decoder" else {"num_hidden_layers": 2}
        raw[key] = {"model_type": kinds.get(key, ""), **more, **values}
    model = build_for(config_of(raw), class_of(config_of(raw)).__name__)
    header = TensorTable(Tensor(name=n, dtype=d, shape=s) for n, d, s in published(model))
    facts = Facts(model="tiny/composite", source="directory", config=raw, tensors=header)
    if not counted:
        with pytest.raises(UnsupportedError, match="has no such parameter"):
            Model(facts).lora(LoraOptions(r=4))
        return
    theirs = measure(model, {"r": 4, "target_modules": "all-linear"})
    figure = Model(facts).lora(LoraOptions(r=4), dtype="bf16")
    assert (figure.parameters, figure.all_parameters) == (theirs["trainable"], theirs["all"])


def test_a_part_that_nobody_knows_is_refused_by_name() -> None:
    raw = config("llava", {"model_type": "novel_text"}, None)
    header = TensorTable([Tensor(name="language_model.x.weight", dtype="BF16", shape=(4, 4))])
    facts = Facts(model="tiny/novel", source="directory", config=raw, tensors=header)
    with pytest.raises(UnsupportedError, match="novel_text"):
        Model(facts).lora(LoraOptions(r=4))


@pytest.mark.oracle
def test_the_aliases_are_the_classs_own() -> None:
    pytest.importorskip("transformers")
    from hfkv.live.build import config_of
    from hfkv.modules.composites import ALIASES

    for (outer, key), names in ALIASES.items():
        for name, built in names.items():
            made = config_of({"model_type": outer, key: {"model_type": name}})
            assert getattr(made, key).model_type == built


@pytest.mark.oracle
def test_the_index_of_parts_is_what_the_tables_say() -> None:
    import json

    from hfkv.generate.module_tables import TARGET
    from hfkv.generate.part_places import places

    index = json.loads((TARGET / "INDEX.json").read_text(encoding="utf-8"))
    assert index["parts"] == places(TARGET)
