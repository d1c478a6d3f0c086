"""What transformers' own cache objects hold (``cache_utils.py`` and the classes' own layers).

Names are those of the attributes of its cache layers, shapes have the batch first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from hfkv.cache.conventions import CacheTensor, Layer, Sequences
from hfkv.cache.kinds import (
    Compressed,
    Cross,
    Full,
    Hashed,
    Indexer,
    Kind,
    Latent,
    Memory,
    PromptAndWindow,
    Sliding,
    State,
    Together,
)
from hfkv.cache.plan import Plan
from hfkv.dtypes import nbytes

__all__ = ["TRANSFORMERS", "Slot", "Transformers", "slots"]


class Slot(NamedTuple):
    """One tensor; ``dtype`` is None where it is the cache's own. ``axes`` has a symbol for each
    size that has one, and ``.`` for the others."""

    name: str
    shape: tuple[int, ...]
    dtype: str | None = None
    axes: str = ""


@dataclass(frozen=True, slots=True)
class Transformers:
    """The convention of transformers: a cache that grows with the tokens, a tensor at a time."""

    name: str = "transformers"

    def layers(self, plan: Plan, stored: Sequences) -> tuple[Layer, ...]:
        """Every layer's tensors."""
        made: dict[int, tuple[CacheTensor, ...]] = {}
        found = []
        for index, kind in enumerate(plan.kinds):
            # Layers share kind objects, so equal layers are computed once.
            tensors = made.get(id(kind))
            if tensors is None:
                tensors = tuple(
                    CacheTensor(
                        name=slot.name,
                        shape=slot.shape,
                        dtype=slot.dtype or stored.dtype,
                        axes=tuple(axis.strip(".") for axis in slot.axes.split()),
                    )
                    for slot in slots(kind, stored.tokens, stored.batch, _encoder(plan, stored))
                )
                made[id(kind)] = tensors
            found.append(Layer(index=index, kind=kind.name, tensors=tensors))
        return tuple(found)

    def bytes(self, plan: Plan, stored: Sequences) -> int:
        """Bytes of all layers."""
        return sum(
            count
            * sum(
                nbytes(math.prod(slot.shape), slot.dtype or stored.dtype)
                for slot in slots(kind, stored.tokens, stored.batch, _encoder(plan, stored))
            )
            for kind, count in _different(plan)
        )

    def bends(self, plan: Plan) -> tuple[int, ...]:
        """Where windows are full, entries appear, or a prompt is hashed as a whole."""
        return tuple(sorted({bend for kind, _ in _different(plan) for bend in _bends(kind)}))

    def period(self, plan: Plan) -> int:
        """The bytes of compressed entries fall whenever one is filled."""
        return math.lcm(
            *(kind.rate for kind, _ in _different(plan) if isinstance(kind, Compressed))
        )


TRANSFORMERS = Transformers()


def slots(kind: Kind, tokens: int, batch: int, encoder_tokens: int) -> Iterator[Slot]:
    """The tensors of one layer after ``tokens`` tokens in each of ``batch`` sequences."""
    match kind:
        case Full():
            length = "T'" if kind.extra else "T"
            yield from _keys_and_values(kind, batch, tokens + kind.extra, length=length)
        case Sliding():
            yield from _keys_and_values(kind, batch, _kept(tokens, kind.window), length="W")
        case Latent():
            yield from _latent(kind, batch, _kept(tokens, kind.window))
        case Indexer():
            yield from _indexer(kind, tokens, batch)
        case Cross() if encoder_tokens:
            prefix = "" if kind.alone else "cross_"
            yield from _keys_and_values(kind, batch, encoder_tokens, prefix, length="E")
        case State():
            yield from _states(kind, batch)
        case Compressed():
            yield from _compressed(kind, tokens, batch)
        case Hashed():
            yield from _hashed(kind, tokens, batch)
        case Memory():
            yield Slot("mems", (_remembered(kind, tokens), batch, kind.width), axes="W S H")
        case PromptAndWindow():
            # All but the last token are taken as the prompt, so nothing has left the window.
            last = 1 if tokens > 1 else 0
            full = Full(heads=kind.heads, k_dim=kind.dim, v_dim=kind.dim)
            for prefix, kept in (("", last), ("prefill_", tokens - last)):
                if kept:
                    yield from _keys_and_values(full, batch, kept, prefix, length=".")
        case Together():
            for part in kind.parts:
                yield from slots(part, tokens, batch, encoder_tokens)


def _kept(tokens: int, window: int | None) -> int:
    """How many tokens a layer keeps: the next one completes the window, so one less
    (``DynamicSlidingWindowLayer``)."""
    # A slice [-window + 1:] with window 1 is [0:], the whole: the class keeps everything.
    return tokens if window is None or window == 1 else min(tokens, window - 1)


def _keys_and_values(
    kind: Full | Sliding | Cross, batch: int, kept: int, prefix: str = "", *, length: str
) -> Iterator[Slot]:
    axes = f"S h {length} "
    key, value = ("d", "d") if kind.k_dim == kind.v_dim else ("dk", "dv")
    yield Slot(f"{prefix}keys", (batch, kind.heads, kept, kind.k_dim), axes=axes + key)
    yield Slot(f"{prefix}values", (batch, kind.heads, kept, kind.v_dim), axes=axes + value)


def _latent(kind: Latent, batch: int, kept: int) -> Iterator[Slot]:
    """The latent where keys would be and the rotary key where values would be, of one head."""
    axes = f"S . {'T' if kind.window is None else 'W'} "
    if kind.rotary is None:
        yield Slot("latent", (batch, 1, kept, kind.rank), axes=axes + "c+r")
        return
    yield Slot("keys", (batch, 1, kept, kind.rank), axes=axes + "c")
    yield Slot("values", (batch, 1, kept, kind.rotary), axes=axes + "r")


def _indexer(kind: Indexer, tokens: int, batch: int) -> Iterator[Slot]:
    width = 2 * kind.dim + 1 if kind.gated else kind.dim
    if kind.lightning:
        yield Slot("idx_keys", (batch, 1, tokens, width), kind.dtype, "S . T i")
    else:
        yield Slot("indexer_keys", (batch, tokens, width), kind.dtype, "S T i")
    if kind.positions:
        yield Slot("indexer_position_ids", (3, batch, tokens), "I64", ". S T")


#: Sorts of states that are not in transformers' own cache layers: what each role is called there.
_STATE_NAMES = {
    "lightning": {"recurrent": "linear_cache"},
    "local filter": {"hidden": "hidden_states"},
    "recurrent": {"convolution": "conv1d_state", "recurrent": "recurrent_states"},
    "rwkv": {"hidden": "state.{}", "recurrent": "state.{}"},
    "xlstm": {"recurrent": "rnn_state.{}"},
}
_USUAL_NAMES = {
    "convolution": "conv_states.{}",
    "ids": "conv_states.{}",
    "recurrent": "recurrent_states.{}",
}


def _states(kind: State, batch: int) -> Iterator[Slot]:
    names = _STATE_NAMES.get(kind.name, _USUAL_NAMES)
    counts: dict[str, int] = {}
    for part in kind.parts:
        name = names[part.role]
        number = counts[name] = counts.get(name, -1) + 1
        yield Slot(
            name.format(number), (batch, *part.shape), part.dtype, "S" + " ." * len(part.shape)
        )


def _compressed(kind: Compressed, tokens: int, batch: int) -> Iterator[Slot]:
    """``DeepseekV4HCACache`` and ``DeepseekV4CSACache``; one tensor is keys and values."""
    entries, waiting = divmod(tokens, kind.rate)
    parts = {"compressor": kind.dim, **({"indexer": kind.indexer} if kind.indexer else {})}
    wide = 2 if kind.indexer else 1
    yield Slot("keys", (batch, 1, _kept(tokens, kind.window), kind.dim), axes="S . W d")
    for part, dim in parts.items():
        yield Slot(f"compressed_kv.{part}", (batch, entries, dim), axes="S n .")
    for which in ("kv", "gate"):
        for part, dim in parts.items():
            yield Slot(f"buffer_{which}.{part}", (batch, waiting, wide * dim), axes="S w .")
    if kind.indexer and entries:
        # A gate comes from a position bias that the class keeps in float32 in any model of a
        # narrower dtype (``_keep_in_fp32_modules_strict``); buffers are taken before it.
        for which, dtype in (("kv", None), ("gate", "F32")):
            for part, dim in parts.items():
                yield Slot(f"overlap_{which}.{part}", (batch, kind.rate, dim), dtype, "S . .")


def _hashed(kind: Hashed, tokens: int, batch: int) -> Iterator[Slot]:
    """Buckets are there once the text is longer than a chunk. They are integers; where the first
    of them came with the last token, the class has joined them to an empty float tensor."""
    whole = tokens > kind.hashed
    if kind.heads and (whole or tokens >= max(kind.chunk, 2)):
        shape = (batch, kind.heads, kind.hashes, tokens)
        yield Slot("buckets", shape, "I64" if whole else "F32", "S h . T")
    yield Slot("states", (batch, tokens, kind.width), axes="S T H")


def _remembered(kind: Memory, tokens: int) -> int:
    """Tokens of XLNet's memory; the last token is a step of its own, as when generating."""
    kept = tokens
    if kind.first is not None and tokens:
        kept = min(tokens - 1, kind.first) + 1
    return kept if kind.most is None else min(kept, kind.most)


def _bends(kind: Kind) -> Iterator[int]:
    match kind:
        case Sliding() | Compressed() | Latent():
            if kind.window is not None and kind.window > 1:
                yield kind.window - 1
        case Hashed() if kind.heads:
            yield from (edge for edge in (kind.chunk - 1, kind.hashed) if edge > 0)
        case Memory():
            limits = (kind.most, None if kind.first is None else kind.first + 1)
            yield from (limit for limit in limits if limit is not None)
        case Together():
            for part in kind.parts:
                yield from _bends(part)


def _different(plan: Plan) -> list[tuple[Kind, int]]:
    """Each kind object once, and how many layers it stands for."""
    kinds = {id(kind): kind for kind in plan.kinds}
    counts = Counter(map(id, plan.kinds))
    return [(kind, counts[key]) for key, kind in kinds.items()]


def _encoder(plan: Plan, stored: Sequences) -> int:
    given = stored.encoder_tokens
    return given if given is not None else plan.encoder_tokens or 0
