"""What a layer is, for what it remembers: a kind describes, a convention stores.

A kind holds what any library needs to store such a layer: heads and widths, a window, the shapes of
states by their roles, the widths of a latent, the layer that another one shares with. Which tensors
a library makes of it is said in :mod:`hfkv.cache.conventions`.

Every kind has a ``name``, the word for tables. ``rows`` are what the checkpoint must show: ending
of a weight's name to its rows, or with ``{}`` for the layer its whole end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = [
    "Compressed",
    "Cross",
    "Full",
    "Hashed",
    "Indexer",
    "Kind",
    "Latent",
    "Memory",
    "Nothing",
    "PromptAndWindow",
    "Shared",
    "Sliding",
    "State",
    "StatePart",
    "Together",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Full:
    """Attention to every token.

    Attributes:
        heads: key/value heads that the class keeps.
        k_dim, v_dim: elements of one head's key and value.
        extra: positions that the class puts before those of the tokens.
    """

    heads: int
    k_dim: int
    v_dim: int
    extra: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)
    name: str = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sliding:
    """Attention to the last ``window`` tokens, or to those of the token's own chunk.

    Attributes:
        window: tokens of the window or the chunk, the token itself among them.
        heads, k_dim, v_dim: as in :class:`Full`.
        chunked: whether it is the chunk.
    """

    window: int
    heads: int
    k_dim: int
    v_dim: int
    chunked: bool = False
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "chunked" if self.chunked else "sliding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latent:
    """MLA: one latent per token, from which every head's key and value is made.

    Attributes:
        rank: elements of the latent (``kv_lora_rank``).
        rotary: elements of the rotary key beside it; None where only their sum is known, which
            then is ``rank``.
        window: tokens attended to, as in :class:`Sliding`; None for all.
        chunked: whether the window is the token's own chunk.
        word: the word for tables where there is no window.
    """

    rank: int
    rotary: int | None
    window: int | None = None
    chunked: bool = False
    rows: Mapping[str, int] = field(default_factory=dict)
    word: str = "latent"

    @property
    def name(self) -> str:
        if self.window is None:
            return self.word
        return "chunked" if self.chunked else "sliding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexer:
    """The keys by which a sparse-attention layer chooses its tokens, beside what it attends to.

    Attributes:
        dim: elements of a token's key.
        dtype: the dtype that the class pins, or None.
        gated: whether a gate for each element and one mark are kept per token too.
        lightning: whether it is the lightning indexer of MiniMax-M3.
        positions: whether this layer also keeps three position numbers per token, for all
            indexers of the model.
    """

    dim: int
    dtype: str | None = None
    gated: bool = False
    lightning: bool = False
    positions: bool = False

    @property
    def name(self) -> str:
        return "indexer+positions" if self.positions else "indexer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cross:
    """Attention to an encoder's output, written once; nothing where there is none.

    Attributes:
        heads, k_dim, v_dim: as in :class:`Full`.
        alone: whether the layer attends to nothing else (Mllama's between those of tokens).
    """

    heads: int
    k_dim: int
    v_dim: int
    alone: bool = False
    rows: Mapping[str, int] = field(default_factory=dict)
    name: str = "cross"


@dataclass(frozen=True, slots=True)
class StatePart:
    """One state of a fixed size.

    Attributes:
        role: a window of inputs to a ``convolution``, a ``recurrent`` state, the last ``hidden``
            states, or the last token ``ids``.
        shape: without the sequence.
        dtype: the dtype that the class pins, or None for the cache's own.
    """

    role: Literal["convolution", "recurrent", "hidden", "ids"]
    shape: tuple[int, ...]
    dtype: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """States of a fixed size, whatever the number of tokens; ``name`` says of which sort."""

    parts: tuple[StatePart, ...]
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """DeepSeek-V4: a window of tokens, and one entry for every ``rate`` tokens.

    Attributes:
        window: as in :class:`Sliding`.
        rate: tokens in one entry; those that do not fill one yet wait for it.
        dim: elements of an entry, which is key and value at once.
        indexer: elements of an indexer's entry; 0 without indexer. With one, entries overlap:
            each is made of twice as wide inputs, and one entry's share of the last is kept.
    """

    window: int
    rate: int
    dim: int
    indexer: int = 0

    @property
    def name(self) -> str:
        return "compressed and indexed" if self.indexer else "compressed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashed:
    """Reformer: hidden states of every token; layers that hash keep the bucket of each too.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """XLNet: hidden states of tokens.

    Attributes:
        most: tokens kept at most, the last ones; None for all.
        first: of the tokens of one step only so many first ones are kept; None for all.
        width: elements of one token.
    """

    most: int | None
    first: int | None
    width: int
    name: str = "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptAndWindow:
    """Unlimited OCR: attention to the whole prompt, and to a window of what was generated.

    Attributes:
        window: tokens of the window, as in :class:`Sliding`.
        heads, dim: key/value heads, and elements of each.
    """

    window: int
    heads: int
    dim: int
    name: str = "prompt and window"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """A layer that remembers nothing."""

    name: str = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A layer that attends to what another one keeps, and keeps nothing itself.

    Attributes:
        layer: the number of that layer; None where it is another model's.
    """

    layer: int | None
    name: str = "nothing"


@dataclass(frozen=True, slots=True)
class Together:
    """Several kinds in one layer, in this order."""

    parts: tuple[Kind, ...]

    @property
    def name(self) -> str:
        return "+".join(part.name for part in self.parts)

    @property
    def rows(self) -> Mapping[str, int]:
        """What the checkpoint must show for any of them."""
        found: dict[str, int] = {}
        for part in self.parts:
            found.update(getattr(part, "rows", {}))
        return found


Kind: TypeAlias = (
    Full
    | Sliding
    | Latent
    | Indexer
    | Cross
    | State
    | Compressed
    | Hashed
    | Memory
    | PromptAndWindow
    | Nothing
    | Shared
    | Together
)
