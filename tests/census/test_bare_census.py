"""LoRA without a header: a plan must come to what the header comes to, and what PEFT makes.

The recorded census has a config, a header and PEFT's own counts for every class. Where a class has
a plan, the config alone must give the same.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

import hfkv
from hfkv.errors import UnsupportedError
from hfkv.model import Model
from hfkv.peft.lora import LoraOptions
from hfkv.source.snapshot import snapshot_names
from tests.census.lora_compare import counted, disagreement, facts_of, unpack
from tests.census.lora_goldens import records

PLANS = Path(__file__).parents[2] / "hfkv" / "data" / "plans"
#: Recorded configs that go beyond what the plan of their class was proved with, and are refused.
BEYOND = {
    "falcon_h1-FalconH1ForCausalLM": "for ssm_multipliers",
    "diffusion_gemma-DiffusionGemmaForBlockDiffusion": "with per_layer_config",
    "gemma4-Gemma4ForConditionalGeneration": "with per_layer_config",
    "gemma4_unified-Gemma4UnifiedForConditionalGeneration": "with per_layer_config",
    "gemma4_unified_text-Gemma4UnifiedForCausalLM": "with per_layer_config",
    "gemma4_text-Gemma4ForCausalLM": "with per_layer_config",
    "mamba2-Mamba2ForCausalLM": "for head_dim",
    "gpt_neo-GPTNeoForCausalLM": "for attention_types",
    "qwen2_moe-Qwen2MoeForCausalLM": "for sliding_window",
}

#: How many of the option sets beside ``all_linear`` the quick run tries for each class.
SOME = 1


@lru_cache(maxsize=1)
def _planned() -> dict[str, dict[str, Any]]:
    """The recorded classes that have a plan."""
    found = {}
    known: dict[str, Any] = {}
    for item in records():
        model_type, name = item["model_type"], item["class"]
        if model_type not in known:
            path = PLANS / f"{model_type}.json"
            known[model_type] = json.loads(path.read_text())["classes"] if path.exists() else {}
        if "modules" in known[model_type].get(name, {}):
            found[f"{model_type}-{name}"] = item
    return found


def _wrong(key: str, item: dict[str, Any], names: list[str]) -> dict[str, str]:
    whole = facts_of(item["config"], item["class"], unpack(item["header"]))
    alone = dataclasses.replace(whole, tensors=None)
    found = {}
    for name in names:
        options, theirs = item["cases"][name]
        mine = counted(alone, options)
        # Of what PEFT refuses or hfkv cannot count with a header either, the same is said.
        if disagreement(mine, theirs) is None:
            continue
        if key in BEYOND and BEYOND[key] in mine.get("reason", ""):
            continue
        header = counted(whole, options)
        if "error" in header and "error" in mine and "safetensors headers" not in mine["reason"]:
            continue
        found[name] = f"{mine} with {options}, with the header {header}, PEFT {theirs}"
    return found


def _names(key: str, item: dict[str, Any], some: int) -> list[str]:
    others = sorted(item["cases"], key=lambda name: zlib.crc32(f"{key} {name}".encode()))
    return ["all_linear", *others[:some]]


def test_the_config_alone_gives_what_peft_makes() -> None:
    wrong = {}
    for key, item in _planned().items():
        wrong.update(
            {f"{key} {k}": v for k, v in _wrong(key, item, _names(key, item, SOME)).items()}
        )
    assert not wrong, "\n".join(f"{key}: {value}" for key, value in wrong.items())


@pytest.mark.oracle
def test_it_does_so_for_every_option_set() -> None:
    wrong = {}
    for key, item in _planned().items():
        wrong.update({f"{key} {k}": v for k, v in _wrong(key, item, list(item["cases"])).items()})
    assert not wrong, "\n".join(f"{key}: {value}" for key, value in wrong.items())


@pytest.mark.parametrize("name", snapshot_names())
def test_the_config_of_a_known_model_gives_what_its_header_gives(name: str) -> None:
    facts = hfkv.load(name, source="snapshot").facts
    alone = dataclasses.replace(facts, tensors=None)
    options = LoraOptions.from_options(r=8, target_modules="all-linear")
    try:
        mine = Model(alone).lora(options, dtype="bf16")
    except UnsupportedError as error:
        pytest.skip(f"no plan: {error}")
    theirs = Model(facts).lora(options, dtype="bf16")
    for figure in ("parameters", "all_parameters", "per_target", "modules"):
        assert getattr(mine, figure) == getattr(theirs, figure), figure
