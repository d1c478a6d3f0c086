"""SGLang: equal to its own configurator and pools, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.engines import Budget, Sglang
from hfkv.engines.sglang.cells import cells
from hfkv.engines.sglang.compressed import v4_from_budget
from hfkv.engines.sglang.pools import from_budget
from hfkv.errors import HfkvError, InputError, UnsupportedError
from tests.engines.rows import read_rows, small_subject, subject

ROWS = read_rows("sglang_0.5.23.jsonl")
_NAMES = {"tp_size": "tp", "kv_cache_dtype": "kv_dtype"}


def options(row: dict[str, Any]) -> dict[str, Any]:
    """The options of a row under our names."""
    found = {_NAMES.get(name, name): value for name, value in row["args"].items()}
    if found.pop("speculative_algorithm", None):
        found["speculative_eagle"] = True
        del found["speculative_num_steps"], found["speculative_eagle_topk"]
    return found


@pytest.mark.skipif(not ROWS, reason="no rows beside the checkout")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['model']}-{row['variant']}")
def test_rows(row: dict[str, Any]) -> None:
    engine, of = Sglang(**options(row)), subject(row["model"])
    cell = cells(engine, of)
    assert cell.page == row["page_size"]
    if cell.compressed:
        compressed(engine, row)
        return
    pools = from_budget(engine, cell, row["kv_budget_bytes"], row["context_len"])
    assert pools.tokens == row["max_total_num_tokens"]
    assert pools.window_tokens == row.get("swa_max_total_num_tokens", 0)
    assert pools.running == row["max_running_requests"]
    if "mamba" in row:
        assert pools.slots == row["mamba"]["max_mamba_cache_size"]
        assert cell.state == row["mamba"]["bytes_per_request"]
    if "mamba_pool_bytes" in row:
        assert pools.state_bytes == row["mamba_pool_bytes"]["mamba_cache"]
    reported = row.get("kv_pool_reported")
    if reported:
        total = sum(reported) if isinstance(reported, list) else reported
        assert pools.full_bytes + pools.window_bytes == total
    if not cell.window:
        assert cell.full + cell.draft == row["cell_size"]


def compressed(engine: Sglang, row: dict[str, Any]) -> None:
    pools = v4_from_budget(engine, subject(row["model"]), row["kv_budget_bytes"])
    sizes = {buffer.name: buffer.bytes for buffer in pools.buffers}
    expected = row["kv_pool_bytes"]
    assert pools.tokens == row["max_total_num_tokens"]
    assert pools.window_tokens == row["swa_max_total_num_tokens"]
    assert sizes["swa_kv_pool"] == expected["swa_kv_pool"]
    assert sizes["c4_kv_pool"] + sizes["c128_kv_pool"] == expected["kv_pools"]
    assert sizes["index_pool"] == expected["index_pools"]
    states = expected["compress_state_pools"] + expected["indexer_compress_state_pools"]
    assert sizes["compress_state_pools"] == states


def test_the_log_is_sglangs_own() -> None:
    fit = Sglang(kv_bytes=1 << 30).fit(small_subject("llama"), Budget.parse("2GiB"), tokens=1000)
    # 4 layers of 2 heads of 2 x 32 elements of 2 bytes: 1 KiB a token.
    assert fit.pool_tokens == 1 << 20
    assert fit.log == (
        "KV Cache is allocated. dtype: torch.bfloat16, #tokens: 1048576, K size: 0.50 GB, "
        "V size: 0.50 GB",
    )


@pytest.mark.skipif(not ROWS, reason="no rows beside the checkout")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['model']}-{row['variant']}")
def test_logs(row: dict[str, Any]) -> None:
    engine = Sglang(
        **options(row), kv_bytes=row["kv_budget_bytes"], context_length=row["context_len"]
    )
    fit = engine.fit(subject(row["model"]), Budget.parse("80GB").shared_by(engine.tp), tokens=1000)
    if "pool_error" in row:
        pytest.skip("its pools could not be made there")
    said = [line for line in row.get("log", []) if "is allocated" in line or "window mem" in line]
    for line in fit.log:
        assert line in said


def test_the_least_pool_for_a_request() -> None:
    found = Sglang().allocate(small_subject("llama"), tokens=1000, batch=2)
    assert found.bytes == (2000 + 1) * 1024
    assert (found.held, found.reserved) == (2000 * 1024, 1024)
    windowed = Sglang().allocate(small_subject("gpt_oss"), tokens=1000)
    assert windowed.held + windowed.reserved == windowed.bytes
    assert windowed.facts["swa_max_total_num_tokens"] == 800


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"tp": 3}, InputError),
        ({"page_size": 0}, InputError),
        ({"kv_dtype": "q8_0"}, InputError),
    ],
)
def test_refused(options: dict[str, Any], error: type[HfkvError]) -> None:
    with pytest.raises(error):
        Sglang(**options).allocate(small_subject("llama"), tokens=10)


def test_an_unknown_class() -> None:
    with pytest.raises(UnsupportedError, match="no class of its own"):
        Sglang().allocate(small_subject("jamba"), tokens=10)
