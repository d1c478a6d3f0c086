"""What the check says of a config is what PEFT does with it: it fails, or the names do nothing."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from hfkv.check.targets import Base, Flaw, flaws
from hfkv.errors import HfkvError
from hfkv.facts import read
from hfkv.modules.build import build
from hfkv.peft.lora import LoraOptions
from hfkv.source.directory import read_directory

pytestmark = pytest.mark.oracle

TINY = Path(__file__).parents[2] / "examples" / "checked" / "models" / "tiny"
FAILS = {"HFKV101", "HFKV108"}

CASES: list[dict[str, Any]] = [
    {"target_modules": ["q_proj", "v_proj"]},
    {"target_modules": ["q_proj", "vproj", "c_attn"]},
    {"target_modules": ["c_attn"]},
    {"target_modules": "q_proj"},
    {"target_modules": r".*\.q_proj"},
    {"target_modules": r".*vision.*"},
    {"target_modules": "all-linear"},
    {"target_modules": ["self_attn"]},
    {"target_modules": ["q_proj", "self_attn"]},
    {"target_modules": ["embed_tokens", "lm_head"]},
    {"target_modules": ["layers.1.self_attn.q_proj", "layers.7.self_attn.q_proj"]},
    {"target_modules": ["q_proj"], "modules_to_save": ["lm_head", "score"]},
    {"target_modules": ["q_proj"], "modules_to_save": ["head", "nothing", "norm"]},
    {"target_modules": ["q_proj"], "exclude_modules": ["v_proj", "vision"]},
    {"target_modules": ["q_proj", "v_proj"], "exclude_modules": ["v_proj", "vproj"]},
    {"target_modules": ["q_proj"], "exclude_modules": ".*vision.*"},
    {"target_modules": ["q_proj"], "exclude_modules": ["q_proj"]},
    {"target_modules": ["q_proj"], "rank_pattern": {"k_proj": 4, "q_proj": 2}},
    {"target_modules": ["q_proj"], "rank_pattern": {"layers.0.self_attn.q_proj": 4, "l": 3}},
    {"target_modules": ["q_proj"], "rank_pattern": {"^model.layers.1.self_attn.q_proj": 4}},
    {"target_modules": ["q_proj"], "alpha_pattern": {"k_proj": 4}},
    {"target_modules": ["q_proj"], "layers_to_transform": [0, 5]},
    {"target_modules": ["q_proj"], "layers_to_transform": 9},
    {"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": ["layers"]},
    {"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": ["layers", "h"]},
    {"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": ["blocks"]},
    {"target_modules": [], "target_parameters": ["q_proj.weight", "nothing.weight"]},
    {"target_modules": ["k_proj"], "target_parameters": ["v_proj.weight", "nothing"]},
    {"target_modules": ["q_proj"], "trainable_token_indices": [0, 31]},
    {"target_modules": [], "layers_to_transform": [0]},
]


@pytest.fixture(scope="module")
def base() -> Base:
    facts = read(read_directory(TINY, model="tiny", source="directory"))
    assert facts.config is not None
    return Base(build(facts), "tiny")


@pytest.fixture(scope="module")
def model() -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(TINY))


def _trained(model: Any, fields: dict[str, Any]) -> dict[str, tuple[int, ...]] | None:
    """Names and shapes of what PEFT would train; None where it fails."""
    from peft import LoraConfig, get_peft_model

    try:
        made = get_peft_model(copy.deepcopy(model), LoraConfig(r=1, **fields))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return {name: tuple(item.shape) for name, item in made.named_parameters() if item.requires_grad}


def _found(base: Base, fields: dict[str, Any]) -> list[Flaw] | None:
    try:
        options = LoraOptions.from_config({"peft_type": "LORA", "r": 1, **fields})
        return list(flaws(base, options))
    except HfkvError:
        return None


@pytest.mark.parametrize("fields", CASES, ids=str)
def test_it_fails_where_the_check_says_so(base: Base, model: Any, fields: dict[str, Any]) -> None:
    found = _found(base, fields)
    fails = found is None or any(
        item.code in FAILS or item.message.endswith("PEFT refuses to adapt nothing")
        for item in found
    )
    assert (_trained(model, fields) is None) == fails, found


@pytest.mark.parametrize("fields", CASES, ids=str)
def test_what_matches_nothing_does_nothing(base: Base, model: Any, fields: dict[str, Any]) -> None:
    before = _trained(model, fields)
    if before is None:
        return
    for flaw in _found(base, fields) or []:
        value = fields[flaw.field]
        if isinstance(value, list):
            less: Any = [item for item in value if item != flaw.item]
        elif isinstance(value, dict):
            less = {key: item for key, item in value.items() if key != flaw.item}
        else:
            less = None
        assert _trained(model, {**fields, flaw.field: less}) == before, flaw


@pytest.mark.parametrize("fields", CASES, ids=str)
def test_what_is_not_reported_does_something(
    base: Base, model: Any, fields: dict[str, Any]
) -> None:
    before = _trained(model, fields)
    if before is None:
        return
    reported = {(item.field, str(item.item)) for item in _found(base, fields) or []}
    # An exclusion is asked whether there is such a module, not whether it was a target as well.
    for field in ("target_modules", "modules_to_save", "rank_pattern", "target_parameters"):
        value = fields.get(field) or ()
        if isinstance(value, str):
            continue
        for item in value:
            if (field, str(item)) in reported:
                continue
            less = (
                {key: rank for key, rank in value.items() if key != item}
                if isinstance(value, dict)
                else [other for other in value if other != item]
            )
            assert _trained(model, {**fields, field: less}) != before, (field, item)


@pytest.mark.parametrize(
    "name",
    [
        "Qwen/Qwen3-8B", "EleutherAI/pythia-410m", "openai-community/gpt2",
        "allenai/OLMoE-1B-7B-0924", "openai/gpt-oss-20b", "google/gemma-3-4b-it",
        "tiiuae/falcon-7b", "microsoft/phi-4",
    ],
)  # fmt: skip
def test_every_linear_layer_is_named_as_trainers_name_it(name: str) -> None:
    import torch

    from hfkv.check.adapters import _every_linear
    from hfkv.check.asked import EveryLinear
    from hfkv.live.build import build, config_of
    from hfkv.model import load

    loaded = load(name, source="snapshot")
    facts = loaded.facts
    assert facts.config is not None
    ours = _every_linear(Base(loaded.built, name), EveryLinear(but=("lm_head", "embed_out")))
    # axolotl's rule: torch's Linear, or a class that is called so, without the output embedding.
    leaves = {
        full.rpartition(".")[2]
        for full, module in build(config_of(facts.config)).named_modules()
        if isinstance(module, torch.nn.Linear) or "Linear" in type(module).__name__
    }
    assert set(ours) == leaves - {"lm_head", "embed_out"}
