"""SGLang's pools as buffers, and what a budget comes to."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from hfkv.dtypes import torch_name
from hfkv.engines.arithmetic import round_up
from hfkv.engines.base import Allocation, Assumption, Buffer, Fit, options_of
from hfkv.engines.budget import Budget
from hfkv.engines.sglang.cells import Cells, cells, data
from hfkv.engines.sglang.compressed import v4_from_budget, v4_from_tokens
from hfkv.engines.sglang.pools import (
    Pools,
    capped_window,
    from_budget,
    from_tokens,
    slots_per_request,
)
from hfkv.engines.subject import Subject
from hfkv.engines.weights import weights_per_gpu
from hfkv.errors import InputError

if TYPE_CHECKING:
    from hfkv.engines.sglang import Sglang

__all__ = ["allocation", "context_length", "fit"]


def context_length(engine: Sglang, subject: Subject) -> int:
    """Tokens of the longest request that the config allows."""
    if engine.context_length is not None:
        return engine.context_length
    for key in ("max_position_embeddings", "seq_length", "max_seq_len", "n_positions"):
        found = subject.text.peek(key)
        if isinstance(found, int) and not isinstance(found, bool) and found > 0:
            return found
    return 2048


def _least(engine: Sglang, cell: Cells, tokens: int, batch: int) -> Pools:
    """The smallest pools that admit such requests."""
    total = batch * round_up(tokens, cell.page)
    slots = 0
    if cell.state:
        slots = engine.max_mamba_cache_size or batch * slots_per_request(engine, cell)
    asked = replace(engine, max_running_requests=engine.max_running_requests or batch)
    return from_tokens(asked, cell, total, slots=slots)


def allocation(engine: Sglang, subject: Subject, *, tokens: int, batch: int) -> Allocation:
    """The pools for ``batch`` requests of ``tokens`` tokens."""
    cell = cells(engine, subject)
    if cell.compressed:
        return _compressed(engine, subject, tokens, batch)
    pools = _least(engine, cell, tokens, batch)
    assumptions = [
        Assumption(
            option="--max-total-tokens",
            value=pools.tokens,
            why="the smallest pool that admits them; SGLang fills the memory there is",
        )
    ]
    if cell.window and engine.swa_full_tokens_ratio is None:
        assumptions.append(
            Assumption(
                option="--swa-full-tokens-ratio",
                value=data()["swa_full_tokens_ratio"],
                why="its default",
            )
        )
    if cell.state:
        assumptions.append(
            Assumption(
                option="--max-mamba-cache-size",
                value=pools.slots,
                why=f"{slots_per_request(engine, cell)} states for each request at once",
            )
        )
    return Allocation(
        model=subject.model,
        engine=engine.name,
        version=engine.version,
        options=options_of(engine),
        tokens=tokens,
        batch=batch,
        dtype=torch_name(cell.dtype),
        basis=_basis(subject),
        buffers=_buffers(pools, tokens, batch),
        at=lambda count: _least(engine, cell, count, batch).bytes,
        shards=engine.tp,
        assumptions=tuple(assumptions),
        notes=subject.notes,
        facts=_facts(pools),
    )


def _basis(subject: Subject) -> str:
    if subject.basis != "exact":
        return subject.basis
    checked = set(subject.architectures) & set(data()["checked"])
    return "exact" if checked else "documented"


def _facts(pools: Pools) -> dict[str, int]:
    cell = pools.cells
    found = {"page_size": cell.page, "cell_size": cell.full + cell.draft}
    if cell.window:
        found["swa_cell_size"] = cell.window
        found["swa_max_total_num_tokens"] = pools.window_tokens
    if cell.state:
        found["mamba_cache_per_request"] = cell.state
        found["max_mamba_cache_size"] = pools.slots
    return {**found, "max_total_num_tokens": pools.tokens}


def _buffers(pools: Pools, tokens: int, batch: int) -> tuple[Buffer, ...]:
    cell = pools.cells
    found: list[Buffer] = []
    rows = pools.tokens + cell.page
    for name, size in cell.full_parts.items():
        held = min(tokens * batch, rows) * size
        found.append(
            Buffer(
                name=name,
                layers=cell.full_layers,
                dtype="U8" if name == "index_key_cache" else cell.dtype,
                held=held,
                reserved=rows * size - held,
                why="a page to write padding to",
            )
        )
    if cell.window:
        held = min(min(tokens, cell.reach + 1) * batch, pools.window_tokens) * cell.window
        found.append(
            Buffer(
                name="swa_kv_pool",
                layers=cell.window_layers,
                dtype=cell.dtype,
                held=held,
                reserved=pools.window_bytes - held,
                why="the window's pool is a share of the other, not the window",
            )
        )
    if cell.state:
        held = min(batch, pools.slots) * cell.state
        found.append(
            Buffer(
                name="mamba_cache",
                layers=cell.state_layers,
                dtype="F32",
                held=held,
                reserved=pools.state_bytes - held + pools.drafts,
                why="states of prefixes, and one to write padding to",
            )
        )
    if cell.draft:
        found.append(
            Buffer(
                name="draft",
                layers=1,
                dtype=cell.dtype,
                held=min(tokens * batch, rows) * cell.draft,
                reserved=pools.draft_bytes - min(tokens * batch, rows) * cell.draft,
                why="a page to write padding to",
            )
        )
    return tuple(found)


def fit(engine: Sglang, subject: Subject, budget: Budget, *, tokens: int, batch: int) -> Fit:
    """The pools that a budget leaves."""
    cell = cells(engine, subject)
    if budget.gpus not in (1, engine.tp):
        raise InputError(
            f"{budget.gpus} GPUs for {engine.tp} ranks",
            where="--fit",
            expected=f"{engine.tp} GPUs, or --tensor-parallel-size {budget.gpus}",
        )
    share = Fraction(str(engine.mem_fraction_static or data()["mem_fraction_static"]))
    usable = budget.per_gpu * share.numerator // share.denominator
    weights = weights_per_gpu(subject, tp=engine.tp)
    notes = ["the least slack that SGLang keeps beside the pools is not taken off"]
    assumed: list[Assumption] = []
    if engine.kv_bytes is not None:
        available = engine.kv_bytes
    else:
        available = usable - (weights or 0)
        notes.append(
            "weights on each GPU are estimated from the checkpoint's tensors"
            if weights is not None
            else "no safetensors header, so no weights are taken off: the pool is an upper bound"
        )
        if engine.mem_fraction_static is None:
            assumed.append(
                Assumption(
                    option="--mem-fraction-static",
                    value=float(share),
                    why="what SGLang takes for many models on an H100; it depends on the model",
                )
            )
    if available <= 0:
        raise InputError(
            f"{budget.text}: {usable:,} B of each GPU may be used, and the weights take "
            f"{weights or 0:,} B of them",
            where=f"{subject.model}: --fit",
            expected="room for the cache",
            hint="use more GPUs, a higher --mem-fraction-static or smaller weights",
        )
    context = context_length(engine, subject)
    log: tuple[str, ...] = ()
    if cell.compressed:
        v4 = v4_from_budget(engine, subject, available)
        made = replace(
            _compressed(engine, subject, min(tokens, v4.tokens), batch), buffers=v4.buffers
        )
        total, running = v4.tokens, v4.running
        facts = {"page_size": 256, "swa_max_total_num_tokens": v4.window_tokens}
    else:
        pools = from_budget(engine, cell, available, context)
        made = allocation(engine, subject, tokens=min(tokens, pools.tokens), batch=batch)
        made = replace(made, buffers=_buffers(pools, made.tokens, batch))
        total, log, running = (
            pools.tokens,
            _log(pools, by_share=capped_window(engine, cell) is None),
            pools.running,
        )
        facts = _facts(pools)
    return Fit(
        allocation=replace(made, assumptions=tuple(assumed), facts=facts),
        budget=budget,
        usable=usable,
        weights=weights,
        other=0,
        available=available,
        pool_tokens=total,
        concurrency=Fraction(total, tokens),
        tokens=min(total, context),
        log=log,
        basis=made.basis,
        notes=tuple(notes),
        facts={**facts, "max_running_requests": running},
    )


def _compressed(engine: Sglang, subject: Subject, tokens: int, batch: int) -> Allocation:
    """DeepSeek-V4's pools for such requests."""
    total = batch * tokens
    pools = v4_from_tokens(engine, subject, total, held=total)
    assumed = (
        Assumption(
            option="--max-running-requests", value=pools.running, why="what SGLang sets for it"
        ),
        Assumption(
            option="--swa-full-tokens-ratio",
            value=engine.swa_full_tokens_ratio or 0.1,
            why="what SGLang sets for it",
        ),
    )
    return Allocation(
        model=subject.model,
        engine=engine.name,
        version=engine.version,
        options=options_of(engine),
        tokens=tokens,
        batch=batch,
        dtype="float8_e4m3fn",
        basis=_basis(subject),
        buffers=pools.buffers,
        at=lambda count: v4_from_tokens(engine, subject, batch * count, held=batch * count).bytes,
        shards=engine.tp,
        assumptions=assumed,
        notes=subject.notes,
        facts={"page_size": 256, "max_total_num_tokens": pools.tokens},
    )


def _log(pools: Pools, *, by_share: bool) -> tuple[str, ...]:
    """SGLang's own lines; sizes in units of 2^30 bytes, which it calls GB.

    Args:
        by_share: whether the window's pool is a share of the other, which it then says.
    """
    cell = pools.cells
    kind = f"torch.{torch_name(cell.dtype)}"
    lines = []
    if cell.window and cell.full and by_share:
        lines.append(
            "Use sliding window memory pool. "
            f"full_layer_tokens={pools.tokens}, swa_layer_tokens={pools.window_tokens}"
        )
    rows = pools.tokens + cell.page
    k, v, latent = (cell.full_parts.get(name, 0) for name in ("k_buffer", "v_buffer", "kv_buffer"))
    beside = cell.full_parts.get("index_key_cache", 0)
    which = "Full KV Cache" if cell.window else "KV Cache"
    if latent:
        sizes = f"KV size: {rows * (latent + beside) / (1 << 30):.2f} GB"
        lines.append(f"{which} is allocated. dtype: {kind}, #tokens: {pools.tokens}, {sizes}")
    elif k:
        sizes = f"K size: {rows * k / (1 << 30):.2f} GB, V size: {rows * v / (1 << 30):.2f} GB"
        lines.append(f"{which} is allocated. dtype: {kind}, #tokens: {pools.tokens}, {sizes}")
    return tuple(lines)
