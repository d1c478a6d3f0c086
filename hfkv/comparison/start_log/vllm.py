"""vLLM's two lines: the tokens of its pool, and how many of the longest requests it holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from hfkv.comparison.start_log.lines import LogLine, number, within
from hfkv.engines.budget import Budget
from hfkv.engines.start_log import EngineLog
from hfkv.errors import ConfigError

if TYPE_CHECKING:
    from hfkv.engines import Engine, Fit, Planner
    from hfkv.model import Model

__all__ = ["vllm_lines"]

#: Several numbers of blocks print alike where a request is short; no more are tried.
_MOST_BLOCKS = 100_000


def vllm_lines(model: Model, log: EngineLog, engine: Engine) -> Iterator[LogLine]:
    """The two lines of the pool: by the memory that the log names, within its digits, and
    otherwise by whether a whole number of blocks gives them."""
    pool, times = log.last("pool"), log.last("concurrency")
    length = number(times.values["tokens"]) if times else getattr(engine, "max_model_len", None)
    if pool is None or length is None:
        raise ConfigError(
            "does not say the pool's tokens and the longest request",
            where=model.model,
            expected="the lines 'GPU KV cache size' and 'Maximum concurrency'",
        )
    engine = replace(cast("Any", engine), max_model_len=length)
    tokens = number(pool.values["tokens"])
    available = log.last("available")
    if available is not None:
        low, high = (_pool(model, engine, size) for size in within(available.values["size"], 2**30))
        agree = low.pool_tokens <= tokens <= high.pool_tokens
        yield LogLine(
            what=f"tokens of the pool in {available.values['size']} GiB",
            said=f"{tokens:,}",
            computed=_span(low.pool_tokens, high.pool_tokens),
            agree=agree,
            line=pool.line,
            why="" if agree else _WHY_POOL,
        )
    else:
        # Any memory that holds one request tells how many blocks a request takes.
        high = _pool(model, engine, 2**60)
    need = int(high.facts["blocks_per_request"])
    possible = list(_blocks(tokens, need, length))
    printed = times.values["times"] if times else ""
    blocks = next(
        (count for count in possible if f"{count / need:.2f}" == printed),
        possible[0] if possible else None,
    )
    yield LogLine(
        what="blocks of the pool",
        said=f"{tokens:,} tokens",
        computed=f"{blocks:,}" if blocks else f"none, at {need:,} for {length:,} tokens",
        agree=blocks is not None,
        line=pool.line,
        why="" if blocks else _WHY_POOL,
    )
    if times is not None and blocks is not None:
        computed = f"{blocks / need:.2f}"
        yield LogLine(
            what=f"requests of {length:,} tokens",
            said=f"{times.values['times']}x",
            computed=f"{computed}x",
            agree=computed == times.values["times"],
            line=times.line,
            why="" if computed == times.values["times"] else _WHY_POOL,
        )


_WHY_POOL = (
    "another version, GPU (--gpu), batch (--max-num-batched-tokens) or draft than assumed; "
    "give them beside --log with --engine vllm"
)


def _pool(model: Model, engine: Engine, size: int) -> Fit:
    planner = cast("Planner", replace(cast("Any", engine), kv_cache_memory_bytes=size))
    budget = Budget(per_gpu=2**60, gpus=1, text="1024 PiB")
    return planner.fit(model.subject(), budget, tokens=1)


def _blocks(tokens: int, need: int, length: int) -> Iterator[int]:
    """Numbers of blocks that make this number of tokens, as vLLM computes it in floats."""
    low, high = tokens * need // length, (tokens + 1) * need // length
    yield from (
        count
        for count in range(low - 1, min(high, low + _MOST_BLOCKS) + 2)
        if count > 0 and int(count / need * length) == tokens
    )


def _span(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
