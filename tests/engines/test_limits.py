"""What no engine could do with its options is refused, and is never left out of a figure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from hfkv.engines import Budget, Mlx, Sglang, TransformersCache, Vllm
from hfkv.engines.ranges import share
from hfkv.errors import HfkvError, InputError
from hfkv.render.engines import _reasons
from tests.conftest import LLAMA
from tests.engines.rows import small_subject

Run = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("offline")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -0.5, 1.5])
def test_a_share_is_one(value: float) -> None:
    budget = Budget.parse("80GiB")
    for make in (
        lambda: Vllm(gpu_memory_utilization=value, max_model_len=10),
        lambda: Sglang(mem_fraction_static=value),
    ):
        with pytest.raises(InputError, match=r"more than 0|a finite number"):
            make().fit(small_subject("llama"), budget, tokens=10)
    assert share(1, "x", whole=True) == 1
    with pytest.raises(InputError, match="less than 1"):
        share(1, "x", whole=False)


@pytest.mark.parametrize(
    ("engine", "where"),
    [
        (Vllm(max_model_len=50), "--max-model-len"),
        (Sglang(context_length=50), "--context-length"),
        (Sglang(max_total_tokens=50), "--max-total-tokens"),
        (Mlx(generated=100), "--generated"),
        (TransformersCache(cache="quantized", generated=100), "--generated"),
    ],
)
def test_what_was_said_is_not_replaced(engine: Any, where: str) -> None:
    with pytest.raises(HfkvError, match=where):
        engine.allocate(small_subject("llama"), tokens=100)


def test_the_pool_that_was_asked_for_is_allocated() -> None:
    least = Sglang().allocate(small_subject("llama"), tokens=100)
    found = Sglang(max_total_tokens=1000).allocate(small_subject("llama"), tokens=100)
    assert found.facts["max_total_num_tokens"] == 1000
    assert found.held == least.held
    assert found.bytes > least.bytes
    assert not found.assumptions


def test_all_of_what_is_reserved_is_said() -> None:
    figure = Sglang().allocate(small_subject("llama"), tokens=100)
    assert _reasons(figure).startswith(f"{figure.reserved:,} B for ")


@pytest.mark.parametrize(
    ("engine", "flag", "value"),
    [
        ("vllm", "--kv-cache-memory-bytes", "1GiB"),
        ("vllm", "--gpu-memory-utilization", "0.5"),
        ("sglang", "--kv-bytes", "1GiB"),
        ("sglang", "--mem-fraction-static", "0.5"),
    ],
)
def test_flags_of_budgets(hfkv: Run, engine: str, flag: str, value: str) -> None:
    for command in ("kv", "compare"):
        code, out, err = hfkv(command, LLAMA, "--engine", engine, flag, value)
        assert (code, out) == (2, "")
        assert f"{flag} goes with kv --fit" in err
    assert hfkv("kv", LLAMA, "--engine", "all", flag, value)[0] == 2


def test_a_limit_below_the_tokens(hfkv: Run) -> None:
    code, out, err = hfkv(
        "kv", LLAMA, "--engine", "vllm", "--max-model-len", "50", "--tokens", "9k"
    )
    assert (code, out) == (1, "")
    assert "--max-model-len: a request of 9,000 tokens; expected at most its 50" in err
    code, out, _ = hfkv("kv", LLAMA, "--engine", "sglang", "--context-length", "50", "--json")
    assert (code, json.loads(out)["tokens"]) == (0, 50)


GPU = Budget.parse("1GiB")


@pytest.mark.parametrize(
    ("engine", "where"),
    [
        (Vllm(kv_cache_memory_bytes=2**31), "--kv-cache-memory-bytes"),
        (Vllm(num_gpu_blocks_override=10**6), "--num-gpu-blocks-override"),
        (Sglang(kv_bytes=2**31), "--kv-bytes"),
    ],
)
def test_a_pool_larger_than_a_gpu(engine: Any, where: str) -> None:
    with pytest.raises(InputError, match=where):
        engine.fit(small_subject("llama"), GPU, tokens=10)


@pytest.mark.parametrize("engine", [Vllm(), Sglang()])
def test_requests_that_do_not_run_at_once(engine: Any) -> None:
    found = engine.fit(small_subject("llama"), GPU, tokens=1000, batch=1)
    assert found.allocation.held <= found.available
    with pytest.raises(InputError, match="--batch of at most") as caught:
        engine.fit(small_subject("llama"), GPU, tokens=1000, batch=10_000)
    most = int(caught.value.expected.rpartition(" ")[2].replace(",", ""))
    full = engine.fit(small_subject("llama"), GPU, tokens=1000, batch=most)
    assert full.allocation.held <= full.available
    with pytest.raises(InputError, match="--batch of at most"):
        engine.fit(small_subject("llama"), GPU, tokens=1000, batch=most + 1)


def test_one_token_too_many_for_sglang() -> None:
    small = small_subject("gemma3_text")
    longest = Sglang(kv_bytes=2**20).fit(small, GPU, tokens=1).tokens
    assert longest is not None
    Sglang(kv_bytes=2**20).fit(small, GPU, tokens=longest)
    with pytest.raises(InputError, match=f"at most {longest:,}"):
        Sglang(kv_bytes=2**20).fit(small, GPU, tokens=longest + 1)


def test_tokens_that_nobody_typed_are_no_refusal(hfkv: Run) -> None:
    arguments = ["kv", LLAMA, "--engine", "sglang", "--fit", "8x40GB", "--tp", "8"]
    code, out, _ = hfkv(*arguments, "--json")
    value = json.loads(out)
    assert (code, value["tokens"]) == (0, 8192)
    assert hfkv(*arguments, "--tokens", "8193")[0] == 1
    arguments[3] = "vllm"
    value = json.loads(hfkv(*arguments, "--json")[1])
    assert value["tokens"] == value["fit"]["tokens"] == 8192


def test_a_longer_request_than_the_config_states_is_said() -> None:
    engine = Vllm(kv_cache_memory_bytes=2**29)
    found = engine.fit(small_subject("llama"), GPU, tokens=9000)
    assert any("states a context of 8,192 tokens" in note for note in found.notes)
    assert not any("context" in n for n in engine.fit(small_subject("llama"), GPU, tokens=9).notes)


@pytest.mark.parametrize(
    "options",
    [
        {"max_running_requests": -5},
        {"max_running_requests": 0, "disable_radix_cache": True},
        {"swa_full_tokens_ratio": -1.0},
        {"mamba_full_memory_ratio": float("nan")},
        {"chunked_prefill_size": 0},
    ],
)
def test_nonsense_of_sglang(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="found"):
        Sglang(**options).allocate(small_subject("llama"), tokens=100)


@pytest.mark.parametrize(
    "options",
    [{"max_num_batched_tokens": -5}, {"non_kv_bytes": -1}, {"num_gpu_blocks_override": 0}],
)
def test_nonsense_of_vllm(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="found"):
        Vllm(**options).allocate(small_subject("llama"), tokens=100)


def test_weights_are_those_of_the_dtype_they_are_loaded_in(hfkv: Run) -> None:
    arguments = ["kv", LLAMA, "--engine", "vllm", "--fit", "8x80GB", "--tp", "8", "--json"]
    arguments += ["--tokens", "100"]
    own = json.loads(hfkv(*arguments)[1])["fit"]["weight_bytes"]
    wide = json.loads(hfkv(*arguments, "--dtype", "float32")[1])["fit"]["weight_bytes"]
    assert wide == 2 * own


def test_engines_that_kv_dtype_does_not_set(hfkv: Run) -> None:
    _, out, _ = hfkv("kv", LLAMA, "--engine", "all", "--kv-dtype", "fp8", "--json")
    said = {value["engine"]: value.get("notes", []) for value in json.loads(out)}
    for name, words in (("llama.cpp", "--cache-type-k"), ("mlx", "--kv-bits")):
        assert any(words in note for note in said[name])
    assert not any("--kv-dtype:" in note for note in said["vllm"])
    table = hfkv("kv", LLAMA, "--engine", "all", "--kv-dtype", "fp8")[1]
    assert "set by --kv-bits" in " ".join(table.split())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--cache", "dynamic", "--max-cache-len", "5"], 2, "--max-cache-len goes with --cache of"),
        (["--engine", "all", "--layers"], 2, "--layers is for one engine"),
        (["--engine", "all", "--fit", "24GiB"], 2, "--fit is for one engine"),
        (["--engine", "llama.cpp", "--parallel", "0"], 1, "--parallel: found 0"),
        (["--engine", "llama.cpp", "--ubatch-size", "0"], 1, "--ubatch-size: found 0"),
        (["--cache", "quantized", "--q-group-size", "0"], 1, "--q-group-size: found 0"),
    ],
)
def test_words_and_codes(hfkv: Run, arguments: list[str], code: int, words: str) -> None:
    found, out, err = hfkv("kv", LLAMA, *arguments)
    assert (found, out) == (code, "")
    assert words in " ".join(err.split())
