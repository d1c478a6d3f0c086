"""``--engine`` on the command line: flags, budgets, tables, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from hfkv.cli.engine_flags import FLAGS
from hfkv.engines import ENGINES, engine_class
from hfkv.engines.base import Engine
from hfkv.engines.named import named_engine
from hfkv.errors import InputError
from tests.conftest import LLAMA

Run = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("offline")


@pytest.mark.parametrize("name", ENGINES)
def test_flags_are_the_fields(name: str) -> None:
    """Every flag sets a field, and every field can be set but for the type of the cache."""
    made: Any = engine_class(name)
    known = {item.name for item in fields(made)}
    set_by_flags = {flag.field for flag in FLAGS[name]}
    assert set_by_flags <= known
    assert known - set_by_flags <= {"dtype"}


def test_a_spelling_means_one_thing() -> None:
    """A flag that several engines have takes the same in each."""
    taken: dict[str, tuple[str, tuple[str, ...]]] = {}
    for flags in FLAGS.values():
        for flag in flags:
            for spelling in flag.names:
                assert taken.setdefault(spelling, (flag.takes, flag.names)) == (
                    flag.takes,
                    flag.names,
                )


def test_one_engine(hfkv: Run) -> None:
    code, out, _ = hfkv(
        "kv", LLAMA, "--engine", "vllm", "--tokens", "1000", "--tp", "2", "--kv-dtype", "fp8",
        "--json",
    )  # fmt: skip
    value = json.loads(out)
    # 63 blocks of 16 tokens of 4 heads of 2 x 128 bytes in 80 layers.
    assert code == 0
    assert value["bytes"] == 63 * 16 * 4 * 256 * 80
    assert value["held"] + value["reserved"] == value["bytes"]
    assert (value["gpus"], value["engine"], value["engine_version"]) == (2, "vllm", "0.33.0")
    assert {item["option"] for item in value["assumptions"]} == {"--gpu"}
    assert value["basis"] == "exact"


def test_a_budget(hfkv: Run) -> None:
    code, out, _ = hfkv(
        "kv", LLAMA, "--engine", "vllm", "--fit", "80gb", "--gpus", "4", "--tp", "4",
        "--max-model-len", "8192", "--gpu-memory-utilization", "0.9",
    )  # fmt: skip
    assert code == 0
    assert "in 4 x 80 GB: a pool of" in out
    assert "for all" in out
    assert "GPU KV cache size:" in out
    assert "Maximum concurrency for 8,192 tokens" in out
    assert "weights" in out
    assert "(estimated)" in out


def test_a_budget_of_transformers(hfkv: Run) -> None:
    one = hfkv("kv", LLAMA, "--fit", "48GiB", "-q")[1]
    assert hfkv("kv", LLAMA, "--fit", "24GiB", "--gpus", "2", "-q")[1] == one
    assert hfkv("kv", LLAMA, "--fit", "2x24GiB", "-q")[1] == one
    assert "in each of 3 sequences" in hfkv("kv", LLAMA, "--fit", "24GiB", "--batch", "3")[1]
    value = json.loads(hfkv("kv", LLAMA, "--fit", "2x24gib", "--json")[1])
    assert value["fit"]["budget"] == "2 x 24 GiB"


def test_all_engines(hfkv: Run) -> None:
    code, out, _ = hfkv("kv", LLAMA, "--engine", "all", "--json")
    values = json.loads(out)
    assert code == 0
    assert [value["engine"] for value in values] == list(ENGINES)
    assert all("bytes" in value for value in values)
    table = hfkv("kv", LLAMA, "--engine", "all")[1]
    assert "sglang reserves" in table
    assert "vllm assumes" in table


def test_tokens_are_those_of_the_engines_own_flag(hfkv: Run) -> None:
    value = json.loads(
        hfkv("kv", LLAMA, "--engine", "llama.cpp", "--ctx", "4096", "--parallel", "2", "--json")[1]
    )
    assert (value["tokens"], value["batch"]) == (2048, 2)
    value = json.loads(hfkv("kv", LLAMA, "--engine", "vllm", "--max-model-len", "2k", "--json")[1])
    assert value["tokens"] == 2000


def test_layers_and_arithmetic(hfkv: Run) -> None:
    out = hfkv("kv", LLAMA, "--engine", "vllm", "--layers", "--explain")[1]
    assert "Buffers on each GPU" in out
    assert "How this is computed" in out
    csv = hfkv("kv", LLAMA, "--engine", "vllm", "--layers", "--format", "csv")[1]
    assert csv.splitlines()[0].startswith("model,source,commit,engine,name,layers,dtype")


def test_help_lists_the_flags_of_the_engine_that_is_named(hfkv: Run) -> None:
    assert "--block-size" not in hfkv("kv", "--help")[1]
    assert "--block-size" in hfkv("kv", "--engine", "vllm", "--help")[1]
    assert "--block-size" not in hfkv("kv", "--engine", "mlx", "--help")[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tp", "2"], "say which with --engine"),
        (["--engine", "mlx", "--block-size", "16"], "vllm has it"),
        (["--engine", "vllm", "--swa-full"], "vllm has no --swa-full"),
        (["--engine", "llama.cpp", "--kv-dtype", "fp8"], "--cache-type-k"),
        (["--engine", "mlx", "--fit", "24GiB"], "does not plan from a budget"),
        (["--engine", "vllm", "--fit", "lots"], "cannot read"),
        (["--gpus", "2"], "--gpus goes with --fit"),
        (["--fit", "2x24GiB", "--gpus", "3"], "3"),
        (["--nbits", "4"], "goes with --cache"),
        (["--engine", "abacus"], "abacus"),
        (["--engine", "vllm", "--basis", "live"], "--basis live"),
    ],
)
def test_usage(hfkv: Run, arguments: list[str], words: str) -> None:
    code, out, err = hfkv("kv", LLAMA, *arguments)
    assert (code, out) == (2, "")
    assert words in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--engine", "vllm", "--tp", "3"],
        ["--engine", "vllm", "--kv-dtype", "q8_0"],
        ["--engine", "vllm", "--block-size", "7"],
        ["--engine", "vllm", "--fit", "24GiB"],
        ["--engine", "sglang", "--kv-dtype", "q8_0"],
        ["--engine", "sglang", "--fit", "1GB"],
    ],
)
def test_refusals(hfkv: Run, arguments: list[str]) -> None:
    code, out, err = hfkv("kv", LLAMA, *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("Error: ")
    assert "Traceback" not in err


def test_compare_and_plot(hfkv: Run) -> None:
    code, out, _ = hfkv("compare", LLAMA, "--engine", "vllm", "--tp", "2", "--json")
    (value,) = json.loads(out)
    assert code == 0
    assert value["kv_cache"]["engine"] == "vllm"
    assert value["kv_cache"]["bytes"] == 16_384_000_000
    assert any("on each of 2 GPUs" in note for note in value["kv_cache"]["notes"])
    code, out, _ = hfkv("plot", LLAMA, "--over", "tokens", "--engine", "sglang", "--format", "json")
    assert code == 0
    assert json.loads(out)["models"]


def test_an_engine_by_its_name() -> None:
    assert named_engine("transformers") is None
    found: Engine | None = named_engine("vllm", {"tp": 2, "max-model-len": "128k"}, dtype="fp8")
    assert found is not None
    assert (getattr(found, "tp"), getattr(found, "max_model_len")) == (2, 128_000)  # noqa: B009
    assert getattr(found, "kv_dtype") == "fp8"  # noqa: B009
    for name, options in (("abacus", {}), ("vllm", {"nope": 1}), ("vllm", {"tp": 1.5})):
        with pytest.raises(InputError):
            named_engine(name, options)
    with pytest.raises(InputError, match="options of its own"):
        named_engine("llama.cpp", dtype="fp8")
