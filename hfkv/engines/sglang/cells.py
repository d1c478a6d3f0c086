"""What one token, or one state, takes in SGLang's pools.

SGLang 0.5.23, ``model_executor/pool_configurator.py`` and ``configs/mamba_utils.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hfkv.cache.kinds import (
    Compressed,
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
from hfkv.data import read_json
from hfkv.dtypes import BITS
from hfkv.engines.arithmetic import heads_per_gpu
from hfkv.engines.subject import Subject
from hfkv.errors import InputError, UnsupportedError
from hfkv.reading import printable

if TYPE_CHECKING:
    from hfkv.engines.sglang import Sglang

__all__ = ["Cells", "cells", "data"]

_TYPES = {
    "bfloat16": "BF16",
    "bf16": "BF16",
    "fp8_e4m3": "F8_E4M3",
    "fp8": "F8_E4M3",
    "fp8_e5m2": "F8_E5M2",
}
_STATES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}


@lru_cache(maxsize=1)
def data() -> Mapping[str, Any]:
    """The table of SGLang's own lists and defaults."""
    found: Mapping[str, Any] = read_json("engines", "sglang.json")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """What the pools of a model are made of, on one GPU.

    Attributes:
        dtype: element type of keys and values.
        page: tokens of a page.
        full: bytes of a token in all layers that keep all tokens.
        full_parts: the same by buffer: name to bytes.
        full_layers: how many they are.
        window: bytes of a token in all layers with a pool of their own for their window.
        window_layers: how many they are.
        reach: tokens of the window, as the model's class tells SGLang.
        state: bytes of one state of all layers that have one.
        state_layers: how many they are.
        buffered: whether states are kept in further slots for prefixes.
        draft: bytes that a token takes more in the drafting layers.
        compressed: DeepSeek-V4, whose pools are another matter.
    """

    dtype: str
    page: int
    full: int
    full_parts: Mapping[str, int]
    full_layers: int
    window: int
    window_layers: int
    reach: int
    state: int
    state_layers: int
    buffered: bool
    draft: int
    compressed: bool


def cells(engine: Sglang, subject: Subject) -> Cells:
    """Read the model's layers as SGLang does.

    Raises:
        UnsupportedError: it has no such architecture, or the pools of it are not counted here.
        InputError: an option is not one that it takes, or the GPUs do not share the heads.
    """
    named = subject.architectures
    if not named or not any(name in data()["architectures"] for name in named):
        found = printable(named[0]) if named else "a config without architectures"
        raise UnsupportedError(
            f"SGLang {engine.version} has no class of its own for {found}", where=subject.model
        )
    _check_heads(engine, subject)
    kinds = [_own(kind, subject.plan.kinds) for kind in subject.plan.kinds]
    flat = [part for kind in kinds for part in _flat(kind)]
    sparse = any(isinstance(part, Indexer) and not part.lightning for part in flat)
    dtype = _kv_dtype(engine, subject, compressed=any(isinstance(p, Compressed) for p in flat))
    windowed = bool(set(named) & set(data()["window_pools"]))
    parts: dict[str, int] = {}
    full_layers = window = window_layers = reach = state = state_layers = draft = 0
    for kind in kinds:
        for part in _flat(kind):
            if isinstance(part, (Nothing, Compressed)):
                continue
            if isinstance(part, State):
                state += _state_bytes(part, engine, subject)
                state_layers += 1
                continue
            if isinstance(part, Sliding) and windowed:
                window += sum(_token(part, engine, dtype, sparse=sparse).values())
                window_layers += 1
                reach = part.window
                continue
            token = _token(part, engine, dtype, sparse=sparse)
            for name, size in token.items():
                parts[name] = parts.get(name, 0) + size
            full_layers += not isinstance(part, Indexer)
    if reach and set(named) & set(data()["window_minus_one"]):
        reach -= 1
    full = sum(parts.values())
    if engine.speculative_eagle:
        draft = _drafted(engine, subject, parts, full_layers, kinds)
    return Cells(
        dtype=dtype,
        page=_page(engine, named, sparse=sparse),
        full=full,
        full_parts=parts,
        full_layers=full_layers,
        window=window,
        window_layers=window_layers,
        reach=reach,
        state=state,
        state_layers=state_layers,
        buffered=bool(set(named) & set(data()["extra_buffer"])),
        draft=draft,
        compressed=any(isinstance(part, Compressed) for part in flat),
    )


def _flat(kind: Kind) -> tuple[Kind, ...]:
    if isinstance(kind, Together):
        return tuple(part for inner in kind.parts for part in _flat(inner))
    return (kind,)


def _own(kind: Kind, kinds: Sequence[Kind]) -> Kind:
    """SGLang keeps a cache also for layers that share another's."""
    if isinstance(kind, Shared) and kind.layer is not None:
        return kinds[kind.layer]
    return kind


def _check_heads(engine: Sglang, subject: Subject) -> None:
    where = f"{subject.model}: --tensor-parallel-size"
    if engine.tp < 1:
        raise InputError(f"found {engine.tp}", where=where, expected="at least 1")
    heads = subject.text.peek("num_attention_heads")
    if isinstance(heads, int) and heads % engine.tp:
        raise InputError(
            f"{heads} attention heads on {engine.tp} GPUs", where=where, expected="a divisor"
        )


def _kv_dtype(engine: Sglang, subject: Subject, *, compressed: bool) -> str:
    if engine.kv_dtype == "auto":
        if compressed:
            return "F8_E4M3"
        if _published(subject):
            return "F8_E4M3"
        return _model_dtype(subject)
    if engine.kv_dtype not in _TYPES:
        raise InputError(
            f"found {engine.kv_dtype!r}",
            where="--kv-cache-dtype",
            expected="auto, bfloat16, fp8_e4m3 or fp8_e5m2",
            hint="how SGLang packs its other types is not counted here",
        )
    return _TYPES[engine.kv_dtype]


def _published(subject: Subject) -> bool:
    """Whether the checkpoint's quantization asks for an fp8 cache, where SGLang reads it."""
    for part in dict.fromkeys((subject.config, subject.text)):
        found = part.peek("quantization_config")
        if not isinstance(found, Mapping):
            continue
        inner = found.get("quantization")
        both = (found, inner) if isinstance(inner, Mapping) else (found,)
        method = found.get("quant_method")
        if isinstance(method, str) and method.startswith("modelopt"):
            return any(
                isinstance(one.get("kv_cache_quant_algo"), str)
                and one["kv_cache_quant_algo"].upper() == "FP8"
                for one in both
            )
    return False


def _model_dtype(subject: Subject) -> str:
    for part in (subject.config, subject.text):
        for key in ("dtype", "torch_dtype"):
            said = part.peek(key)
            name = said.removeprefix("torch.") if isinstance(said, str) else ""
            if name in _STATES:
                return "BF16" if name == "float32" else _STATES[name]
    try:
        own = subject.dtype
    except UnsupportedError:
        return "BF16"
    return "BF16" if own in ("F32", "F64") else own


def _page(engine: Sglang, named: tuple[str, ...], *, sparse: bool) -> int:
    """Tokens of a page: what was asked for, or what the attention kernels want."""
    wanted = 64 if sparse else 1
    for name, size in data()["page_sizes"].items():
        if name in named:
            wanted = size
    if engine.page_size is None:
        return wanted
    if engine.page_size < 1 or (wanted > 1 and engine.page_size != wanted):
        raise InputError(
            f"pages of {engine.page_size} tokens",
            where="--page-size",
            expected=str(wanted) if wanted > 1 else "at least 1",
        )
    return engine.page_size


def _width(dtype: str) -> int:
    return BITS[dtype] // 8


def _token(part: Kind, engine: Sglang, dtype: str, *, sparse: bool) -> dict[str, int]:
    """Bytes of one token in one layer, by the name of its buffer."""
    if isinstance(part, (Full, Sliding)):
        heads = heads_per_gpu(part.heads, engine.tp) * _width(dtype)
        return {"k_buffer": heads * part.k_dim, "v_buffer": heads * part.v_dim}
    if isinstance(part, Latent) and part.window is None:
        rotary = part.rotary or 0
        if sparse and dtype == "F8_E4M3":
            # 512 of fp8, a scale of float32 for 128 of them, the rotary key in bfloat16.
            return {"kv_buffer": part.rank + 4 * (part.rank // 128) + 2 * rotary}
        return {"kv_buffer": (part.rank + rotary) * _width(dtype)}
    if isinstance(part, Indexer) and part.lightning:
        return {"index_k_pool": part.dim * _width(dtype)}
    if isinstance(part, Indexer) and not (part.gated or part.positions):
        return {"index_key_cache": part.dim + part.dim // 128 * 4}
    raise UnsupportedError(f"SGLang's pool for layers of kind {part.name!r} is not counted")


def _state_bytes(part: State, engine: Sglang, subject: Subject) -> int:
    if part.name not in ("mamba", "mamba2", "gated delta", "delta attention", "convolution"):
        raise UnsupportedError(
            f"SGLang's states for layers of kind {part.name!r} are not counted",
            where=subject.model,
        )
    said = engine.mamba_ssm_dtype
    if said is None:
        own = subject.text.peek("mamba_ssm_dtype")
        said = own if isinstance(own, str) and own in _STATES else "float32"
    if said not in _STATES:
        raise InputError(
            f"found {said!r}", where="--mamba-ssm-dtype", expected="float32, bfloat16 or float16"
        )
    total = 0
    for piece in part.parts:
        if piece.role == "convolution":
            channels = piece.shape[0]
            if part.name == "mamba2":
                heads, dim, size = part.parts[-1].shape
                groups = (channels - heads * dim) // (2 * size)
                if groups % engine.tp:
                    channels += 2 * (engine.tp - groups) * size
            total += _divided(channels, engine, subject) * (piece.shape[1] - 1) * 2
        else:
            shape = (_divided(piece.shape[0], engine, subject), *piece.shape[1:])
            total += math.prod(shape) * _width(_STATES[said])
    return total


def _divided(count: int, engine: Sglang, subject: Subject) -> int:
    if count % engine.tp:
        raise InputError(
            f"{count} is not divisible by {engine.tp}",
            where=f"{subject.model}: --tensor-parallel-size",
            expected="a number of GPUs that divides the heads of the states",
        )
    return count // engine.tp


def _drafted(
    engine: Sglang, subject: Subject, parts: Mapping[str, int], layers: int, kinds: Sequence[Kind]
) -> int:
    """Bytes of a token in the drafting layers, taken to be like the model's."""
    said = subject.text.peek("num_nextn_predict_layers")
    count = said if isinstance(said, int) and not isinstance(said, bool) else 0
    if not count or any(isinstance(part, State) for kind in kinds for part in _flat(kind)):
        return 0
    index = parts.get("index_key_cache", 0)
    indexers = sum(isinstance(part, Indexer) for kind in kinds for part in _flat(kind))
    rest = (sum(parts.values()) - index) * count // layers
    return rest + (index // indexers * count if indexers else 0)
