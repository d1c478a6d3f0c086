"""``hfkv verify`` and ``hfkv kv --basis live``: what the installed transformers really fills."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hfkv.cache import ROWS, registry
from hfkv.cache.registry import Row
from hfkv.cli import output
from hfkv.versions import tables

Run = Callable[..., tuple[int, str, str]]

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "num_hidden_layers": 3,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 64,
    "torch_dtype": "bfloat16",
}
GEMMA: dict[str, Any] = {
    **LLAMA,
    "model_type": "gemma3_text",
    "architectures": ["Gemma3ForCausalLM"],
    "num_hidden_layers": 7,
    "head_dim": 16,
    "sliding_window": 1200,
}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No word of what takes long: the first import of a library may, on a busy machine."""
    monkeypatch.setattr(output, "_FIRST_LINE", 3600.0)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[dict[str, Any]], str]:
    def write(config: dict[str, Any]) -> str:
        (tmp_path / "config.json").write_text(json.dumps(config))
        return str(tmp_path)

    return write


@pytest.mark.parametrize(
    "command", [["verify"], ["verify", "--rank", "8"], ["kv", "--basis", "live"]]
)
def test_without_the_extra_it_says_how_to_install_it(
    hfkv: Run, folder: Any, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    code, out, err = hfkv(*command, folder(LLAMA))
    assert (code, out) == (1, "")
    assert "torch is not installed" in err
    assert "pip install 'hfkv[verify]'" in err


def test_other_versions_than_the_tables_are_said() -> None:
    from hfkv.live.versions import Versions

    stated = {"transformers": "5.23.0", "peft": "0.21.2"}
    same = Versions(ran={"transformers": "5.23.0", "torch": "2.13.0+cpu"}, tables=stated)
    assert (same.notes, str(same)) == ([], "transformers 5.23.0, torch 2.13.0+cpu")
    other = Versions(ran={"transformers": "5.24.0+git", "torch": "2.14.0"}, tables=stated)
    (note,) = other.notes
    assert "transformers 5.24.0+git (tables: 5.23.0)" in note
    assert "torch" not in note


@pytest.mark.parametrize("command", [["verify"], ["verify", "--rank", "8"]])
def test_a_transformers_that_is_too_old_is_named(
    hfkv: Run, folder: Any, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__version__="2.8.0"))
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(__version__="4.56.2"))
    monkeypatch.setitem(sys.modules, "peft", SimpleNamespace(__version__="0.18.0"))
    code, out, err = hfkv(*command, folder(LLAMA))
    assert (code, out) == (1, "")
    assert "transformers 4.56.2 is too old" in err
    assert "4.57 or newer" in err


def test_an_adapter_is_described_once(hfkv: Run, folder: Any, tmp_path: Path) -> None:
    code, _, err = hfkv("verify", folder(LLAMA), "--rank", "8", "--adapter-config", "a.json")
    assert code == 2
    assert "--adapter-config states every option" in err


def test_fit_is_not_answered_live(hfkv: Run, folder: Any) -> None:
    code, _, err = hfkv("kv", folder(LLAMA), "--basis", "live", "--fit", "1GiB")
    assert code == 2
    assert "--fit" in err


@pytest.fixture
def oracle() -> None:
    pytest.importorskip("transformers")
    pytest.importorskip("torch")


@pytest.mark.oracle
@pytest.mark.usefixtures("oracle")
@pytest.mark.parametrize(("config", "tokens"), [(LLAMA, 1000), (GEMMA, 1201)])
def test_both_figures_side_by_side(
    hfkv: Run, folder: Any, config: dict[str, Any], tokens: int
) -> None:
    code, out, err = hfkv("verify", folder(config), "--json")
    assert (code, err) == (0, "")
    value = json.loads(out)
    assert value["agree"] is True
    assert value["tokens"] == tokens  # beyond the window, where there is one
    assert value["difference_bytes"] == 0
    assert value["hfkv"]["bytes"] == value["live"]["bytes"]
    assert value["reference"].endswith(config["architectures"][0])
    assert list(value["versions"]) == ["transformers", "torch"]
    assert value["versions"]["transformers"] == value["tables"]["transformers"]
    assert value["notes"] == []
    assert len(value["layers"]) == config["num_hidden_layers"]
    for layer in value["layers"]:
        assert layer["hfkv"] == layer["live"]
    assert "agrees" in " ".join(hfkv("verify", folder(config))[1].split())


@pytest.mark.oracle
@pytest.mark.usefixtures("oracle")
def test_a_difference_is_shown_by_layer_and_exits_1(
    hfkv: Run, folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = ROWS["gemma3_text"]

    def wrong(config: Any) -> Any:
        made: Any = right.made(config)
        return replace(made, kinds=[*made.kinds[:-1], made.kinds[5]])

    monkeypatch.setattr(registry, "ROWS", {**ROWS, "gemma3_text": Row(wrong)})
    code, out, _ = hfkv("verify", folder(GEMMA), "--json")
    value = json.loads(out)
    assert code == 1
    assert value["agree"] is False
    assert [layer["index"] for layer in value["layers"] if not layer["agree"]] == [6]
    per_token = 2 * 2 * 16 * 2
    assert value["difference_bytes"] == (1201 - 1199) * per_token
    code, out, _ = hfkv("verify", folder(GEMMA))
    assert code == 1
    assert "DIFFER" in out


@pytest.mark.oracle
@pytest.mark.usefixtures("oracle")
def test_a_type_without_a_row_is_answered_live(
    hfkv: Run, folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = json.loads(hfkv("kv", folder(GEMMA), "--tokens", "1500", "--layers", "--json")[1])
    others = {key: row for key, row in ROWS.items() if key != "gemma3_text"}
    monkeypatch.setattr(registry, "ROWS", others)
    code, out, _ = hfkv("verify", folder(GEMMA), "--tokens", "1500", "--json")
    value = json.loads(out)
    assert code == 0
    assert (value["agree"], value["hfkv"]) == (None, None)
    assert "gemma3_text" in value["reasons"]["hfkv"]
    assert value["live"] == {"bytes": expected["bytes"], "basis": "live"}
    code, out, _ = hfkv(
        "kv", folder(GEMMA), "--tokens", "1500", "--basis", "live", "--layers", "--json"
    )
    live = json.loads(out)
    assert (code, live["basis"]) == (0, "live")
    for key in ("bytes", "bytes_per_token", "constant_bytes", "dtype", "average_bytes_per_token"):
        assert live[key] == expected[key], key
    assert [layer["tensors"] for layer in live["layers"]] == [
        layer["tensors"] for layer in expected["layers"]
    ]


@pytest.mark.oracle
@pytest.mark.usefixtures("oracle")
@pytest.mark.parametrize("asked", ["fp32", "fp8", "int4"])
def test_the_element_type_is_the_asked_one(hfkv: Run, folder: Any, asked: str) -> None:
    arguments = (folder(LLAMA), "--tokens", "33", "--batch", "3", "--kv-dtype", asked, "--json")
    mine = json.loads(hfkv("kv", *arguments)[1])
    live = json.loads(hfkv("kv", *arguments, "--basis", "live")[1])
    assert live["bytes"] == mine["bytes"]
    assert live["dtype"] == mine["dtype"]


@pytest.mark.oracle
@pytest.mark.usefixtures("oracle")
def test_what_transformers_cannot_answer_is_refused(hfkv: Run, folder: Any) -> None:
    code, _, err = hfkv("verify", folder({**LLAMA, "model_type": "brand_new"}))
    assert code == 1
    assert "brand_new" in err
    # Heads that do not divide: the class itself fails, and its words are passed on.
    code, _, err = hfkv("verify", folder({**LLAMA, "num_attention_heads": 5}))
    assert code == 1
    assert f"transformers {tables()['transformers']} could not" in err


@pytest.mark.oracle
@pytest.mark.usefixtures("oracle")
def test_an_encoders_length_has_to_be_known(hfkv: Run, folder: Any) -> None:
    config = {
        "model_type": "t5",
        "architectures": ["T5ForConditionalGeneration"],
        "num_layers": 2,
        "d_model": 32,
        "num_heads": 4,
        "d_kv": 8,
        "d_ff": 32,
        "vocab_size": 64,
        "torch_dtype": "bfloat16",
    }
    arguments = ("kv", folder(config), "--basis", "live", "--tokens", "5")
    code, _, err = hfkv(*arguments)
    assert code == 1
    assert "--encoder-tokens" in err
    code, out, _ = hfkv(*arguments, "--encoder-tokens", "7", "--json")
    assert code == 0
    value = json.loads(out)
    layer = 2 * 4 * 8 * 2  # K and V x heads x head size x 2 B
    assert value["constant_bytes"] == 2 * layer * 7
    assert value["bytes"] == 2 * layer * (5 + 7)


@pytest.mark.oracle
@pytest.mark.usefixtures("oracle")
def test_an_adapter_side_by_side(hfkv: Run, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    model = ["Qwen/Qwen3-30B-A3B", "--source", "snapshot"]
    code, out, _ = hfkv("verify", *model, "--rank", "4", "--json")
    value = json.loads(out)
    assert (code, value["agree"], value["differing"]) == (0, True, [])
    assert value["hfkv"]["per_target"] == value["live"]["per_target"]
    assert value["hfkv"]["trainable"] == value["live"]["trainable"] > 0
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps({"peft_type": "LORA", "r": 4, "target_modules": ["q_proj"]}))
    code, out, _ = hfkv("verify", *model, "--adapter-config", str(path))
    assert code == 0
    assert "they agree" in out
    code, out, _ = hfkv("verify", *model, "--target-modules", "nonsense")
    assert code == 0
    assert "both refuse" in out


@pytest.mark.oracle
@pytest.mark.usefixtures("oracle")
def test_an_adapter_that_differs_is_said(hfkv: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("peft")
    from hfkv.live import verify_lora

    live = verify_lora.live_lora
    monkeypatch.setattr(
        verify_lora,
        "live_lora",
        lambda raw, options: live(raw, {**options, "exclude_modules": ["k_proj"]}),
    )
    model = ["Qwen/Qwen3-8B", "--source", "snapshot", "--rank", "4"]
    code, out, _ = hfkv("verify", *model)
    assert code == 1
    assert "they DIFFER" in out
    assert json.loads(hfkv("verify", *model, "--json")[1])["differing"] == ["k_proj"]


@pytest.mark.oracle
@pytest.mark.usefixtures("oracle")
@pytest.mark.parametrize("model_type", ["glmasr", "voxtral"])
def test_a_config_leaves_nothing_in_the_defaults_of_its_class(model_type: str) -> None:
    from hfkv.live.build import config_of

    def rotary(**text: object) -> object:
        config = config_of({"model_type": model_type, "text_config": text})
        return json.loads(config.to_json_string(use_diff=False))["text_config"]["rope_parameters"]

    plain = rotary(hidden_size=64)
    assert rotary(hidden_size=64, partial_rotary_factor=0.25) != plain
    assert rotary(hidden_size=64) == plain
