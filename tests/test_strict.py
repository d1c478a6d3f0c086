"""``--strict``: what is not exact, or comes with warnings, is an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]
LLAMA = "meta-llama/Meta-Llama-3-70B"
DOCUMENTED = {
    "model_type": "chatglm",
    "num_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "kv_channels": 16,
    "multi_query_attention": True,
    "multi_query_group_num": 2,
    "torch_dtype": "bfloat16",
    "auto_map": {"AutoModel": "modeling_chatglm.ChatGLMForConditionalGeneration"},
}


@pytest.mark.parametrize("command", ["kv", "lora", "compare"])
def test_an_exact_figure_passes(hfkv: Run, offline: None, command: str) -> None:
    assert hfkv(command, LLAMA, "--strict", "-q") == hfkv(command, LLAMA, "-q")


@pytest.mark.parametrize("command", ["kv", "compare"])
def test_a_figure_that_is_not_exact_is_refused(hfkv: Run, tmp_path: Path, command: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(DOCUMENTED))
    code, out, err = hfkv(command, str(tmp_path), "--strict", "-q")
    assert code == 1
    assert "its basis is documented" in err
    assert out == ""
    if command == "kv":
        assert hfkv(command, str(tmp_path), "-q")[0] == 0


def test_of_several_models_the_good_ones_stay(hfkv: Run, offline: None, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(DOCUMENTED))
    asked = ("compare", str(tmp_path), LLAMA, "--strict")
    code, out, err = hfkv(*asked, "--json", "--sort", "kv")
    good, failed = json.loads(out)
    assert code == 1
    assert good["model"] == LLAMA
    assert good["kv_cache"]["basis"] == "exact"
    assert set(failed) == {"schema_version", "versions", "model", "error"}
    assert "kv_cache: its basis is documented" in failed["error"]["message"]
    assert "its basis is documented" in err
    code, out, _ = hfkv(*asked, "-q")
    assert (code, out.splitlines()[0]) == (1, f"{tmp_path}\t")


@pytest.mark.parametrize("command", ["lora", "compare"])
def test_so_is_one_that_comes_with_a_warning(hfkv: Run, offline: None, command: str) -> None:
    asked = (command, LLAMA, "--target-modules", "q_proj,v_projj")
    code, _, err = hfkv(*asked)
    assert code == 0
    assert "Warning: target_modules: 'v_projj' matches nothing" in err
    code, out, err = hfkv(*asked, "--strict")
    assert (code, out) == (1, "")
    assert "it comes with a warning" in err


def test_a_sum_is_as_exact_as_its_parts(hfkv: Run, offline: None) -> None:
    asked = ("lora", LLAMA, "--train", "--sequence", "4k", "-q")
    # Activations are estimated, and in no sum.
    assert hfkv(*asked, "--strict") == hfkv(*asked)
    shared = (*asked, "--strategy", "zero3", "--gpus", "4")
    assert hfkv(*shared)[0] == 0
    code, out, err = hfkv(*shared, "--strict")
    assert (code, out) == (1, "")
    assert "is documented" in err


def test_another_method_is_held_to_it_as_well(hfkv: Run, offline: None) -> None:
    asked = ("compare", LLAMA, "--method", "ia3,lora:8", "--strict")
    assert hfkv(*asked)[0] == 0


def test_engines_are_held_to_it(hfkv: Run, offline: None) -> None:
    asked = ("kv", "Qwen/Qwen3-8B", "--engine", "vllm", "--strict", "-q")
    assert hfkv(*asked)[0] == 0
    code, out, err = hfkv(*asked, "--gpu", "h200")
    assert (code, out) == (1, "")
    assert "its basis is documented" in err
    assert hfkv("kv", "Qwen/Qwen3-8B", "--engine", "all", "--strict")[0] == 2
