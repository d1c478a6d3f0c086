"""How SGLang shares memory out among its pools.

SGLang 0.5.23, ``model_executor/pool_configurator.py`` (tokens) and
``mem_cache/kv_cache_configurator.py`` (states). It reckons in floating point where it does; so is
reckoned here, for the sizes must be the same to the token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hfkv.engines.arithmetic import round_up
from hfkv.engines.sglang.cells import Cells, data
from hfkv.errors import InputError

if TYPE_CHECKING:
    from hfkv.engines.sglang import Sglang

__all__ = ["Pools", "capped_window", "from_budget", "from_tokens", "slots_per_request"]

#: Tokens after which SGLang frees what has left the window.
_EVICTION = 128
_GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """The sizes of all pools on one GPU.

    Attributes:
        cells: what one entry takes.
        tokens: ``max_total_num_tokens``.
        window_tokens: of the pool for windows; 0 where there is none.
        slots: states.
        running: requests at once.
        drafts: bytes of states for drafted tokens.
    """

    cells: Cells
    tokens: int
    window_tokens: int = 0
    slots: int = 0
    running: int = 0
    drafts: int = 0

    @property
    def full_bytes(self) -> int:
        """The pool of tokens; a page more than its tokens."""
        return (self.tokens + self.cells.page) * self.cells.full if self.cells.full else 0

    @property
    def window_bytes(self) -> int:
        """The pool for windows."""
        if not self.cells.window:
            return 0
        return (self.window_tokens + self.cells.page) * self.cells.window

    @property
    def state_bytes(self) -> int:
        """The pool of states; one more than its slots."""
        return (self.slots + 1) * self.cells.state if self.cells.state else 0

    @property
    def draft_bytes(self) -> int:
        """The pool of the drafting layers."""
        return (self.tokens + self.cells.page) * self.cells.draft if self.cells.draft else 0

    @property
    def bytes(self) -> int:
        """All of them."""
        pools = self.full_bytes + self.window_bytes + self.state_bytes + self.draft_bytes
        return pools + self.drafts


def slots_per_request(engine: Sglang, cells: Cells) -> int:
    """States that a running request may need at once."""
    if engine.disable_radix_cache:
        return 1
    return 5 if cells.buffered else 3


def _ratio(engine: Sglang) -> float:
    if engine.swa_full_tokens_ratio is not None:
        if not 0 < engine.swa_full_tokens_ratio <= 1:
            raise InputError(
                f"found {engine.swa_full_tokens_ratio}",
                where="--swa-full-tokens-ratio",
                expected="more than 0, at most 1",
            )
        return engine.swa_full_tokens_ratio
    return float(data()["swa_full_tokens_ratio"])


def capped_window(engine: Sglang, cells: Cells) -> int | None:
    """Tokens of the window's pool, where it is sized by requests; None where it is a share."""
    if not engine.disable_radix_cache or engine.max_running_requests is None:
        return None
    drafted = engine.speculative_num_draft_tokens if engine.speculative_eagle else 1
    each = cells.reach + _EVICTION * drafted + 2 * cells.page
    most = each * engine.max_running_requests + 2 * engine.chunked_prefill_size + cells.page
    return round_up(most, cells.page)


def _floor(tokens: int, page: int) -> int:
    return max(tokens, 0) // page * page


def from_budget(engine: Sglang, cells: Cells, available: int, context: int) -> Pools:
    """The pools that fit into ``available`` bytes.

    Raises:
        InputError: they do not even hold one request.
    """
    slots = drafts = 0
    rest: float = available / _GIB
    if cells.state:
        slots, drafts, rest = _states(engine, cells, rest)
    budget = int(rest * _GIB) if cells.state else available
    one = cells.full + cells.draft
    if cells.window:
        cap = capped_window(engine, cells)
        if cap is not None and cells.full:
            tokens = _floor((budget - cap * cells.window) // one, cells.page)
            window = cap
        elif not cells.full:
            tokens = window = _floor(int(budget // (cells.window + cells.draft)), cells.page)
        else:
            ratio = _ratio(engine)
            tokens = _floor(int(budget // (one + ratio * cells.window)), cells.page)
            window = _floor(int(tokens * ratio), cells.page)
    else:
        tokens, window = _floor(budget // one if one else context, cells.page), 0
    if engine.max_total_tokens is not None and engine.max_total_tokens < tokens:
        limited = from_tokens(engine, cells, engine.max_total_tokens, slots=slots, drafts=drafts)
        tokens, window = limited.tokens, limited.window_tokens
    if tokens <= 0:
        raise InputError(f"{available:,} B leave no room for a token", where="--fit")
    return Pools(
        cells=cells,
        tokens=tokens,
        window_tokens=window,
        slots=slots,
        running=_running(engine, cells, tokens, slots, context),
        drafts=drafts,
    )


def from_tokens(
    engine: Sglang, cells: Cells, tokens: int, *, slots: int = 0, drafts: int = 0
) -> Pools:
    """The pools for so many tokens (``--max-total-tokens``)."""
    tokens = _floor(tokens, cells.page)
    window = 0
    if cells.window:
        cap = capped_window(engine, cells)
        if cap is not None and cells.full:
            window = min(cap, tokens)
        else:
            share = _ratio(engine) if cells.full else 1.0
            window = _floor(int(tokens * share), cells.page)
    return Pools(cells=cells, tokens=tokens, window_tokens=window, slots=slots, drafts=drafts)


def _states(engine: Sglang, cells: Cells, rest: float) -> tuple[int, int, float]:
    """Slots of states, bytes for drafted tokens, and the GiB that are left."""
    per = cells.state
    drafted = engine.speculative_num_draft_tokens if engine.speculative_eagle else 0
    requests = engine.max_running_requests or (48 if engine.speculative_eagle else None)
    each = slots_per_request(engine, cells)
    if engine.max_mamba_cache_size is not None:
        slots = engine.max_mamba_cache_size
    elif engine.disable_radix_cache and requests is not None:
        slots = max(1, requests)
    else:
        ratio = engine.mamba_full_memory_ratio
        budget = rest * ratio / (1 + ratio) * _GIB
        if drafted:
            slots = int((budget - per * (1 + drafted)) // (per * (1 + drafted / each)))
        else:
            slots = int((budget - per) // per)
    drafts = 0
    if drafted:
        capped = min(max(1, requests or 1), slots // each)
        drafts = per * (capped + 1) * drafted
        rest -= drafts / _GIB
    if slots <= 0:
        raise InputError(
            f"{rest:.2f} GiB leave no room for a state of {per:,} B",
            where="--fit",
            hint="use more memory, or a smaller --max-mamba-cache-size",
        )
    return slots, drafts, rest - (slots + 1) * per / _GIB


def _running(engine: Sglang, cells: Cells, tokens: int, slots: int, context: int) -> int:
    """``max_running_requests``."""
    estimated = max(min(int(tokens / context * 512), 4096), 2048)
    asked = engine.max_running_requests or (48 if engine.speculative_eagle else None)
    found = min(asked if asked is not None else estimated, tokens // 2)
    if cells.state:
        found = min(found, slots // slots_per_request(engine, cells))
    return found
