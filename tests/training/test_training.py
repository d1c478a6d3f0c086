"""``hfkv lora --train``: the sum, what is estimated beside it, and what is said."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hfkv
from hfkv.errors import UnsupportedError
from hfkv.model import Model
from hfkv.render.train import COLUMNS
from hfkv.training.loaded import loaded
from hfkv.training.strategies import Piece
from tests.peft.tiny import facts

LLAMA = hfkv.load("meta-llama/Meta-Llama-3-8B", source="snapshot")
RECORDED = json.loads((Path(__file__).parent / "bitsandbytes.json").read_text(encoding="utf-8"))
PAGE = (Path(__file__).parents[2] / ".github" / "OUTPUT.md").read_text(encoding="utf-8")
Run = Callable[..., tuple[int, str, str]]


def test_the_sum_is_that_of_the_parts_and_has_no_estimate_in_it() -> None:
    alone = LLAMA.training(LLAMA.lora(r=16))
    guessed = LLAMA.training(LLAMA.lora(r=16), batch=2, sequence=4096)
    assert alone.bytes == guessed.bytes == sum(part.bytes for part in guessed.parts)
    assert guessed.activations is not None
    assert guessed.activations.low is not None
    assert guessed.to_json()["activations"]["basis"] == "estimated"
    assert alone.to_json()["activations"] is None
    assert alone.basis == "exact"


def test_saved_modules_keep_the_bases_dtype() -> None:
    found = LLAMA.training(LLAMA.lora(r=16, modules_to_save=["lm_head"]))
    parts = {part.name: part.bytes for part in found.parts}
    head = 128_256 * 4096
    assert parts["adapter"] == parts["gradients"] == 41_943_040 * 4 + head * 2
    assert found.saved_tensor_bytes == parts["adapter"]


def test_without_autocast_the_adapter_is_in_the_models_dtype() -> None:
    found = LLAMA.training(LLAMA.lora(r=16), autocast=False)
    assert {part.name: part.bytes for part in found.parts}["adapter"] == 41_943_040 * 2
    assert any("autocast_adapter_dtype=False" in note for note in found.notes)


@pytest.mark.parametrize(("way", "key"), [("4bit", "nf4"), ("8bit", "int8")])
def test_a_packed_weight_is_as_bitsandbytes_made_it(way: str, key: str) -> None:
    from hfkv.training import loaded as module

    for (rows, columns), size in RECORDED[key]:
        count = rows * columns
        assert size == (module._four(count) if way == "4bit" else count + 4 * rows)
    held = loaded(LLAMA.base, way).held
    packed = [item for item in held if not item.element]
    assert len(packed) == 32 * 7
    assert {item.element for item in held if item.element} == {"F32"}
    kept = loaded(LLAMA.base, way, prepare=False).held
    assert {item.element for item in kept if item.element} == {"BF16"}


def test_a_checkpoint_packed_in_another_way_is_refused_or_unpacked() -> None:
    oss = hfkv.load("openai/gpt-oss-20b", source="snapshot")
    figure = oss.lora(r=8)
    with pytest.raises(UnsupportedError, match="is not counted"):
        oss.training(figure)
    with pytest.raises(UnsupportedError, match="packed already"):
        oss.training(figure, base_dtype="4bit")
    found = oss.training(figure, base_dtype="bf16")
    assert found.parts[0].bytes == 2 * figure.injection.base
    assert found.parts[0].basis == "documented"
    assert any("dequantize=True" in note for note in found.notes)


def _nf4(out: int, into: int) -> list[tuple[str, str, tuple[int, ...]]]:
    blocks = -(-out * into // 64)
    return [
        ("weight", "U8", (out * into // 2, 1)),
        ("weight.absmax", "U8", (blocks,)),
        ("weight.quant_map", "F32", (16,)),
        ("weight.nested_absmax", "F32", (-(-blocks // 256),)),
        ("weight.nested_quant_map", "F32", (256,)),
        ("weight.quant_state.bitsandbytes__nf4", "U8", (169,)),
    ]


def _int8(out: int, into: int) -> list[tuple[str, str, tuple[int, ...]]]:
    return [("weight", "I8", (out, into)), ("SCB", "F32", (out,)), ("weight_format", "U8", ())]


@pytest.mark.parametrize(("way", "layer"), [("4bit", _nf4), ("8bit", _int8)])
def test_a_checkpoint_of_bitsandbytes_is_as_it_would_be_packed(way: str, layer: Any) -> None:
    quantization = {"quant_method": "bitsandbytes", f"load_in_{way}": True}
    stored = Model(facts(layer, {"quantization_config": quantization}))
    plain = Model(facts())
    for prepare in (True, False):
        ours = stored.training(stored.lora(r=4), prepare=prepare)
        theirs = plain.training(plain.lora(r=4), base_dtype=way, prepare=prepare)
        assert [part.bytes for part in ours.parts] == [part.bytes for part in theirs.parts]
        assert ours.base_dtype == theirs.base_dtype == way


def test_the_published_rule_by_hand() -> None:
    found = LLAMA.training(LLAMA.lora(r=16), batch=2, sequence=1024).activations
    assert found is not None
    s, b, h, a, v, layers = 1024, 2, 4096, 32, 128_256, 32
    assert found.low == 34 * s * b * h * layers
    high = layers * s * b * h * (34 + 5 * a * s // h) + 4 * s * b * h * (h + v) // h
    assert found.high == high
    again = LLAMA.training(LLAMA.lora(r=16), batch=2, sequence=1024, checkpointing=True).activations
    assert again is not None
    assert again.low == 2 * s * b * h * layers
    assert again.high is not None
    assert again.low < again.high < high


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Qwen/Qwen3-30B-A3B", "experts"),
        ("mistralai/Mixtral-8x7B-v0.1", "experts"),
        ("openai-community/gpt2", "16 bits"),
    ],
)
def test_models_that_the_rule_does_not_speak_of(name: str, reason: str) -> None:
    model = hfkv.load(name, source="snapshot")
    found = model.training(model.lora(r=8), sequence=128).activations
    assert found is not None
    assert (found.low, found.high) == (None, None)
    assert reason in found.reason


def test_lomo_holds_the_largest_gradient_alone() -> None:
    figure = LLAMA.lora(r=16)
    parts = {part.name: part.bytes for part in LLAMA.training(figure, optimizer="lomo").parts}
    assert parts["gradients"] == 16 * 14_336 * 4
    assert parts["optimizer"] == 0
    assert Piece(shape=(2, 3), element="F32", bytes=24).elements == 6


def test_every_form_says_the_same(hfkv: Run, offline: None) -> None:
    asked = ("lora", LLAMA.model, "--rank", "16", "--train", "--sequence", "4096")
    value = json.loads(hfkv(*asked, "--json")[1])
    assert hfkv(*asked, "-q")[1].strip() == str(value["bytes"])
    out = hfkv(*asked, "--format", "csv")[1]
    assert out.splitlines()[0].split(",") == [column.name for column in COLUMNS]
    rows = list(csv.DictReader(io.StringIO(out)))
    guessed = [row for row in rows if row["part"].startswith("activations")]
    assert [row["basis"] for row in guessed] == ["estimated", "estimated"]
    assert sum(int(row["bytes"]) for row in rows if row not in guessed) == value["bytes"]
    for column in COLUMNS:
        assert f"| `{column.name}` | {column.heading or '-'} |" in PAGE
    markdown = hfkv(*asked, "--format", "markdown")[1]
    headings = [column.heading for column in COLUMNS if column.heading]
    assert f"| {' | '.join(headings)} |" in markdown
    shown = hfkv(*asked)[1]
    assert f"{value['bytes']:,}" in shown
    assert "in no sum" in shown


@pytest.mark.parametrize(
    "wrong",
    [
        ("--gpus", "8"),
        ("--optimizer", "adamw"),
        ("--train", "--strategy", "fsdp"),
        ("--train", "--gpus", "8"),
        ("--train", "--optimizer", "none"),
        ("--train", "--strategy", "zero9", "--gpus", "8"),
        ("--train", "--gradient-checkpointing"),
        ("--train", "--batch", "2"),
        ("--train", "--base-dtype", "int3"),
    ],
)
def test_a_wrong_option_is_a_usage_error(hfkv: Run, offline: None, wrong: tuple[str, ...]) -> None:
    code, out, err = hfkv("lora", LLAMA.model, *wrong)
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_what_is_written_is_as_the_strategy_has_cast_it() -> None:
    figure = LLAMA.lora(r=16, modules_to_save=["lm_head"])
    low, head = 41_943_040, 128_256 * 4096
    sizes = {
        strategy: LLAMA.training(figure, strategy=strategy, gpus=4).saved_tensor_bytes
        for strategy in ("ddp", "zero2", "zero3", "fsdp")
    }
    assert sizes == {
        "ddp": 4 * low + 2 * head,
        "zero2": 2 * (low + head),
        "zero3": 2 * (low + head),
        "fsdp": 4 * (low + head),
    }


def test_it_shows_itself() -> None:
    found = LLAMA.training(LLAMA.lora(r=16), sequence=1024)
    assert repr(found).startswith("Training(model='meta-llama/Meta-Llama-3-8B', r=16")
    assert "activations, upper (in no sum)" in found._repr_html_()
    assert found.to_dict()["bytes"] == found.bytes


def test_what_changes_nothing_is_said(hfkv: Run, offline: None) -> None:
    code, _, err = hfkv("lora", LLAMA.model, "--train", "--explain", "--lora-dtype", "fp8")
    assert code == 0
    assert "--explain changes nothing with --train" in err
    assert "--lora-dtype changes nothing with --train" in err


def test_other_methods_are_refused_by_name(hfkv: Run, offline: None, tmp_path: Path) -> None:
    config = tmp_path / "adapter_config.json"
    config.write_text('{"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4}')
    asked: list[Any] = ["lora", LLAMA.model, "--adapter-config", str(config), "--train"]
    code, _, err = hfkv(*asked)
    assert code == 1
    assert "PROMPT_TUNING" in err
