"""The main question on the main example, through every source and every format."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

import hfkv as package
from tests.conftest import LLAMA
from tests.hub.server import COMMIT, Hub

Run = Callable[..., tuple[int, str, str]]

#: The table of the design, row by row: figure, value, how it was checked by hand.
GOLDEN = [
    ("kv_cache.bytes_per_token", 327_680, "80 layers x 2 x 8 heads x 128 x 2 B"),
    ("kv_cache.bytes", 32_768_000_000, "100,000 x 327,680"),
    ("lora.parameters", 414_187_520, "80 x 32 x 161,792"),
    ("lora.bytes", 828_375_040, "2 B each"),
    ("parameters", 70_553_706_496, "the published total"),
    ("break_even_tokens", 2_528, "828,375,040 / 327,680 exactly"),
    ("rank_at_parity", 1_265, "32,768,000,000 / 25,886,720 is 1265.8"),
    ("pretraining.tokens", 15_000_000_000_000, "over 15 trillion tokens"),
    ("pretraining.qualifier", "at_least", "over"),
]


def _at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value[key]
    return value


@pytest.fixture(params=["snapshot", "offline", "hub", "directory"])
def answer(request: pytest.FixtureRequest, hfkv: Run, tmp_path: Any) -> dict[str, Any]:
    """The JSON of the main example from each source."""
    arguments = ["compare", LLAMA, "--rank", "32", "--json"]
    if request.param == "snapshot":
        arguments += ["--source", "snapshot"]
    elif request.param == "offline":
        request.getfixturevalue("offline")
    elif request.param == "hub":
        request.getfixturevalue("hub")
        arguments += ["--token", "hf_test"]
    else:
        arguments[1] = str(_directory(tmp_path))
    code, out, err = hfkv(*arguments)
    assert code == 0, err
    (value,) = json.loads(out)
    expected = "snapshot" if request.param == "offline" else request.param
    assert value["source"] == expected
    assert value["commit"] == (COMMIT if request.param == "hub" else None)
    assert isinstance(value, dict)
    return value


def _directory(folder: Any) -> Any:
    from hfkv.source.snapshot import read_snapshot
    from tests.conftest import CARD
    from tests.hub.server import safetensors

    files = read_snapshot(LLAMA)
    assert files.tensors is not None
    path = folder / "Meta-Llama-3-70B"
    path.mkdir()
    (path / "config.json").write_bytes(files.texts["config.json"])
    (path / "README.md").write_bytes(CARD)
    sparse = safetensors(files.tensors)
    with (path / "model.safetensors").open("wb") as file:
        file.write(sparse.head)
        file.truncate(sparse.size)
    return path


def test_golden(answer: dict[str, Any]) -> None:
    for path, value, how in GOLDEN:
        assert _at(answer, path) == value, (path, how)
    exact = Fraction(32_768_000_000, 828_375_040)
    assert answer["compression"]["kv_over_lora"] == float(exact)
    assert round(answer["compression"]["kv_over_pretraining"]) == 34_833_039
    assert round(answer["pretraining"]["bytes_per_token"], 4) == 0.0094
    assert round(answer["pretraining"]["bits_per_token"], 4) == 0.0753
    assert answer["lora"]["per_target"] == {
        "q_proj": 41_943_040,
        "k_proj": 23_592_960,
        "v_proj": 23_592_960,
        "o_proj": 41_943_040,
        "gate_proj": 94_371_840,
        "up_proj": 94_371_840,
        "down_proj": 94_371_840,
    }
    evidence, *_ = answer["pretraining"]["evidence"]
    assert "over 15 trillion tokens" in evidence["quote"]
    assert answer["kv_cache"]["basis"] == answer["lora"]["basis"] == "exact"
    assert answer["pretraining"]["basis"] == "stated"


def test_the_api_returns_the_json(offline: None) -> None:
    (comparison,) = package.compare(LLAMA)
    model = package.load(LLAMA)
    value = comparison.to_json()
    assert value["kv_cache"]["bytes"] == model.kv_cache(tokens=100_000, dtype="bf16").bytes
    assert value["lora"]["per_target"] == model.lora(r=32).per_target
    assert value["pretraining"]["tokens"] == model.pretraining.tokens


def test_a_gated_repository_without_a_token_uses_the_snapshot_and_says_so(
    hfkv: Run, hub: Hub
) -> None:
    code, out, _ = hfkv("compare", LLAMA, "--json")
    (value,) = json.loads(out)
    assert (code, value["source"]) == (0, "snapshot")
    assert any("gated" in note for note in value["notes"])


def test_a_gated_repository_without_a_snapshot_names_the_page(hfkv: Run, hub: Hub) -> None:
    hub.repos["acme/secret"] = hub.repos[LLAMA]
    code, out, err = hfkv("compare", "acme/secret")
    assert (code, out) == (1, "")
    assert f"{hub.url}/acme/secret" in err
    assert "hf auth login" in err


def test_the_token_never_reaches_the_cdn(hfkv: Run, hub: Hub) -> None:
    assert hfkv("compare", LLAMA, "--token", "hf_test")[0] == 0
    assert any(given == "Bearer hf_test" for _, _, given in hub.requests)
    assert hub.cdn_tokens == []


def test_several_models_side_by_side_and_a_failure_beside_the_successes(
    hfkv: Run, offline: None
) -> None:
    code, out, err = hfkv("compare", LLAMA, "nobody/nothing", "google/gemma-3-27b-it", "--json")
    assert code == 1
    first, failed, second = json.loads(out)
    assert [first["model"], second["model"]] == [LLAMA, "google/gemma-3-27b-it"]
    assert failed["model"] == "nobody/nothing"
    assert failed["error"]["type"] == "NetworkError"
    assert failed["error"]["message"] in err


def test_human_output_fits_80_columns(hfkv: Run, offline: None) -> None:
    for models in ([LLAMA], [LLAMA, "google/gemma-3-27b-it", "mistralai/Mixtral-8x7B-v0.1"]):
        code, out, _ = hfkv("compare", *models)
        assert code == 0
        assert max(len(line) for line in out.splitlines()) <= 80
        assert "\x1b" not in out
    code, out, _ = hfkv("compare", LLAMA)
    for text in ("327,680", "32,768,000,000", "414,187,520", "828,375,040", "39.56x", "2,528"):
        assert text in out
    assert "0.0094" in out
    assert "over 15 trillion tokens" in out
    assert "snapshot that ships with hfkv" in " ".join(out.split())


def test_other_formats(hfkv: Run, offline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert float(hfkv("compare", LLAMA, "-q")[1]) == 32_768_000_000 / 828_375_040
    (row,) = csv.DictReader(io.StringIO(hfkv("compare", LLAMA, "--format", "csv")[1]))
    assert row["kv_cache.bytes"] == "32768000000"
    markdown = hfkv("compare", LLAMA, "--format", "markdown")[1]
    assert f"| {LLAMA} | 70,553,706,496 | 100,000 | 32,768,000,000 |" in markdown
    monkeypatch.setenv("AI_AGENT", "some-agent")
    header, line = hfkv("compare", LLAMA)[1].splitlines()
    assert dict(zip(header.split("\t"), line.split("\t"), strict=True))["model"] == LLAMA


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare",),
        ("compare", LLAMA, "--tokens", "0"),
        ("compare", LLAMA, "--tokens", "many"),
        ("compare", LLAMA, "--rank", "0"),
        ("compare", LLAMA, "--format", "xml"),
        ("compare", LLAMA, "--json", "-q"),
        ("compare", LLAMA, "--kv-dtype", "bf17"),
        ("compare", LLAMA, "--target-modules", "regex:("),
        ("kv", LLAMA, "--fit", "24 gallons"),
        ("nothing",),
    ],
)
def test_misuse_exits_2_and_says_what(hfkv: Run, offline: None, arguments: tuple[str, ...]) -> None:
    code, out, err = hfkv(*arguments)
    assert (code, out) == (2, "")
    assert err.strip()
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("tokens", "expected"), [("100k", 100_000), ("1M", 1_000_000), ("128Ki", 131_072)]
)
def test_tokens_as_people_write_them(hfkv: Run, offline: None, tokens: str, expected: int) -> None:
    value = json.loads(hfkv("kv", LLAMA, "--tokens", tokens, "--json")[1])
    assert (value["tokens"], value["bytes"]) == (expected, expected * 327_680)


def test_batch_is_linear(offline: None) -> None:
    model = package.load(LLAMA)
    one = model.kv_cache(tokens=1000).bytes
    assert model.kv_cache(tokens=1000, batch=7).bytes == 7 * one


def test_fit_is_the_largest_that_fits(hfkv: Run, offline: None) -> None:
    value = json.loads(hfkv("kv", LLAMA, "--fit", "24GiB", "--json")[1])
    tokens = value["fit"]["tokens"]
    assert tokens == 24 * 2**30 // 327_680
    assert value["bytes"] <= 24 * 2**30 < value["bytes"] + 327_680


def test_a_command_much_like_one_is_named(hfkv: Run) -> None:
    code, out, err = hfkv("comapre", LLAMA)
    assert (code, out) == (2, "")
    assert "No such command 'comapre'" in err
    assert "'compare'" in err
    assert "ean" not in hfkv("zzz")[2]


def test_the_help_begins_with_examples_that_work_offline(hfkv: Run, offline: None) -> None:
    out = hfkv("--help")[1]
    examples = re.findall(r"^    hfkv (.+)$", out.partition("Options:")[0], re.MULTILINE)
    assert len(examples) == 3
    for line in examples:
        code, answer, _ = hfkv(*line.split())
        assert (code, bool(answer)) == (0, True), line
