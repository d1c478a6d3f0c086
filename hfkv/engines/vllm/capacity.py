"""What vLLM makes of a budget: the pool's blocks, and the two numbers of its start-up log."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from hfkv.engines.base import Assumption, Fit
from hfkv.engines.budget import Budget
from hfkv.engines.weights import weights_per_gpu
from hfkv.errors import InputError
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from hfkv.engines.vllm.plan import Plan

__all__ = ["fit"]

#: The share of a GPU's memory that ``vllm serve`` takes, where nobody says another.
_UTILIZATION = "0.92"
#: No request is longer.
_FAR = 2**40


def fit(plan: Plan, budget: Budget, *, tokens: int, batch: int) -> Fit:
    """The pool that a budget leaves, for requests of at most ``tokens`` tokens.

    Raises:
        InputError: nothing is left for the cache, or not enough for one request.
    """
    engine = plan.engine
    gpus = engine.tp * engine.pp
    if budget.gpus not in (1, gpus):
        raise InputError(
            f"{budget.gpus} GPUs for {engine.tp} x {engine.pp} ranks",
            where="--fit",
            expected=f"{gpus} GPUs, or --tensor-parallel-size {budget.gpus}",
        )
    length = engine.max_model_len or tokens
    share = Fraction(str(engine.gpu_memory_utilization or _UTILIZATION))
    if not 0 < share <= 1:
        raise InputError(
            f"found {engine.gpu_memory_utilization}",
            where="--gpu-memory-utilization",
            expected="more than 0, at most 1",
        )
    usable = -(-budget.per_gpu * share.numerator // share.denominator)
    weights = weights_per_gpu(plan.subject, tp=engine.tp, pp=engine.pp)
    other = engine.non_kv_bytes or 0
    notes, assumed = [], []
    if engine.kv_cache_memory_bytes is not None:
        available = engine.kv_cache_memory_bytes
        notes.append("the cache's memory was given; weights and utilization do not matter")
    else:
        available = usable - (weights or 0) - other
        if weights is None:
            notes.append(
                "no safetensors header, so no weights are taken off: the pool is an upper bound"
            )
        else:
            notes.append("weights on each GPU are estimated from the checkpoint's tensors")
        if engine.gpu_memory_utilization is None:
            assumed.append(
                Assumption(
                    option="--gpu-memory-utilization", value=float(share), why="vLLM's default"
                )
            )
        if engine.non_kv_bytes is None:
            assumed.append(
                Assumption(
                    option="--non-kv-bytes",
                    value=0,
                    why="vLLM measures activations and graphs by a trial run: at most",
                )
            )
    if available <= 0:
        raise InputError(
            f"{budget.text}: {usable:,} B of each GPU may be used, and the weights take "
            f"{(weights or 0) + other:,} B of them",
            where=f"{plan.subject.model}: --fit",
            expected="room for the cache",
            hint="use more GPUs, a higher --gpu-memory-utilization or smaller weights",
        )
    widths = plan.widths()
    if engine.num_gpu_blocks_override is not None:
        blocks = engine.num_gpu_blocks_override
        available = min(blocks * width for width in widths)
    else:
        blocks = min(available // width for width in widths)
    need = plan.blocks(length)
    longest = _longest(plan, blocks - 1)
    # One block of the pool stays empty, so that it cannot serve a request.
    if need > blocks - 1:
        raise InputError(
            f"one request of {length:,} tokens needs {format_bytes(need * max(widths))} of cache "
            f"on each GPU, and {format_bytes(available)} are left",
            where=f"{plan.subject.model}: --fit",
            expected=f"--max-model-len of at most {longest:,}" if longest else "a larger budget",
            hint="vLLM does not start so",
        )
    # vLLM divides and multiplies in floating point; its line is matched to the token.
    concurrency = blocks / need
    pool = int(concurrency * length)
    allocation = plan.allocation(length, batch)
    return Fit(
        allocation=replace(allocation, assumptions=(*allocation.assumptions, *assumed)),
        budget=budget,
        usable=usable,
        weights=weights,
        other=other,
        available=available,
        pool_tokens=pool,
        concurrency=Fraction(blocks, need),
        tokens=longest,
        log=(
            f"GPU KV cache size: {pool:,} tokens",
            f"Maximum concurrency for {length:,} tokens per request: {concurrency:.2f}x",
        ),
        basis=allocation.basis,
        notes=tuple(notes),
        facts={"num_blocks": blocks, "blocks_per_request": need, "bytes_per_block": max(widths)},
    )


def _longest(plan: Plan, blocks: int) -> int | None:
    """The longest request that so many blocks hold; None where every one fits."""
    if plan.blocks(_FAR) <= blocks:
        return None
    low, high = 0, _FAR
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if plan.blocks(middle) <= blocks else (low, middle - 1)
    return low
