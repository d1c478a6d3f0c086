"""SGLang's lines: the tokens of each pool, and its size in what it calls GB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from hfkv.comparison.start_log.lines import LogLine, decimal, number, within
from hfkv.engines.start_log import EngineLog, Said
from hfkv.errors import ConfigError

if TYPE_CHECKING:
    from hfkv.engines import Engine
    from hfkv.model import Model

__all__ = ["sglang_lines"]

_WHY_CELL = "another --kv-cache-dtype, --tensor-parallel-size or version than assumed"


def sglang_lines(model: Model, log: EngineLog, engine: Engine) -> Iterator[LogLine]:
    """What each pool of so many tokens takes; SGLang calls 2^30 bytes a GB."""
    from hfkv.engines.sglang.cells import cells
    from hfkv.engines.sglang.pools import from_tokens

    cell = cells(cast("Any", engine), model.subject())
    said = _largest(log) or log.last("full pool")
    states = log.last("states")
    if said is None and states is None:
        raise ConfigError(
            "does not say what the pools take",
            where=model.model,
            expected="a line 'KV Cache is allocated'",
        )
    tokens = number(said.values["tokens"]) if said else 0
    pools = from_tokens(cast("Any", engine), cell, tokens)
    parts = cell.full_parts
    latent = parts.get("kv_buffer", 0)
    for letter, size in (
        ("k", parts.get("k_buffer", 0)),
        ("v", parts.get("v_buffer", 0)),
        ("kv", latent + parts.get("index_key_cache", 0) if latent else 0),
    ):
        if said and (letter in said.values or size):
            rows = tokens + cell.page
            yield _gb(f"{letter.upper()} of {tokens:,} tokens", said, [letter], rows * size)
    sliding = log.last("sliding pool")
    if sliding is not None:
        count = number(sliding.values["tokens"])
        yield LogLine(
            what="tokens of the pool for windows",
            said=f"{count:,}",
            computed=f"{pools.window_tokens:,}",
            agree=count == pools.window_tokens,
            line=sliding.line,
            why="" if count == pools.window_tokens else "another --swa-full-tokens-ratio",
        )
        size = (count + cell.page) * cell.window
        yield _gb(f"K and V of {count:,} tokens", sliding, ["k", "v"], size)
    if states is not None:
        slots = number(states.values["slots"])
        size = (slots + 1) * cell.state
        yield _gb(f"{slots:,} states", states, ["conv", "ssm"], size)


def _largest(log: EngineLog) -> Said | None:
    """The line of the pool of keys and values; an indexer's pool may follow in the same words."""
    pools = [said for said in log.said if said.what == "pool"]
    return max(
        reversed(pools),
        key=lambda said: sum(decimal(said.values.get(name, "0")) for name in ("k", "v", "kv")),
        default=None,
    )


def _gb(what: str, said: Said, names: Sequence[str], size: int) -> LogLine:
    """Bytes against the sum of printed sizes, each of which is rounded."""
    printed = [said.values[name] for name in names if name in said.values]
    bounds = [within(text, 2**30) for text in printed]
    low, high = sum(bound[0] for bound in bounds), sum(bound[1] for bound in bounds)
    agree = bool(printed) and low <= size <= high
    return LogLine(
        what=what,
        said=" + ".join(f"{text} GB" for text in printed) or "nothing",
        computed=f"{size / 2**30:.2f} GB",
        agree=agree,
        line=said.line,
        why="" if agree else _WHY_CELL,
    )
