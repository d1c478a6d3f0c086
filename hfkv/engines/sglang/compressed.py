"""DeepSeek-V4 in SGLang: pools of windows, of entries, and of the states that make entries.

SGLang 0.5.23, ``DSV4PoolConfigurator`` and ``mem_cache/deepseek_v4_memory_pool.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hfkv.cache.kinds import Compressed
from hfkv.engines.arithmetic import ceil_div, round_up
from hfkv.engines.base import Buffer
from hfkv.engines.subject import Subject
from hfkv.errors import InputError

if TYPE_CHECKING:
    from hfkv.engines.sglang import Sglang

__all__ = ["V4", "v4_from_budget", "v4_from_tokens"]

_PAGE = 256
#: Bytes that a page of entries is rounded up to.
_ALIGNMENT = 576
#: States of the compressor that are kept for each page of the window, and for each request.
_RING = {True: 8, False: 128}
_RATIO = 0.1
_RUNNING = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layers:
    """What the pools are made of."""

    total: int
    indexed: int
    plain: int
    entry: int
    dim: int
    index: int
    rates: tuple[int, int]

    @classmethod
    def of(cls, subject: Subject) -> _Layers:
        kinds = [kind for kind in subject.plan.kinds if isinstance(kind, Compressed)]
        indexed = [kind for kind in kinds if kind.indexer]
        plain = [kind for kind in kinds if not kind.indexer and kind.rate > 1]
        rotary = subject.text.int("qk_rope_head_dim")
        dim = kinds[0].dim
        return cls(
            total=len(kinds),
            indexed=len(indexed),
            plain=len(plain),
            entry=dim + rotary + 8,
            dim=dim,
            index=indexed[0].indexer if indexed else 0,
            rates=(
                indexed[0].rate if indexed else 4,
                plain[0].rate if plain else 128,
            ),
        )

    def page(self, tokens: int) -> int:
        """Bytes of a page of so many entries."""
        return round_up(self.entry * tokens, _ALIGNMENT)

    @property
    def states(self) -> int:
        """Bytes of a state of an indexed layer: inputs and gates, twice for the overlap."""
        return 2 * 2 * (self.dim + self.index) * 4

    @property
    def index_row(self) -> int:
        return self.index + 4 * math.ceil(self.index / 128)

    @property
    def window_token(self) -> float:
        """Bytes of a token of the window in all layers, with the states beside it."""
        states = _RING[True] / _PAGE * self.states * self.indexed
        return self.page(_PAGE) / _PAGE * self.total + states

    def token(self, ratio: float) -> float:
        """Bytes of a token in all pools that grow."""
        first, second = self.rates
        indexed = self.page(_PAGE // first) / (_PAGE // first) + self.index_row
        plain = self.page(_PAGE // second) / (_PAGE // second)
        own = self.indexed * indexed / first + self.plain * plain / second
        return ratio * self.window_token + own

    def fixed(self, running: int) -> int:
        """Bytes of the states that are kept for each request."""
        ring = _RING[False]
        rows = round_up((running + 1) * ring + ring + 1, 128)
        return rows * 2 * self.dim * 4 * self.plain


@dataclass(frozen=True, slots=True, kw_only=True)
class V4:
    """The pools of one GPU."""

    tokens: int
    window_tokens: int
    running: int
    buffers: tuple[Buffer, ...]

    @property
    def bytes(self) -> int:
        """All of them."""
        return sum(buffer.bytes for buffer in self.buffers)


def _running(engine: Sglang) -> int:
    return engine.max_running_requests or _RUNNING


def _ratio(engine: Sglang) -> float:
    return _RATIO if engine.swa_full_tokens_ratio is None else engine.swa_full_tokens_ratio


def v4_from_budget(engine: Sglang, subject: Subject, available: int) -> V4:
    """The pools that fit into ``available`` bytes."""
    layers = _Layers.of(subject)
    rest = available - layers.fixed(_running(engine))
    tokens = int(max(rest, 0) / layers.token(_ratio(engine))) // _PAGE * _PAGE
    if engine.max_total_tokens is not None:
        tokens = min(tokens, engine.max_total_tokens // _PAGE * _PAGE)
    if tokens <= 0:
        raise InputError(f"{available:,} B leave no room for a page", where="--fit")
    return v4_from_tokens(engine, subject, tokens, held=tokens)


def v4_from_tokens(engine: Sglang, subject: Subject, tokens: int, *, held: int) -> V4:
    """The pools for so many tokens, of which ``held`` are there."""
    layers = _Layers.of(subject)
    tokens = round_up(tokens, _PAGE)
    window = int(tokens * _ratio(engine)) // _PAGE * _PAGE
    first, second = layers.rates
    pages = {
        "swa_kv_pool": ((window + _PAGE) // _PAGE, layers.page(_PAGE), layers.total),
        "c4_kv_pool": (
            (tokens // first + _PAGE) // (_PAGE // first),
            layers.page(_PAGE // first),
            layers.indexed,
        ),
        "c128_kv_pool": (
            (tokens // second + _PAGE) // (_PAGE // second),
            layers.page(_PAGE // second),
            layers.plain,
        ),
        "index_pool": (
            (tokens // first + _PAGE) // (_PAGE // first),
            _PAGE // first * layers.index_row,
            layers.indexed,
        ),
    }
    share = {"swa_kv_pool": min(held, window), "c128_kv_pool": held // second}
    found = []
    for name, (count, page, number) in pages.items():
        row = layers.index_row if name == "index_pool" else layers.entry
        kept = share.get(name, held // first) * row * number
        total = count * page * number
        found.append(
            Buffer(
                name=name,
                layers=number,
                dtype="U8",
                held=min(kept, total),
                reserved=total - min(kept, total),
                why="whole pages; the window's pool is a share of the tokens",
            )
        )
    rows = round_up(window // _PAGE * _RING[True] + _RING[True] + 1, first)
    states = rows * layers.states * layers.indexed + layers.fixed(_running(engine))
    found.append(
        Buffer(
            name="compress_state_pools",
            layers=layers.indexed + layers.plain,
            dtype="F32",
            held=0,
            reserved=states,
            why="states of the compressors for all requests at once",
        )
    )
    return V4(
        tokens=tokens,
        window_tokens=window,
        running=min(_running(engine), ceil_div(tokens, 2)),
        buffers=tuple(found),
    )
