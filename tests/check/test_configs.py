"""config.json files of one's own models."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.check.conftest import Project

EXAMPLE = Path(__file__).parents[2] / "examples" / "checked" / "models" / "tiny"
CONFIGS = Path(__file__).parents[3] / "shared" / "data" / "configs"
TINY: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 16,
    "intermediate_size": 32,
    "model_type": "llama",
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "vocab_size": 32,
}


@pytest.mark.parametrize(
    ("changed", "expected", "words"),
    [
        ({}, [], ""),
        ({"model_type": "llamb"}, [(7, "HFKV401")], "llamb"),
        ({"num_hidden_layers": "2"}, [(9, "HFKV402")], "num_hidden_layers"),
        ({"num_attention_heads": None}, [(8, "HFKV402")], "num_attention_heads"),
        ({"num_key_value_heads": 4}, [(1, "HFKV403")], "another shape"),
        ({"num_hidden_layers": 3}, [(1, "HFKV403")], "layers.2"),
    ],
)
def test_a_config_with_its_header_beside_it(
    project: Project, changed: dict[str, Any], expected: list[tuple[int, str]], words: str
) -> None:
    (project.root / "m").mkdir()
    shutil.copy(EXAMPLE / "model.safetensors", project.root / "m")
    assert project.codes("m/config.json", {**TINY, **changed}) == expected
    assert words in " ".join(item.message for item in project.report.findings)


def test_a_header_that_is_damaged(project: Project) -> None:
    project.write("m/model.safetensors", b"\xff" * 30)
    assert project.codes("m/config.json", TINY) == [(1, "HFKV403")]


def test_other_files_of_that_name_are_not_models(project: Project) -> None:
    assert project.codes("app/config.json", {"port": 80, "debug": True}) == []
    assert project.codes("saved.json", {**TINY, "model_type": "llamb"}) == [(7, "HFKV401")]
    assert project.codes("saved.json", {"model_type": "x", "other": 1}) == []


@pytest.mark.skipif(not CONFIGS.is_dir(), reason="the shared data is not beside the checkout")
def test_real_configs_are_planned_or_refused(project: Project) -> None:
    for file in CONFIGS.glob("*.json"):
        (project.root / file.stem).mkdir()
        shutil.copy(file, project.root / file.stem / "config.json")
    found = project.check()
    assert project.report.files > 300
    assert {item.code for item in found} <= {"HFKV401", "HFKV402"}
    assert all(len(item.message) < 1100 for item in found)
