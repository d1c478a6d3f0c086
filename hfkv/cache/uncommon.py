"""Kinds of single architectures: compressed entries, hashes, a prompt beside a window."""

from __future__ import annotations

from dataclasses import dataclass

from hfkv.cache.kinds import Slot, last_of_window

__all__ = ["Compressed", "Hashed", "Positions", "Prompted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """DeepSeek-V4: one tensor for keys and values of a window, and one entry per ``rate`` tokens.

    Tokens that do not fill an entry yet wait in buffers, so the bytes fall whenever one is filled
    (``modeling_deepseek_v4.py``, ``DeepseekV4HCACache`` and ``DeepseekV4CSACache``).

    Attributes:
        window: the sliding window.
        rate: tokens in one entry.
        dim: elements of an entry.
        indexer: elements of an indexer's entry; 0 without indexer. With one, entries overlap: the
            buffers are twice as wide, and one entry's share of the last full one is kept.
        name: the word for tables.
    """

    window: int
    rate: int
    dim: int
    indexer: int = 0
    name: str = "compressed"

    @property
    def bends(self) -> tuple[int, ...]:
        return (self.window - 1,) if self.window > 1 else ()

    @property
    def period(self) -> int:
        """Tokens after which the waves of the curve repeat."""
        return self.rate

    def slots(self, tokens: int, batch: int, encoder_tokens: int) -> tuple[Slot, ...]:
        kept = last_of_window(tokens, self.window)
        entries, waiting = divmod(tokens, self.rate)
        parts = {"compressor": self.dim}
        if self.indexer:
            parts["indexer"] = self.indexer
        wide = 2 if self.indexer else 1
        slots = [Slot("keys", (batch, 1, kept, self.dim))]
        for part, dim in parts.items():
            slots.append(Slot(f"compressed_kv.{part}", (batch, entries, dim)))
        for which in ("kv", "gate"):
            for part, dim in parts.items():
                slots.append(Slot(f"buffer_{which}.{part}", (batch, waiting, wide * dim)))
        if self.indexer and entries:
            # A gate comes from a position bias that the class keeps in float32 in any model of
            # a narrower dtype (``_keep_in_fp32_modules_strict``); buffers are taken before it.
            for which, dtype in (("kv", None), ("gate", "F32")):
                for part, dim in parts.items():
                    shape = (batch, self.rate, dim)
                    slots.append(Slot(f"overlap_{which}.{part}", shape, dtype))
        return tuple(slots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashed:
    """Reformer: hidden states of every token, and in hashing layers the bucket of each.

    Buckets are there once the text is longer than a chunk. They are integers; where the first of
    them came with the last token, the class has joined them to an empty float tensor.

    Attributes:
        width: elements of a hidden state.
        heads, hashes: buckets of one token; no heads in a layer that does not hash.
        chunk: tokens from which on they are there.
        hashed: tokens of the text before the last one, from which on it is hashed as a whole.
    """

    width: int
    heads: int = 0
    hashes: int = 0
    chunk: int = 0
    hashed: int = 0

    @property
    def name(self) -> str:
        return "hashed states" if self.heads else "states"

    @property
    def bends(self) -> tuple[int, ...]:
        edges = {self.chunk - 1, self.hashed} if self.heads else set()
        return tuple(sorted(edge for edge in edges if edge > 0))

    def slots(self, tokens: int, batch: int, encoder_tokens: int) -> tuple[Slot, ...]:
        states = Slot("states", (batch, tokens, self.width))
        whole = tokens > self.hashed
        if not self.heads or not (whole or tokens >= max(self.chunk, 2)):
            return (states,)
        shape = (batch, self.heads, self.hashes, tokens)
        return (Slot("buckets", shape, "I64" if whole else "F32"), states)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompted:
    """Unlimited OCR: all tokens of the prompt, beside a window over what was generated.

    All but the last token are taken as the prompt, so nothing has left the window.
    """

    heads: int
    dim: int
    name: str = "prompt and window"
    bends: tuple[int, ...] = ()

    def slots(self, tokens: int, batch: int, encoder_tokens: int) -> tuple[Slot, ...]:
        last = 1 if tokens > 1 else 0
        slots = []
        for prefix, kept in (("", last), ("prefill_", tokens - last)):
            if kept:
                shape = (batch, self.heads, kept, self.dim)
                slots += [Slot(f"{prefix}keys", shape), Slot(f"{prefix}values", shape)]
        return tuple(slots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """Three position numbers per token, kept once for all indexers."""

    name: str = "positions"
    bends: tuple[int, ...] = ()

    def slots(self, tokens: int, batch: int, encoder_tokens: int) -> tuple[Slot, ...]:
        return (Slot("indexer_position_ids", (3, batch, tokens), "I64"),)
