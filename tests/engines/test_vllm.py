"""vLLM: equal to its own planner's bytes and log, or refused where it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.engines import Budget, Vllm
from hfkv.engines.vllm.groups import bytes_per_block, groups_of
from hfkv.engines.vllm.plan import Plan, plan
from hfkv.engines.vllm.specs import Request, Spec
from hfkv.errors import HfkvError, InputError, UnsupportedError
from tests.engines.rows import SMALL, read_rows, small_subject, subject

ROWS = [*read_rows("vllm_0.33.0.jsonl"), *read_rows("vllm_0.33.0_defaults.jsonl")]


def options(row: dict[str, Any]) -> dict[str, Any]:
    """The options of a row under our names."""
    found = dict(row.get("args") or {})
    drafting = found.pop("speculative_config", None)
    if drafting:
        found["num_speculative_tokens"] = drafting["num_speculative_tokens"]
    if "kv_cache_dtype" in found:
        found["kv_dtype"] = found.pop("kv_cache_dtype")
    variant = row.get("variant", "")
    if variant[:2] == "tp" and variant[2:].isdigit():
        found["tp"] = int(variant[2:])
    for name in ("tp", "pp", "dcp"):
        found[name] = row.get(name) or found.get(name, 1)
    return {**found, "gpu": row.get("gpu") or "h100"}


def agree(made: Plan, result: dict[str, Any]) -> None:
    """The bytes, the blocks and the log of one length."""
    tokens = result["tokens"]
    expected = result["bytes_total"]
    found = [width * made.blocks(tokens) for width in made.widths()]
    assert found == (expected if isinstance(expected, list) else [expected])
    capacity = result.get("capacity", {})
    if "num_blocks" in capacity:
        blocks = min(capacity["available"] // width for width in made.widths())
        assert blocks == capacity["num_blocks"]
        concurrency = blocks / made.blocks(tokens)
        assert capacity["log"] == (
            f"GPU KV cache size: {int(concurrency * tokens):,} tokens, Maximum concurrency for "
            f"{tokens:,} tokens per request: {concurrency:.2f}x"
        )


@pytest.mark.skipif(not ROWS, reason="no rows beside the checkout")
@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row['model']}-{row.get('variant', '')}-{row.get('gpu', '')}"
)
def test_rows(row: dict[str, Any]) -> None:
    model = row["model"].replace("#", "--")
    try:
        of = subject(model)
    except KeyError:
        pytest.skip("no config beside the checkout")
    engine = Vllm(**options(row))
    if "error" in row or any("error" in result for result in row["results"]):
        with pytest.raises(HfkvError):
            plan(engine, of)
        return
    made = plan(engine, of)
    for result in row["results"]:
        agree(made, result)
    assert made.exact == (of.basis == "exact")


@pytest.mark.parametrize("name", SMALL["vllm"])
def test_small(name: str) -> None:
    for row in SMALL["vllm"][name]:
        engine = Vllm(**options(row))
        if "error" in row:
            with pytest.raises(HfkvError):
                plan(engine, small_subject(name))
            continue
        made = plan(engine, small_subject(name))
        for tokens, size in row["bytes"].items():
            agree(made, {"tokens": int(tokens), "bytes_total": size})
        if row["blocks"]:
            assert min((40 << 30) // width for width in made.widths()) == row["blocks"]


@pytest.mark.parametrize("name", SMALL["vllm"])
def test_parts_add_up(name: str) -> None:
    try:
        found = Vllm().allocate(small_subject(name), tokens=5000, batch=3)
    except HfkvError:
        return
    assert found.held + found.reserved == found.bytes == 3 * found.at(5000) // 3
    assert found.held == sum(buffer.held for buffer in found.buffers)
    assert all(buffer.held >= 0 and buffer.reserved >= 0 for buffer in found.buffers)


def test_a_pool_in_vllms_words() -> None:
    llama = small_subject("llama")
    budget = Budget.parse("1GiB")
    fit = Vllm(kv_cache_memory_bytes=1 << 30).fit(llama, budget, tokens=1000)
    # 4 layers of 16 tokens of 2 heads of 2 x 32 elements of 2 bytes: 16 KiB a block.
    assert fit.allocation.facts["bytes_per_block"] == 4 * 16 * 2 * 64 * 2
    assert fit.log == (
        "GPU KV cache size: 1,040,253 tokens",
        "Maximum concurrency for 1,000 tokens per request: 1040.25x",
    )
    assert fit.tokens == (65536 - 1) * 16


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"tp": 3}, InputError),
        ({"tp": 0}, InputError),
        ({"block_size": 20}, InputError),
        ({"kv_dtype": "q8_0"}, InputError),
        ({"kv_dtype": "nvfp4"}, UnsupportedError),
        ({"kv_dtype": "fp8_ds_mla"}, UnsupportedError),
        ({"gpu": "abacus"}, InputError),
        ({"dcp": 2}, InputError),
        ({"num_speculative_tokens": 1}, UnsupportedError),
        ({"mamba_cache_dtype": "int3"}, InputError),
    ],
)
def test_refused(options: dict[str, Any], error: type[HfkvError]) -> None:
    with pytest.raises(error):
        Vllm(**options).allocate(small_subject("llama"), tokens=10)


def test_a_budget_smaller_than_a_request() -> None:
    with pytest.raises(InputError, match="at most"):
        Vllm(kv_cache_memory_bytes=1 << 20).fit(
            small_subject("llama"), Budget.parse("1GiB"), tokens=100_000
        )
    with pytest.raises(InputError, match="ranks"):
        Vllm(tp=2).fit(small_subject("llama"), Budget.parse("3x1GiB"), tokens=10)


def test_an_unknown_class() -> None:
    with pytest.raises(UnsupportedError, match="no class of its own"):
        Vllm().allocate(small_subject("bert"), tokens=10)


def full(heads: int, block: int = 16) -> Spec:
    return Spec(family="full", block=block, row=heads * 100, shape=(heads,), dtype="BF16")


def sliding(heads: int, window: int = 64) -> Spec:
    return Spec(
        family="sliding", block=16, row=heads * 100, shape=(heads,), dtype="BF16", window=window
    )


def test_layers_are_dealt_into_equal_groups() -> None:
    """Two full and five sliding layers: groups of two, and a place that is empty."""
    groups = groups_of([full(1), *[sliding(1)] * 3, full(1), *[sliding(1)] * 2])
    assert [len(group.layers) for group in groups] == [2, 2, 2, 1]
    assert bytes_per_block(groups) == 2 * 1600
    # Near counts are padded up instead: 4 and 5 make groups of 5.
    assert [len(g.layers) for g in groups_of([*[full(1)] * 4, *[sliding(1)] * 5])] == [4, 5]


def test_a_smaller_page_gets_a_larger_block() -> None:
    groups = groups_of([full(1), sliding(2)])
    assert [group.specs[0].block for group in groups] == [32, 16]
    padded = groups_of([full(2), sliding(3)])
    assert [group.page for group in padded] == [4800, 4800]


def test_a_window_reserves_what_is_in_flight() -> None:
    request = Request(tokens=10_000, in_flight=1000)
    assert sliding(1).blocks(request) == -(-(63 + 1000) // 16) + 1
    assert sliding(1).blocks(Request(tokens=10, in_flight=1000)) == 2
