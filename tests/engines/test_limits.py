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
    for engine in (
        Vllm(gpu_memory_utilization=value, max_model_len=10),
        Sglang(mem_fraction_static=value),
    ):
        with pytest.raises(InputError, match="more than 0"):
            engine.fit(small_subject("llama"), budget, tokens=10)
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
