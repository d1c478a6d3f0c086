"""The base model as it is loaded for training: what each of its parameters takes.

``from_pretrained`` loads in one dtype, but for what its class makes in float32 or keeps there
(``_keep_in_fp32_modules_strict``; ``_keep_in_fp32_modules`` in float16 alone). bitsandbytes puts
the weights of linear layers into 8 or 4 bits, and ``prepare_model_for_kbit_training`` then casts
what is left in half precision to float32.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from hfkv.data import read_json
from hfkv.dtypes import ALIASES, BITS, COMPUTE
from hfkv.errors import InputError, UnsupportedError
from hfkv.facts.dtype import model_dtype
from hfkv.modules.built import LINEAR, Built
from hfkv.modules.packed import quantization_of
from hfkv.modules.table import has_table, table_of
from hfkv.peft.base import Base

__all__ = ["KBIT", "Held", "loaded"]

#: Ways of holding linear layers that are no dtype.
KBIT = ("4bit", "8bit")
#: Weights that share one float32 scale, and scales that share one in turn (double quantization).
_BLOCK, _NESTED = 64, 256
#: Float32 tables beside each weight: 16 values of NF4 and, nested, 256 of the scales and an offset.
_TABLE, _NESTED_TABLES = 4 * 16, 4 * 256 + 4
_NUMBER = re.compile(r"(?<=\.)[0-9]+(?=\.|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A parameter of the base model in memory.

    Attributes:
        name: its full name.
        shape: its own; of a weight in 8 or 4 bits, the layer's.
        element: safetensors name of its type; "" for a weight in 8 or 4 bits.
        bytes: all it takes, with its scales.
    """

    name: str
    shape: tuple[int, ...]
    element: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The base model in memory.

    Attributes:
        held: its parameters, tied ones once.
        element: the dtype it is loaded in.
        dtype: the same for reading, or ``4bit`` or ``8bit`` with it.
        basis: how its bytes are known.
        notes: what a reader must be told.
    """

    held: tuple[Held, ...]
    element: str
    dtype: str
    basis: str
    notes: tuple[str, ...]


@lru_cache(maxsize=1)
def _otherwise() -> Mapping[str, Mapping[str, list[str]]]:
    found: Mapping[str, Mapping[str, list[str]]] = read_json("loaded_otherwise.json")
    return found


def loaded(base: Base, asked: str = "auto", *, prepare: bool = True) -> Loaded:
    """The base model as it is held while an adapter of it is trained.

    Args:
        base: the model.
        asked: a dtype, ``auto`` for the model's own, ``4bit`` (NF4, double quantization) or
            ``8bit``.
        prepare: whether PEFT's ``prepare_model_for_kbit_training`` is called on 8 and 4 bits.

    Raises:
        InputError: ``asked`` is none of them.
        UnsupportedError: the checkpoint is packed in another way, or its class is not known.
    """
    element = _element(base, asked)
    if quantization_of(base.facts) is not None or base.facts.from_gguf:
        raise UnsupportedError(
            "what a packed checkpoint takes while it is trained depends on the library that runs "
            "it, and is not counted",
            where=base.facts.model,
            hint="ask about the unquantized model, with `base_dtype=4bit` or 8bit",
        )
    built = base.built
    known = (
        _otherwise().get(table_of(base.config).architecture, {}) if has_table(base.config) else {}
    )
    wide = _wide(known, element)
    bits = KBIT.index(asked) if asked in KBIT else None
    packed = _packed(built, known) if bits is not None else frozenset()
    shapes, held = built.shapes(), []
    for name, count in built.elements().items():
        shape = shapes[name]
        if name in packed:
            size = _four(count) if bits == 0 else count + 4 * shape[0]
            held.append(Held(name=name, shape=shape, element="", bytes=size))
            continue
        own = "F32" if wide(name) or (bits is not None and prepare) else element
        held.append(Held(name=name, shape=shape, element=own, bytes=count * BITS[own] // 8))
    notes = ["buffers that are no parameters (rotary frequencies...) are not counted"]
    if bits is not None:
        notes += _said(built, packed, prepare)
    return Loaded(
        held=tuple(held),
        element=element,
        dtype=asked if bits is not None else element,
        basis="documented" if bits is not None else built.basis,
        notes=tuple(notes),
    )


def _element(base: Base, asked: str) -> str:
    if asked == "auto" or asked in KBIT:
        return model_dtype(base.facts, base.config).name
    element = ALIASES.get(asked.lower().removeprefix("torch."), "")
    if element not in COMPUTE:
        raise InputError(
            f"a model is not trained in {asked[:40]!r}",
            where="`base_dtype`",
            expected="auto, bf16, fp16, fp32, 8bit or 4bit",
        )
    return element


def _wide(known: Mapping[str, list[str]], element: str) -> _Names:
    """Which parameters are held in float32 whatever is asked."""
    patterns = list(known.get("strict", ())) if element in ("BF16", "F16") else []
    if element == "F16":
        patterns += known.get("half", ())
    chosen = re.compile("|".join(patterns).replace("*", ".*")) if patterns else None
    return _Names(chosen=chosen, made=frozenset(known.get("made", ())))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    chosen: re.Pattern[str] | None
    made: frozenset[str]

    def __call__(self, name: str) -> bool:
        found = self.chosen is not None and self.chosen.search(name) is not None
        return found or _NUMBER.sub("{}", name) in self.made


def _packed(built: Built, known: Mapping[str, list[str]]) -> frozenset[str]:
    """Weights that bitsandbytes puts into 8 or 4 bits: those of plain linear layers, but for the
    output embedding, what is tied, and the module of the last parameter."""
    names = list(built.shapes())
    skip = {*built.tied, *built.tied.values(), names[-1]}
    keys = [name.removesuffix(".weight") for name in skip]
    keys += [built.output] if built.output is not None else []
    keys += known.get("half", ())
    unlike = frozenset(known.get("unlike", ()))
    return frozenset(
        f"{module.name}.weight"
        for module in built.modules
        if module.kind in LINEAR
        and _NUMBER.sub("{}", module.name) not in unlike
        and not any(_covers(key, module.name) for key in keys)
    )


def _covers(key: str, name: str) -> bool:
    """``should_convert_module`` of transformers: an expression from the start to a dot, or the
    end."""
    return name.endswith(key) or bool(re.match(rf"(?:{key})(?:(?<=\.)|(?=\.|$))", name))


def _four(count: int) -> int:
    """Bytes of a weight in NF4 with double quantization."""
    blocks = -(-count // _BLOCK)
    scales = blocks + 4 * -(-blocks // _NESTED)
    return -(-count // 2) + scales + _TABLE + _NESTED_TABLES


def _said(built: Built, packed: frozenset[str], prepare: bool) -> list[str]:
    found = [
        f"bitsandbytes packs the weights of {len(packed):,} linear layers"
        + (
            "; prepare_model_for_kbit_training casts all else that is half precision to float32"
            if prepare
            else ""
        )
    ]
    loose = sum(
        math.prod(shape)
        for module in built.modules
        for shape in module.parameters.values()
        if len(shape) == 3
    )
    if loose:
        found.append(
            f"{loose:,} parameters of fused experts are no linear layers: bitsandbytes leaves them "
            "as they are"
        )
    return found
