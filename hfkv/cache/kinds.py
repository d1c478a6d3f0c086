"""What one layer keeps for its sequences: a kind is the tensors it stores.

Shapes and dtypes, not formulas: they print, they add up to bytes, and a reference can be compared
with them tensor by tensor. Names are those of the reference's cache layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

__all__ = [
    "Cross",
    "Full",
    "Indexed",
    "Kind",
    "Nothing",
    "Recent",
    "Sliding",
    "Slot",
    "State",
    "Together",
    "last_of_window",
]


def last_of_window(tokens: int, window: int) -> int:
    """How many tokens a sliding layer keeps: the next one completes the window."""
    # A slice [-window + 1:] with window 1 is [0:], the whole: the reference keeps everything.
    return tokens if window == 1 else min(tokens, window - 1)


class Slot(NamedTuple):
    """One stored tensor.

    Attributes:
        name: its name in the reference's cache layer.
        shape: sizes, batch first.
        dtype: the safetensors name of a dtype that the model pins; None for the cache's own.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str | None = None


class Kind(Protocol):
    """What every kind answers."""

    @property
    def name(self) -> str:
        """A word for tables: full, sliding, latent..."""

    def slots(self, tokens: int, batch: int, encoder_tokens: int) -> tuple[Slot, ...]:
        """The tensors kept after ``tokens`` tokens in each of ``batch`` sequences."""

    @property
    def bends(self) -> tuple[int, ...]:
        """Numbers of tokens at which the curve may change its slope, ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Full:
    """Keys and values of every token.

    Attributes:
        heads: key/value heads.
        k_dim, v_dim: elements of one head's key and value.
        extra: tokens the class keeps beside those it was given.
        rows: what the checkpoint must show: ending of a weight's name to its rows.
        name: the word for tables: MLA keeps its latent and rotary key in the same two tensors.
    """

    heads: int
    k_dim: int
    v_dim: int
    extra: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)
    name: str = "full"
    bends: tuple[int, ...] = ()

    def slots(self, tokens: int, batch: int, encoder_tokens: int) -> tuple[Slot, ...]:
        kept = tokens + self.extra
        return (
            Slot("keys", (batch, self.heads, kept, self.k_dim)),
            Slot("values", (batch, self.heads, kept, self.v_dim)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sliding:
    """Keys and values of the last ``window - 1`` tokens.

    The next token completes the window, so the reference keeps one less (``cache_utils.py``,
    ``DynamicSlidingWindowLayer``). Chunked attention is kept in the same way.
    """

    window: int
    heads: int
    k_dim: int
    v_dim: int
    rows: Mapping[str, int] = field(default_factory=dict)
    name: str = "sliding"

    @property
    def bends(self) -> tuple[int, ...]:
        return (self.window - 1,) if self.window > 1 else ()

    def slots(self, tokens: int, batch: int, encoder_tokens: int) -> tuple[Slot, ...]:
        kept = last_of_window(tokens, self.window)
        return (
            Slot("keys", (batch, self.heads, kept, self.k_dim)),
            Slot("values", (batch, self.heads, kept, self.v_dim)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """The keys of a sparse-attention indexer, beside what the layer keeps anyway.

    Attributes:
        dim: elements per token.
        dtype: the dtype that the model pins, or None.
        tensor: the name of the tensor.
        head: whether it has a dimension for heads, of one.
    """

    dim: int
    dtype: str | None = None
    tensor: str = "indexer_keys"
    head: bool = False
    name: str = "indexer"
    bends: tuple[int, ...] = ()

    def slots(self, tokens: int, batch: int, encoder_tokens: int) -> tuple[Slot, ...]:
        shape = (batch, 1, tokens, self.dim) if self.head else (batch, tokens, self.dim)
        return (Slot(self.tensor, shape, self.dtype),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """Hidden states of tokens, the token first and the batch second (XLNet's memories).

    Attributes:
        most: tokens kept at most, the last ones; None for all.
        first: of the tokens of one step only so many first ones are kept; None for all. The last
            token is a step of its own, as when generating.
        width: elements of one token.
    """

    most: int | None
    first: int | None
    width: int
    name: str = "memory"

    @property
    def bends(self) -> tuple[int, ...]:
        limits = [self.most, None if self.first is None else self.first + 1]
        return tuple(sorted(limit for limit in limits if limit is not None))

    def slots(self, tokens: int, batch: int, encoder_tokens: int) -> tuple[Slot, ...]:
        kept = tokens
        if self.first is not None and tokens:
            kept = min(tokens - 1, self.first) + 1
        if self.most is not None:
            kept = min(kept, self.most)
        return (Slot("mems", (kept, batch, self.width)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cross:
    """Keys and values of the encoder's output, written once."""

    heads: int
    k_dim: int
    v_dim: int
    name: str = "cross"
    bends: tuple[int, ...] = ()

    def slots(self, tokens: int, batch: int, encoder_tokens: int) -> tuple[Slot, ...]:
        return (
            Slot("cross_keys", (batch, self.heads, encoder_tokens, self.k_dim)),
            Slot("cross_values", (batch, self.heads, encoder_tokens, self.v_dim)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """States of a fixed size, whatever the number of tokens.

    Attributes:
        states: name, shape without the batch, and the pinned dtype or None.
        name: the word for tables.
    """

    states: tuple[tuple[str, tuple[int, ...], str | None], ...]
    name: str = "state"
    bends: tuple[int, ...] = ()

    def slots(self, tokens: int, batch: int, encoder_tokens: int) -> tuple[Slot, ...]:
        return tuple(Slot(name, (batch, *shape), dtype) for name, shape, dtype in self.states)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """A layer that keeps nothing: it reuses another's cache, or has no attention."""

    name: str = "nothing"
    bends: tuple[int, ...] = ()

    def slots(self, tokens: int, batch: int, encoder_tokens: int) -> tuple[Slot, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Together:
    """Several kinds in one layer, in this order."""

    parts: tuple[Kind, ...] = field(default_factory=tuple)

    @property
    def name(self) -> str:
        return "+".join(part.name for part in self.parts)

    @property
    def rows(self) -> Mapping[str, int]:
        """What the checkpoint must show for any of the parts."""
        found: dict[str, int] = {}
        for part in self.parts:
            found.update(getattr(part, "rows", {}))
        return found

    @property
    def bends(self) -> tuple[int, ...]:
        return tuple(sorted({bend for part in self.parts for bend in part.bends}))

    def slots(self, tokens: int, batch: int, encoder_tokens: int) -> tuple[Slot, ...]:
        return tuple(
            slot for part in self.parts for slot in part.slots(tokens, batch, encoder_tokens)
        )
