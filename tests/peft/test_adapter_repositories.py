"""``hfkv lora someone/their-adapter`` against a local Hub, the header as a witness."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfkv.tensors import Tensor, TensorTable
from tests.hub.server import Hub, Repo, safetensors
from tests.peft.tiny import facts

Run = Callable[..., tuple[int, str, str]]
START = "base_model.model.model.layers"


def repo(config: dict[str, Any], tensors: TensorTable | None) -> Repo:
    files: dict[str, Any] = {"adapter_config.json": json.dumps(config).encode()}
    if tensors is not None:
        files["adapter_model.safetensors"] = safetensors(tensors)
    return Repo(files=files)


def low_rank(rank: int) -> TensorTable:
    return TensorTable(
        Tensor(name=f"{START}.{n}.self_attn.q_proj.lora_{part}.weight", dtype="F32", shape=shape)
        for n in range(2)
        for part, shape in (("A", (rank, 64)), ("B", (64, rank)))
    )


def shared(rank: int) -> TensorTable:
    vectors = [
        Tensor(name=f"{START}.{n}.self_attn.q_proj.vera_lambda_{part}", dtype="F32", shape=(size,))
        for n in range(2)
        for part, size in (("b", 64), ("d", rank))
    ]
    projections = [
        Tensor(name=f"base_model.vera_{part}", dtype="F32", shape=shape)
        for part, shape in (("A", (rank, 64)), ("B", (64, rank)))
    ]
    return TensorTable([*vectors, *projections])


@pytest.fixture
def adapters(hub: Hub) -> Hub:
    base = facts()
    assert base.tensors is not None
    hub.repos["tiny/llama"] = Repo(
        files={
            "config.json": json.dumps(base.config).encode(),
            "model.safetensors": safetensors(base.tensors),
        }
    )
    lora = {
        "peft_type": "LORA",
        "base_model_name_or_path": "tiny/llama",
        "r": 4,
        "target_modules": ["q_proj"],
    }
    hub.repos["someone/adapter"] = repo(lora, low_rank(4))
    hub.repos["someone/wrong"] = repo(lora, low_rank(8))
    hub.repos["someone/bare"] = repo(lora, None)
    hub.repos["someone/ia3"] = repo({**lora, "peft_type": "IA3"}, low_rank(4))
    vera = {
        "peft_type": "VERA",
        "base_model_name_or_path": "tiny/llama",
        "r": 4,
        "target_modules": ["q_proj"],
    }
    hub.repos["someone/vera"] = repo(vera, shared(4))
    hub.repos["someone/other-vera"] = repo(vera, shared(5))
    hub.repos["someone/lost"] = repo({**lora, "base_model_name_or_path": "tiny/none"}, low_rank(4))
    hub.repos["someone/nameless"] = repo({**lora, "base_model_name_or_path": None}, low_rank(4))
    prefix = {
        "peft_type": "PREFIX_TUNING",
        "base_model_name_or_path": "tiny/llama",
        "num_virtual_tokens": 8,
    }
    embeddings = Tensor(name="prompt_embeddings", dtype="F32", shape=(8, 128))
    hub.repos["someone/prefix"] = repo(prefix, TensorTable([embeddings]))
    return hub


def test_the_base_is_read_and_the_header_agrees(adapters: Hub, hfkv: Run) -> None:
    code, out, _ = hfkv("lora", "someone/adapter", "--json")
    assert code == 0
    value = json.loads(out)
    assert value["model"] == "tiny/llama"
    assert value["parameters"] == value["saved_parameters"] == 2 * 4 * 128
    assert any("agrees" in note for note in value["notes"])


def test_a_repository_without_a_header_is_counted_from_its_config(adapters: Hub, hfkv: Run) -> None:
    code, out, _ = hfkv("lora", "someone/bare", "-q")
    assert (code, out.strip()) == (0, str(2 * 4 * 128))


def test_other_methods_are_certified_tensor_by_tensor(adapters: Hub, hfkv: Run) -> None:
    code, out, _ = hfkv("lora", "someone/vera", "--json")
    value = json.loads(out)
    assert (code, value["method"], value["parameters"]) == (0, "VERA", 2 * (64 + 4))
    assert value["saved_parameters"] == 2 * (64 + 4) + 2 * 4 * 64
    assert any("agrees" in note for note in value["notes"])
    code, _, err = hfkv("lora", "someone/other-vera")
    assert code == 1
    assert "another shape" in err
    assert "vera_lambda_d [5] in the file and [4] on this base" in err


def test_virtual_tokens_are_counted_too(adapters: Hub, hfkv: Run) -> None:
    code, out, _ = hfkv("lora", "someone/prefix", "--json")
    assert code == 0
    assert json.loads(out)["saved_parameters"] == 8 * 128


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("someone/wrong", ["2,048", "1,024", "q_proj"]),
        ("someone/ia3", ["IA3"]),
        ("someone/lost", ["tiny/none"]),
        ("someone/nameless", ["base_model_name_or_path"]),
    ],
)
def test_refusals(adapters: Hub, hfkv: Run, name: str, words: list[str]) -> None:
    code, out, err = hfkv("lora", name)
    assert (code, out) == (1, "")
    assert err.startswith("Error: ")
    assert all(word in err for word in words), err


def test_an_adapter_config_on_a_model(adapters: Hub, hfkv: Run, tmp_path: Path) -> None:
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps({"peft_type": "LORA", "r": 2, "target_modules": ["q_proj"]}))
    code, out, _ = hfkv("lora", "tiny/llama", "--adapter-config", str(path), "-q")
    assert (code, out.strip()) == (0, str(2 * 2 * 128))
    assert hfkv("lora", "tiny/llama", "--adapter-config", str(path), "--rank", "4")[0] == 2
    path.write_text("[1]")
    code, _, err = hfkv("lora", "tiny/llama", "--adapter-config", str(path))
    assert code == 1
    assert "Traceback" not in err
