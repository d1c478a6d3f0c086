"""The JSON Schema that ships says all of every command's JSON, and nothing that is not so."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import hfkv as package
from hfkv.data import read_json
from hfkv.engines import ENGINES
from hfkv.json_value import SCHEMA_VERSION
from tests.conftest import LLAMA
from tests.modules.test_packed import GPTQ
from tests.peft.tiny import CONFIG, facts

Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]
SCHEMA = read_json("schema.json")
#: Dense, sliding, latent, mixtures; stated and not stated; with an encoder, a state, a packed one.
MODELS = (
    LLAMA,
    "google/gemma-3-27b-it",
    "deepseek-ai/DeepSeek-V3",
    "openai/gpt-oss-20b",
    "Qwen/Qwen3-30B-A3B",
    "mistralai/Mistral-7B-v0.1",
    "openai-community/gpt2",
)


@cache
def _strict() -> dict[str, Any]:
    """The schema, with no field beside those that it names."""
    made: dict[str, Any] = copy.deepcopy(SCHEMA)

    def close(value: Any) -> None:
        if isinstance(value, dict):
            if "properties" in value and isinstance(value["properties"], dict):
                value.setdefault("additionalProperties", False)
            for item in value.values():
                close(item)
        elif isinstance(value, list):
            for item in value:
                close(item)

    close(made)
    return made


def _check(value: Any, name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="comes with hfkv[test]")
    validator = jsonschema.Draft202012Validator({**_strict(), "$ref": f"#/$defs/{name}"})
    errors = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]
    assert not errors, errors[:5]


def _run(run: Run, *arguments: str) -> Any:
    code, out, err = run(*arguments, "--source", "snapshot", "--format", "json")
    assert code == 0, err
    return json.loads(out)


def test_it_is_a_schema_of_this_version() -> None:
    assert SCHEMA["$defs"]["schema_version"]["const"] == SCHEMA_VERSION
    jsonschema = pytest.importorskip("jsonschema", reason="comes with hfkv[test]")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("model", MODELS)
def test_every_command_of_a_model(hfkv: Run, model: str) -> None:
    _check(_run(hfkv, "compare", model, "--explain"), "compare")
    for options in ((), ("--layers", "--explain"), ("--fit", "24GiB", "--batch", "2")):
        _check(_run(hfkv, "kv", model, *options), "kv")
    for options in ((), ("--layers", "--explain"), ("--modules-to-save", "lm_head")):
        _check(_run(hfkv, "lora", model, *options), "lora_document")
    for options in ((), ("--explain",)):
        _check(_run(hfkv, "tokens", model, *options), "tokens")
        _check(_run(hfkv, "rank", model, *options), "rank")
    for over in ("tokens", "rank"):
        _check(_run(hfkv, "plot", model, "--over", over), f"over_{over}")


@pytest.mark.parametrize("options", [(), ("--layers",)])
@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "transformers"])
def test_what_an_engine_allocates(hfkv: Run, engine: str, options: tuple[str, ...]) -> None:
    arguments = ("--source", "snapshot", "--engine", engine, *options, "--json")
    code, out, err = hfkv("kv", "meta-llama/Meta-Llama-3-8B", *arguments)
    if "not counted yet" in err:
        pytest.skip(err)
    assert code == 0, err
    _check(json.loads(out), "allocation")


def test_all_engines_side_by_side(hfkv: Run) -> None:
    _check(_run(hfkv, "kv", "meta-llama/Meta-Llama-3-8B", "--engine", "all"), "kv_of_engines")


def test_several_and_what_could_not_be_read(hfkv: Run) -> None:
    code, out, _ = hfkv(
        "compare", *MODELS, "nobody/nothing", "--source", "snapshot", "--json", "--cartridge", "64"
    )
    assert code == 1
    _check(json.loads(out), "compare")


def test_the_other_commands(hfkv: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, arguments in (("cache", ("cache",)), ("architectures", ("architectures",))):
        code, out, err = hfkv(*arguments, "--format", "json")
        assert code == 0, err
        _check(json.loads(out), name)
    monkeypatch.chdir(ROOT / "examples" / "checked")
    _check(json.loads(hfkv("check", "--format", "json")[1]), "check")
    monkeypatch.chdir(tmp_path)
    config = {"peft_type": "LORA", "r": 8, "base_model_name_or_path": LLAMA, "bias": "some"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    found = json.loads(hfkv("check", "--format", "json")[1])
    assert found["findings"]
    _check(found, "check")


def test_adapters_that_are_no_lora(hfkv: Run, tmp_path: Path) -> None:
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 8}))
    value = _run(hfkv, "lora", "meta-llama/Llama-2-7b-hf", "--adapter-config", str(path))
    _check(value, "prompt_document")


def test_what_training_takes(hfkv: Run) -> None:
    for options in (
        (),
        ("--sequence", "4k", "--gradient-checkpointing"),
        ("--gpus", "8", "--strategy", "zero3"),
        ("--base-dtype", "4bit", "--optimizer", "paged8bit", "--target-modules", "q_proj,nothing"),
    ):
        _check(_run(hfkv, "lora", LLAMA, "--train", *options), "training")
    model = package.load("Qwen/Qwen3-30B-A3B", source="snapshot")
    _check(model.training(model.lora(r=2), sequence=10).to_dict(), "training")


def test_a_survey(hfkv: Run, tmp_path: Path) -> None:
    ids, out = tmp_path / "ids.txt", str(tmp_path / "out.jsonl")
    ids.write_text("\n".join([*MODELS, "nobody/nothing"]))
    command = ("survey", str(ids), "-o", out)
    _check(_run(hfkv, *command, "--dry-run"), "survey_plan")
    _check(_run(hfkv, *command), "survey")
    _check(_run(hfkv, *command), "survey")
    for by in ("model_type", "year", "size", "author"):
        code, said, err = hfkv("survey", "show", out, "--by", by, "--json")
        assert code == 0, err
        _check(json.loads(said), "survey_summary")


def test_dicts_of_python() -> None:
    model = package.load(LLAMA, source="snapshot")
    _check(model.to_dict(), "model")
    _check(model.kv_cache(tokens=10).to_dict(), "kv")
    _check(model.lora(r=2).to_dict(), "lora_document")
    _check(model.cartridge(tokens=2).to_dict(), "prompt_document")
    _check(model.pretraining.to_dict(), "tokens")
    _check(model.rank().to_dict(), "rank")
    packed = package.Model(
        facts(GPTQ, {"quantization_config": {"quant_method": "gptq", "bits": 4}})
    )
    blind = package.Model(replace(facts(), tensors=None))
    given = package.load(CONFIG, card="# Tiny\n\nIt saw 2T or 3T tokens of text and code.\n")
    for item in package.compare(packed, blind, given):
        _check(item.to_dict(), "comparison")


def test_every_field_is_said_in_words() -> None:
    """JSON.md names each field of what the commands print."""
    text = (ROOT / ".github" / "JSON.md").read_text(encoding="utf-8")

    def names(value: Any) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(names, value)) if value else set()
        if not isinstance(value, dict):
            return set()
        own = value.get("properties")
        mine = set(own) if isinstance(own, dict) else set()
        return mine.union(*map(names, value.values()))

    import re

    said = set(re.findall(r"[a-z_]+", text))
    assert not names(SCHEMA) - said, sorted(names(SCHEMA) - said)
