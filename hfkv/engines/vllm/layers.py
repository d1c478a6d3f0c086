"""What each layer of a model asks of vLLM's pool, by its kind.

vLLM 0.33.0: the ``get_kv_cache_spec`` of ``model_executor/layers/attention`` and ``.../mamba``,
``models/deepseek_v4`` and ``models/minimax_m3``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from hfkv.cache.kinds import (
    Compressed,
    Cross,
    Full,
    Indexer,
    Kind,
    Latent,
    Nothing,
    Shared,
    Sliding,
    State,
    Together,
)
from hfkv.engines.arithmetic import heads_per_gpu
from hfkv.engines.subject import Subject
from hfkv.engines.vllm.checks import data
from hfkv.engines.vllm.kv_dtypes import KvDtype, width
from hfkv.engines.vllm.specs import Spec
from hfkv.errors import InputError, UnsupportedError

__all__ = ["Making", "flat", "layer_specs"]

#: Bytes that pages of DeepSeek-V4 are rounded up to.
_V4_ALIGNMENT = 576


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What the specs of all layers are made with.

    Attributes:
        subject: the model.
        tp: tensor-parallel GPUs.
        kv: the element type of attention.
        own: the model's dtype.
        conv, ssm: element types of states; None for the model's own rule.
        block: ``--block-size``, or what the kernels want.
        capability: of the GPU.
        align: whether states are kept for prefix caching.
        speculative: drafted tokens a step.
    """

    subject: Subject
    tp: int
    kv: KvDtype
    own: str
    conv: str
    ssm: str | None
    block: int
    capability: tuple[int, int]
    align: bool
    speculative: int


def flat(kind: Kind) -> tuple[Kind, ...]:
    """A layer's kinds one by one."""
    if isinstance(kind, Together):
        return tuple(part for inner in kind.parts for part in flat(inner))
    return (kind,)


def layer_specs(kind: Kind, made: Making) -> list[Spec]:
    """The specs of one layer of the model: none, one, or several side by side.

    Raises:
        UnsupportedError: vLLM has no cache for such a layer, or it is not counted here.
        InputError: the GPUs do not share the layer out evenly.
    """
    found: list[Spec] = []
    for part in flat(kind):
        if isinstance(part, Full):
            found.append(_attention(part.heads, part.k_dim, part.v_dim, made))
        elif isinstance(part, Sliding):
            found.append(_window(part, made))
        elif isinstance(part, Latent):
            sparse = any(isinstance(other, Indexer) for other in flat(kind))
            found.append(_latent(part, made, sparse=sparse))
        elif isinstance(part, Indexer):
            found.append(_indexer(part, made))
        elif isinstance(part, Cross):
            spec = _attention(part.heads, part.k_dim, part.v_dim, made)
            found.append(replace(spec, family="cross"))
        elif isinstance(part, State):
            found.append(_state(part, made))
        elif isinstance(part, Compressed):
            found += _compressed(part, made)
        elif not isinstance(part, (Nothing, Shared)):
            raise UnsupportedError(
                f"vLLM has no cache for a layer of kind {part.name!r}", where=made.subject.model
            )
    return found


def _share(heads: int, made: Making) -> int:
    """Key/value heads on one GPU."""
    if heads >= made.tp and heads % made.tp:
        raise InputError(
            f"{heads} key/value heads on {made.tp} GPUs",
            where=f"{made.subject.model}: --tensor-parallel-size",
            expected="a number of GPUs that divides the heads, or is a multiple of them",
        )
    if heads < made.tp and made.tp % heads:
        raise InputError(
            f"{made.tp} GPUs for {heads} key/value heads",
            where=f"{made.subject.model}: --tensor-parallel-size",
            expected="a multiple of the heads, which are then repeated",
        )
    return heads_per_gpu(heads, made.tp)


def _kept_heads(heads: int, made: Making) -> int:
    """Key/value heads as the weights have them; transformers' Falcon repeats its own."""
    if made.subject.text.model_type == "falcon":
        config = made.subject.text
        if config.bool("new_decoder_architecture"):
            return config.optional_int("num_kv_heads") or heads
    return heads


def _attention(heads: int, k: int, v: int, made: Making) -> Spec:
    share = _share(_kept_heads(heads, made), made)
    return Spec(
        family="full",
        block=made.block,
        row=share * made.kv.row(k, v),
        shape=(share, k, v),
        dtype=made.kv.word if made.kv.scale or made.kv.is_turbo else made.kv.element,
    )


def _window(kind: Sliding, made: Making) -> Spec:
    spec = _attention(kind.heads, kind.k_dim, kind.v_dim, made)
    return replace(spec, family="chunked" if kind.chunked else "sliding", window=kind.window)


def _latent(kind: Latent, made: Making, *, sparse: bool) -> Spec:
    if kind.window is not None:
        raise UnsupportedError(
            "latents within a window are not counted for vLLM", where=made.subject.model
        )
    if made.subject.text.model_type not in data()["latent_types"]:
        return _expanded(made)
    size = kind.rank + (kind.rotary or 0)
    word = made.kv.word
    if sparse and word == "fp8" and made.capability[0] == 9:
        word = "fp8_ds_mla"
    if word == "fp8_ds_mla":
        # 512 of fp8, four scales of float32, and the rotary key in bfloat16.
        row = kind.rank + 4 * math.ceil(kind.rank / 128) + 2 * (kind.rotary or 0)
    else:
        row = made.kv.row(size, 0)
    return Spec(
        family="mla",
        block=made.block,
        row=row,
        shape=(1, size),
        dtype=word if word == "fp8_ds_mla" else made.kv.element,
    )


def _expanded(made: Making) -> Spec:
    """A class that makes every head's key and value of the latent, and keeps those."""
    text = made.subject.text
    size = text.int("qk_nope_head_dim") + text.int("qk_rope_head_dim")
    return _attention(text.int("num_attention_heads"), size, size, made)


def _indexer(kind: Indexer, made: Making) -> Spec:
    if kind.lightning:
        return Spec(
            family="mla",
            block=made.block,
            row=kind.dim * width(made.own),
            shape=(1, kind.dim),
            dtype=made.own,
        )
    if kind.gated or kind.positions:
        raise UnsupportedError(
            "vLLM's cache for such an indexer is not counted", where=made.subject.model
        )
    size = kind.dim + 4 * (kind.dim // 128)
    return Spec(family="mla", block=made.block, row=size, shape=(1, size), dtype="U8")


#: How vLLM shares a state of transformers' out among GPUs, by the word of its kind.
_STATES = ("mamba", "mamba2", "gated delta", "delta attention", "convolution")


def _state(kind: State, made: Making) -> Spec:
    if kind.name not in _STATES:
        raise UnsupportedError(
            f"vLLM's states for layers of kind {kind.name!r} are not counted",
            where=made.subject.model,
        )
    row = 0
    shapes: list[tuple[tuple[int, ...], str]] = []
    for part in kind.parts:
        if part.role == "convolution":
            # A drafted token that is refused must be undone in the window.
            drafted = made.speculative if kind.name != "mamba" else 0
            channels = _channels(kind, part.shape[0], made) // made.tp
            shape: tuple[int, ...] = (channels, part.shape[1] - 1 + drafted)
            dtype = made.conv
        else:
            shape = (_divide(part.shape[0], made), *part.shape[1:])
            dtype = made.ssm or ("F32" if kind.name == "delta attention" else made.conv)
        shapes.append((shape, dtype))
        row += math.prod(shape) * width(dtype)
    checkpoints = 0
    if made.align:
        gated = kind.name == "gated delta" and made.capability[0] in (9, 10)
        checkpoints = int(kind.name == "mamba2" or gated)
    return Spec(
        family="state",
        block=made.block,
        row=row,
        shape=tuple(shapes),
        dtype=shapes[-1][1],
        speculative=made.speculative,
        checkpoints=checkpoints,
    )


def _divide(count: int, made: Making) -> int:
    if count % made.tp:
        raise InputError(
            f"{count} is not divisible by {made.tp}",
            where=f"{made.subject.model}: --tensor-parallel-size",
            expected="a number of GPUs that divides the heads of the states",
        )
    return count // made.tp


def _channels(kind: State, channels: int, made: Making) -> int:
    """Channels of the convolution on all GPUs, where each needs whole groups."""
    if kind.name == "mamba2":
        heads, dim, state = kind.parts[-1].shape
        groups = (channels - heads * dim) // (2 * state)
        if groups % made.tp:
            channels += 2 * (made.tp - groups) * state
    return _divide(channels, made) * made.tp


def _compressed(kind: Compressed, made: Making) -> list[Spec]:
    """DeepSeek-V4: a window, entries, an indexer's entries, and the states that make them.

    Entries are 8-bit but for the rotary part, with one scale for 64 elements and one to fill up.
    """
    rotary = made.subject.text.int("qk_rope_head_dim")
    entry = kind.dim - rotary + 2 * rotary + (kind.dim - rotary) // 64 + 1

    def spec(family: str, block: int, row: int, dtype: str, window: int | None, rate: int) -> Spec:
        return Spec(
            family="sliding mla" if family == "sliding" else "mla",
            block=block,
            row=row,
            shape=(1, row),
            dtype=dtype,
            window=window,
            per_entry=rate,
            alignment=_V4_ALIGNMENT,
        )

    found = [spec("sliding", 64, entry, "fp8_ds_mla", kind.window, 1)]
    if kind.rate <= 1:
        return found
    overlap = 2 if kind.indexer else 1
    # Inputs and gates of the entry that is being made, in float32.
    block, window = (4, 2 * kind.rate) if kind.indexer else (8, kind.rate)
    found.append(spec("full", made.block, entry, "fp8_ds_mla", None, kind.rate))
    found.append(spec("sliding", block, 2 * overlap * kind.dim * 4, "F32", window, 1))
    if kind.indexer:
        size = kind.indexer + 4 * (kind.indexer // 128)
        found.append(spec("full", made.block, size, "U8", None, kind.rate))
        found.append(spec("sliding", block, 2 * overlap * kind.indexer * 4, "F32", window, 1))
    return found
