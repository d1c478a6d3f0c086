"""What one layer asks of vLLM's pool: a page for so many tokens, and pages for a request.

vLLM 0.33.0, ``vllm/v1/kv_cache_interface.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from hfkv.engines.arithmetic import ceil_div, round_up

__all__ = ["Family", "Request", "Spec"]

Family = Literal["full", "mla", "sliding", "sliding mla", "chunked", "state", "cross"]

#: vLLM's names of its specs, for tables.
_NAMES = {
    "full": "FullAttentionSpec",
    "mla": "MLAAttentionSpec",
    "sliding": "SlidingWindowSpec",
    "sliding mla": "SlidingWindowMLASpec",
    "chunked": "ChunkedLocalAttentionSpec",
    "state": "MambaSpec",
    "cross": "CrossAttentionSpec",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one request is taken to be at most.

    Attributes:
        tokens: ``--max-model-len``.
        in_flight: tokens of all batches that may be scheduled and not settled yet.
        context_parallel: GPUs among which a sequence's tokens are dealt.
        align: whether states are kept at the boundaries of blocks, for prefix caching.
        encoder_tokens: the budget for an encoder's output.
    """

    tokens: int
    in_flight: int
    context_parallel: int = 1
    align: bool = False
    encoder_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One layer's cache on one GPU.

    Attributes:
        family: which of vLLM's specs it is.
        block: tokens of a block.
        row: bytes of one stored entry of all heads on this GPU; of all states for ``state``.
        shape: what else tells two specs apart: heads, widths, states.
        dtype: safetensors name, or vLLM's word for a packed format.
        per_entry: tokens in one entry (DeepSeek-V4 compresses).
        window: tokens of the window or chunk.
        retained: tokens kept below the window for a drafter of several modules.
        alignment: bytes that a page is rounded up to.
        padded: bytes of a page, where they were set to another layer's.
        speculative, checkpoints: further states: one per drafted token, and one of the prefill.
        draft: whether it is a draft model's; makes no difference to grouping.
    """

    family: Family
    block: int
    row: int
    shape: tuple[object, ...]
    dtype: str
    per_entry: int = 1
    window: int | None = None
    retained: int = 0
    alignment: int = 1
    padded: int | None = None
    speculative: int = 0
    checkpoints: int = 0
    draft: bool = field(default=False, compare=False)

    @property
    def name(self) -> str:
        """vLLM's name of it."""
        return _NAMES[self.family]

    @property
    def unpadded(self) -> int:
        """Bytes that the entries of a block take."""
        if self.family == "state":
            return self.row
        return self.row * (self.block // self.per_entry)

    @property
    def page(self) -> int:
        """Bytes of a block of this layer."""
        if self.padded is not None:
            return self.padded
        return round_up(self.unpadded, self.alignment)

    def with_block(self, block: int) -> Spec:
        """The same with another block."""
        return replace(self, block=block)

    def blocks(self, request: Request) -> int:
        """Blocks that one request must find free at most."""
        tokens = request.tokens
        if self.family in ("full", "mla"):
            return ceil_div(ceil_div(tokens, request.context_parallel), self.block)
        if self.family in ("sliding", "sliding mla"):
            assert self.window is not None
            most = min(self.window - 1 + self.retained + request.in_flight, tokens)
            # One more, for a window that does not begin where a block does.
            return ceil_div(most, self.block) + 1
        if self.family == "chunked":
            assert self.window is not None
            return ceil_div(min(self.window + request.in_flight, tokens), self.block)
        if self.family == "cross":
            return ceil_div(request.encoder_tokens, self.block)
        if request.align:
            return 2 + self.speculative + self.checkpoints
        return 1 + self.speculative

    def held(self, request: Request) -> int:
        """Bytes in which what the layer still reads after the prefill stands."""
        if self.family == "state":
            return self.row
        tokens = request.tokens
        if self.family == "cross":
            tokens = request.encoder_tokens
        elif self.window is not None and self.family != "full":
            tokens = min(tokens, self.window)
        if self.family in ("full", "mla"):
            tokens = ceil_div(tokens, request.context_parallel)
        return self.row * (tokens // self.per_entry)

    @property
    def uniform_key(self) -> tuple[object, ...]:
        """Specs of one such key need the same number of slots, and so can share one group."""
        if self.family in ("full", "mla"):
            return ("full", self.block)
        if self.family == "state":
            return ("state", self.block, self.page, self.speculative, self.checkpoints)
        if self.family == "cross":
            return ("cross", self.block, self)
        return (self.family, self.block, self.window)

    @property
    def merge_key(self) -> Spec:
        """Specs of one such key merge into one: a window does not part layers that are full."""
        return replace(self, window=None) if self.family == "full" else self
