"""The lines of the statements: their form, by id alone, found again in a card, and added up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from hfkv import compare, load
from hfkv.errors import InputError
from hfkv.facts import Facts
from hfkv.pretraining import Pretraining, pretraining
from hfkv.pretraining.answer import line_of_copy
from hfkv.pretraining.statement import TURNED
from hfkv.pretraining.statements import fingerprint, line_named, line_of, sentence_of
from tests.hub.server import Hub

T, B = 10**12, 10**9
LINES = [
    json.loads(text)
    for text in (resources.files("hfkv.data") / "statements.jsonl").read_text("utf-8").splitlines()
]


def test_every_line_is_a_fact_with_its_source() -> None:
    assert len(LINES) >= 400
    ids = [name.lower() for line in LINES for name in line["ids"]]
    assert len(ids) == len(set(ids))
    for line in LINES:
        assert line["source"]["place"]
        assert (line["tokens"] is None) == (line["scope"] == "not stated")
        if line["tokens"] is not None:
            assert type(line["tokens"]) is int
            assert line["tokens"] > 0
            assert line["qualifier"] in TURNED
        assert "quote" not in line
        # A source is one that a reader can look up, and no number in somebody's own store.
        assert "stored" not in json.dumps(line["source"]), line["ids"]


def test_every_bundled_model_has_a_line_or_a_recorded_statement() -> None:
    snapshots = list(Path(str(resources.files("hfkv.data") / "snapshots")).glob("*.json"))
    assert snapshots
    for path in snapshots:
        line = line_of(path.stem.replace("--", "/", 1))
        assert line is not None or '"basis": "stated"' in path.read_text("utf-8"), path.stem


@pytest.mark.parametrize(
    ("model", "tokens", "basis"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 15 * T, "published"),
        ("META-LLAMA/llama-2-7b-hf", 2 * T, "published"),
        ("TheBloke/Llama-2-7B-Chat-GGUF", 2 * T, "published"),
        ("unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit", 15 * T, "published"),
        ("bartowski/Qwen_Qwen3-8B-GGUF", 36 * T, "published"),
        ("TheBloke/Llama-2-7B-GPTQ", 2 * T, "published"),
        ("unsloth/gemma-3-27b-it-qat-GGUF", 14 * T, "published"),
        ("amd/Llama-3.1-70B-Instruct-FP8-KV", 15 * T, "published"),
        ("ISTA-DASLab/gemma-3-27b-it-GPTQ-4b-128g", 14 * T, "published"),
        ("OpenVINO/Qwen2.5-7B-Instruct-int4-ov", 18 * T, "published"),
        ("turboderp/Llama-3-8B-Instruct-exl2-4.0bpw-h6", 15 * T, "published"),
        ("onnx-community/Qwen3-0.6B-ONNX", 36 * T, "published"),
        ("TheBloke/Llama-2-13B-GPTQ-4bit-128g-actorder", 2 * T, "published"),
        ("me/Qwen3-8B-abliterated-v2-GGUF", 36 * T, "published"),
        ("me/Qwen3-8B-heretic", 36 * T, "published"),
        ("nvidia/Llama-3.1-405B-Instruct-FP4", 15 * T, "published"),
        ("me/Qwen3-30B-A3B-NVFP4A16", 36 * T, "published"),
        ("mlx-community/Qwen3-30B-A3B-4bit-DWQ", 36 * T, "published"),
        ("me/Qwen3-14B-5bit", 36 * T, "published"),
        ("me/Qwen3-14B-mlx-8bit-gs32", 36 * T, "published"),
        ("google/gemma-3-4b-it-qat-int4-unquantized", 4 * T, "published"),
        ("OPEA/Qwen2.5-7B-Instruct-int4-sym-inc", 18 * T, "published"),
        ("onnx-community/gemma-3-1b-it-ONNX-GQA", 2 * T, "published"),
        ("me/Qwen3-8B-IQ4_XS-GGUF", 36 * T, "published"),
        ("me/Llama-3.2-1B-Instruct-gptqmodel-4bit-vortex-v2.5", 9 * T, "published"),
        ("RichardErkhov/meta-llama_-_Llama-3.2-1B-gguf", 9 * T, "published"),
        ("DevQuasar/Qwen.Qwen3-8B-GGUF", 36 * T, "published"),
        ("unsloth/Qwen3-8B-128K-GGUF", 36 * T, "published"),
        ("unsloth/NVIDIA-Nemotron-3-Nano-30B-A3B-GGUF", 25 * T, "published"),
        ("nobody/Qwen3-8B-128K", None, "not stated"),
        ("nobody/Qwen3-8B-speculator.eagle3", None, "not stated"),
        ("huggyllama/llama-7b", T, "published"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", None, "not stated"),
        ("bartowski/Qwen2.5-Math-7B-Instruct-GGUF", None, "not stated"),
        ("llm-jp/llm-jp-3.1-13b-instruct4", 2_500 * B, "published"),
        ("mistralai/Mistral-7B-v0.1", None, "not stated"),
        ("nobody/no-such-model", None, "not stated"),
        ("nobody/Llama-2-7b-chat-ours", None, "not stated"),
    ],
)
def test_an_id_alone_is_answered(model: str, tokens: int | None, basis: str) -> None:
    said = pretraining(Facts(model=model, source="hub"))
    assert (said.tokens, said.basis) == (tokens, basis)
    assert said.reason or said.evidence[0].file


def test_a_name_that_is_a_model_of_its_own_is_no_stretched_copy() -> None:
    longer, other = line_of_copy("unsloth/Qwen2.5-7B-Instruct-1M-GGUF"), line_of("Qwen/Qwen2.5-7B")
    assert longer is not None
    assert longer == line_of("Qwen/Qwen2.5-7B-Instruct-1M") != other


def test_numbers_that_count_something_else_are_shown_where_there_is_no_count() -> None:
    for model in ("zai-org/GLM-4.5-Air", "me/GLM-4.5-Air-FP8"):
        said = pretraining(Facts(model=model, source="hub"))
        assert said.tokens is None
        assert [item.tokens for item in said.alternatives] == [23 * T]
        assert Pretraining.from_json(said.to_json()) == said


def test_a_sentence_is_found_again_whatever_its_markup() -> None:
    mark = fingerprint("Foo was pretrained on 2 trillion tokens of [text](x).", "2 trillion")
    line = line_of("meta-llama/Llama-2-7b-hf")
    assert mark is not None
    assert line is not None
    assert fingerprint("Foo was pretrained.", "2 trillion") is None
    card = "# Llama\n\n**Llama 2** was pretrained on 2 trillion\ntokens of data from"
    whole = fingerprint("Llama 2 was pretrained on 2 trillion tokens of data from", "2 trillion")
    found = sentence_of(replace(line, fingerprint=whole), card, model="a/b", commit=None)
    assert found is not None
    assert found.line == 3
    assert found.quote in " ".join(card.split())
    other = card.replace("2 trillion", "3 trillion")
    assert sentence_of(replace(line, fingerprint=whole), other, model="a/b", commit=None) is None


def test_a_card_that_plainly_says_another_number_stands_and_both_are_shown() -> None:
    card = "# Llama 2\n\nLlama 2 was pretrained on 9 trillion tokens of data.\n"
    said = pretraining(Facts(model="meta-llama/Llama-2-7b-hf", source="hub", card=card))
    assert (said.tokens, said.basis) == (9 * T, "stated")
    assert [item.tokens for item in said.alternatives] == [2 * T]


def test_continued_pretraining_is_added_to_its_base_and_shown_as_a_sum() -> None:
    said = pretraining(Facts(model="codellama/CodeLlama-7b-hf", source="hub"))
    assert said.tokens == 2 * T + 500 * B
    assert said.alternatives[0].tokens == 500 * B
    assert said.notes[0].startswith("the sum of 2,000,000,000,000 tokens of its base model")
    front = "---\nbase_model: meta-llama/Llama-2-7b-hf\n---\n# Foo-7B\n\n"
    card = front + "Foo-7B was initialized from Llama 2 and continually pretrained on 50B tokens.\n"
    said = pretraining(Facts(model="org/Foo-7B", source="hub", card=card))
    assert said.tokens in (None, 2 * T + 50 * B)


def test_bases_are_found_by_metadata_and_by_name() -> None:
    front = "---\nbase_model: meta-llama/Llama-2-7b-hf\nbase_model_relation: quantized\n---\n# x\n"
    by_card = pretraining(Facts(model="me/x-GGUF", source="hub", card=front))
    assert (by_card.tokens, by_card.basis) == (2 * T, "published")
    assert "meta-llama/Llama-2-7b-hf" in by_card.notes[0]
    config = {"_name_or_path": "meta-llama/Llama-2-13b-hf"}
    by_path = pretraining(Facts(model="me/x", source="hub", config=config, card="# x\n"))
    assert by_path.tokens == 2 * T
    copy = pretraining(Facts(model="TheBloke/Llama-2-7B-Chat-GGUF", source="hub", card="# x\n"))
    assert copy.notes[0].endswith("which it is a copy of by its name")
    of = pretraining(Facts(model="me/gpt-oss-20b-GGUF", source="hub")).reason
    assert of.startswith("of openai/gpt-oss-20b, which it is a copy of by its name: ")
    merge = "---\nbase_model:\n- meta-llama/Llama-2-7b-hf\n- meta-llama/Llama-2-7b-chat-hf\n---\n"
    assert pretraining(Facts(model="me/merge", source="hub", card=merge)).tokens == 2 * T
    apart = "---\nbase_model:\n- meta-llama/Llama-2-7b-hf\n- meta-llama/Meta-Llama-3-8B\n---\n"
    assert pretraining(Facts(model="me/merge", source="hub", card=apart)).tokens is None
    assert line_named("no such name") is None


def test_the_command_answers_by_id_alone_where_no_file_can_be_had(
    hub: Hub, hfkv: Callable[..., Any]
) -> None:
    code, out, err = hfkv("tokens", "meta-llama/Llama-2-7b-hf", "--source", "hub", "--json")
    assert code == 0, err
    assert (json.loads(out)["tokens"], json.loads(out)["basis"]) == (2 * T, "published")
    code, _, err = hfkv("tokens", "nobody/no-such-model", "--source", "hub")
    assert code == 1
    assert "no-such-model" in err


def test_a_count_of_your_own(hfkv: Callable[..., Any]) -> None:
    model = "meta-llama/Llama-2-7b-hf"
    args = ("--source", "snapshot", "--pretraining-tokens", "4T", "--json")
    code, out, err = hfkv("compare", model, *args)
    assert code == 0, err
    said = json.loads(out)
    said = (said[0] if isinstance(said, list) else said)["pretraining"]
    assert (said["tokens"], said["basis"]) == (4 * T, "given")
    assert hfkv("compare", model, model, *args)[0] == 2
    (item,) = compare(model, source="snapshot", pretraining_tokens=3 * T)
    assert (item.pretraining.tokens, item.pretraining.basis) == (3 * T, "given")
    with pytest.raises(InputError, match="pretraining_tokens"):
        load(model, source="snapshot").with_pretraining(0)


def test_an_answer_by_id_alone_says_so(
    hfkv: Callable[..., tuple[int, str, str]], offline: None
) -> None:
    value = json.loads(hfkv("tokens", "google/gemma-2-9b", "--json")[1])
    assert (value["tokens"], value["source"]) == (8 * 10**12, "statements")
    assert "no file of it was read" in value["notes"][-1]
    for asked in (["google/gemma-2-9b@abc"], ["google/gemma-2-9b", "--source", "snapshot"]):
        assert hfkv("tokens", *asked)[:2] == (1, "")
