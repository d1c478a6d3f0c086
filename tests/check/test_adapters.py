"""PEFT configs against their base models: every code, at the right line."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from hfkv.errors import HfkvError, TargetError
from hfkv.source.snapshot import snapshot_names
from tests.check.conftest import QWEN, Project, from_snapshots

ADAPTERS = Path(__file__).parents[3] / "shared" / "data" / "adapters"
GOOD: dict[str, Any] = {
    "peft_type": "LORA",
    "base_model_name_or_path": QWEN,
    "r": 16,
    "target_modules": ["q_proj", "v_proj"],
}


def test_a_good_config_has_no_findings(project: Project) -> None:
    assert project.codes("adapter_config.json", GOOD) == []
    assert project.report.files == 1


@pytest.mark.parametrize(
    ("changed", "expected", "words"),
    [
        ({"target_modules": ["c_attn", "c_proj"]}, [(6, "HFKV101"), (7, "HFKV101")], "it has"),
        ({"target_modules": "q_proj"}, [(5, "HFKV101")], "write ['q_proj']"),
        ({"target_modules": r".*\.qproj"}, [(5, "HFKV101")], "whole name"),
        ({"target_modules": ["q_proj", "vproj"]}, [(7, "HFKV102")], "v_proj"),
        ({"target_modules": ["q_proj", "self_attn"]}, [(5, "HFKV108")], "self_attn"),
        ({"r": 4096}, [(4, "HFKV103")], "1,024 of v_proj"),
        ({"rank_pattern": {"v_proj": 2000}}, [(10, "HFKV103")], "rank_pattern: 2000 exceeds"),
        ({"rank_pattern": {"q_proj": 8, "k_proj": 8}}, [(11, "HFKV104")], "k_proj"),
        ({"alpha_pattern": {"o_proj": 8}}, [(10, "HFKV104")], "o_proj"),
        ({"exclude_modules": ["v_proj"]}, [(7, "HFKV102")], "'v_proj' adapts nothing"),
        ({"exclude_modules": ["lmhead"]}, [(10, "HFKV104")], "lm_head"),
        ({"exclude_modules": ".*vision.*"}, [(9, "HFKV104")], "excludes nothing"),
        ({"modules_to_save": ["lm_head", "score"]}, [(11, "HFKV105")], "'score' is no module"),
        ({"r": 0}, [(4, "HFKV107")], "rank of at least 1"),
        ({"r": "16"}, [(4, "HFKV107")], "rank of at least 1"),
        ({"target_modules": "("}, [(5, "HFKV107")], "not a regular expression"),
        ({"use_dora": True, "lora_bias": True}, [(5, "HFKV108")], "lora_bias with use_dora"),
        ({"layers_to_transform": [35, 36]}, [(11, "HFKV109")], "no layer 36"),
        (
            {"layers_to_transform": [0], "layers_pattern": ["blocks"]},
            [(13, "HFKV104")],
            "no list of layers",
        ),
        ({"trainable_token_indices": [5, 999999]}, [(11, "HFKV109")], "999999"),
        ({"base_model_name_or_path": None}, [(3, "HFKV110")], "names no base model"),
        ({"base_model_name_or_path": "${BASE}"}, [], ""),
        ({"base_model_name_or_path": "./gone"}, [(3, "HFKV003")], "no ./gone"),
        ({"arrow_config": {"top_k": 2}}, [(9, "HFKV005")], "arrow_config"),
        ({"target_modules": "(.*)*_proj"}, [(5, "HFKV005")], "unbounded"),
    ],
)
def test_each_mistake_is_found_at_its_line(
    project: Project, changed: dict[str, Any], expected: list[tuple[int, str]], words: str
) -> None:
    assert project.codes("adapter_config.json", {**GOOD, **changed}) == expected
    assert words in " ".join(item.message for item in project.report.findings)


def test_it_is_told_by_its_content_whatever_it_is_called(project: Project) -> None:
    assert project.codes("weird/name.json", {**GOOD, "r": 4096}) == [(4, "HFKV103")]


def test_other_kinds_have_their_names_checked_and_are_not_counted(project: Project) -> None:
    ia3 = {**GOOD, "peft_type": "IA3", "target_modules": ["k_proj", "fc1"], "feedforward": ["fc1"]}
    assert project.codes("a.json", ia3) == [(7, "HFKV102")]
    project.write("hfkv.toml", '[[budget]]\nadapter = "1"\n')
    assert project.codes("a.json", {**ia3, "target_modules": ["k_proj"]}) == []
    assert project.codes("a.json", {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 8}) == []


def test_a_base_that_is_not_locked_names_the_command(project: Project) -> None:
    project.write("adapter_config.json", GOOD)
    (finding,) = project.check(locked=False)
    assert (finding.line, finding.code) == (3, "HFKV002")
    assert "run `hfkv lock`" in finding.message
    assert "--online" in finding.message


def test_the_base_that_is_configured_comes_first(project: Project) -> None:
    project.write("hfkv.toml", f'[bases]\n"loras/**" = "{QWEN}"\n')
    bad = {**GOOD, "base_model_name_or_path": "/nowhere", "target_modules": ["c_attn"]}
    assert project.codes("loras/a.json", bad) == [(6, "HFKV101")]


def test_an_unsupported_base_is_refused_and_not_passed(project: Project) -> None:
    project.write("base/config.json", {"model_type": "nobody_knows"})
    project.write("adapter_config.json", {**GOOD, "base_model_name_or_path": "base"})
    assert project.found("adapter_config.json") == [("adapter_config.json", 3, "HFKV005")]


def _safetensors(path: Path, tensors: dict[str, list[int]]) -> None:
    header: dict[str, Any] = {}
    at = 0
    for name, shape in tensors.items():
        size = 4
        for side in shape:
            size *= side
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    raw = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(at))


@pytest.mark.parametrize(("rank", "expected"), [(1, []), (2, [(1, "HFKV106")])])
def test_its_own_header_is_a_witness(
    project: Project, rank: int, expected: list[tuple[int, str]]
) -> None:
    tiny = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "vocab_size": 8,
        "torch_dtype": "float32",
        "tie_word_embeddings": True,
    }
    project.write("base/config.json", tiny)
    layer = "model.layers.0."
    shapes = {"model.embed_tokens.weight": [8, 8], "model.norm.weight": [8]}
    for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
        shapes[f"{layer}self_attn.{name}.weight"] = [8, 8]
    for name in ("gate_proj", "up_proj", "down_proj"):
        shapes[f"{layer}mlp.{name}.weight"] = [8, 8]
    for name in ("input_layernorm", "post_attention_layernorm"):
        shapes[f"{layer}{name}.weight"] = [8]
    _safetensors(project.root / "base/model.safetensors", shapes)
    start = f"base_model.model.{layer}self_attn.q_proj.lora_"
    config = {**GOOD, "base_model_name_or_path": "../base", "r": 1, "target_modules": ["q_proj"]}
    project.write("adapter/adapter_config.json", config)
    _safetensors(
        project.root / "adapter/adapter_model.safetensors",
        {f"{start}A.weight": [rank, 8], f"{start}B.weight": [8, rank]},
    )
    assert project.found() == [("adapter/adapter_config.json", *item) for item in expected]
    (project.root / "adapter/adapter_model.safetensors").write_bytes(b"\xff" * 20)
    assert project.found() == [("adapter/adapter_config.json", 1, "HFKV106")]


@pytest.mark.skipif(not ADAPTERS.is_dir(), reason="the shared data is not beside the checkout")
def test_real_configs_give_findings_and_never_an_error(project: Project) -> None:
    known = {name.lower() for name in snapshot_names()}
    for file in sorted(ADAPTERS.glob("*.json")):
        value = json.loads(file.read_text("utf-8"))
        if str(value.get("base_model_name_or_path")).lower() not in known:
            value["base_model_name_or_path"] = QWEN
        project.write(f"{file.stem}/adapter_config.json", value)
    found = project.check()
    assert project.report.files == len(list(ADAPTERS.glob("*.json")))
    assert {item.code for item in found} <= {
        "HFKV005", "HFKV101", "HFKV102", "HFKV104", "HFKV105", "HFKV107", "HFKV108", "HFKV109"
    }  # fmt: skip
    foreign = {item.path for item in found if "only transformers' are checked" in item.message}
    # What the count refuses as PEFT does, the check reports, and the other way round.
    refused = {item.path for item in found if item.code in ("HFKV101", "HFKV108")}
    base = from_snapshots(QWEN, None)
    for file in sorted(project.root.glob("*/adapter_config.json")):
        value = json.loads(file.read_text("utf-8"))
        if file.relative_to(project.root).as_posix() in foreign:
            continue
        if value.get("peft_type") != "LORA" or value["base_model_name_or_path"] != QWEN:
            continue
        try:
            base.lora(value)
            fails = False
        except TargetError:
            fails = True
        except HfkvError:
            continue
        assert (file.relative_to(project.root).as_posix() in refused) == fails, file
