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
            ``8bit``. Of a checkpoint that is packed, ``auto`` is as it is packed, by bitsandbytes;
            a dtype is the model unpacked on loading.
        prepare: whether PEFT's ``prepare_model_for_kbit_training`` is called on 8 and 4 bits.

    Raises:
        InputError: ``asked`` is none of them.
        UnsupportedError: the checkpoint is packed in another way, or packed already.
    """
    element = _element(base, asked)
    stored = _stored(base, asked)
    built = base.built
    known = (
        _otherwise().get(table_of(base.config).architecture, {}) if has_table(base.config) else {}
    )
    wide = _wide(known, element)
    shapes, elements = built.shapes(), built.elements()
    packed: Mapping[str, int] = stored or {}
    if not packed.keys() <= elements.keys():
        raise UnsupportedError(
            "the packed weights have other names in the checkpoint than in the class, and what "
            "they take is not counted",
            where=base.facts.model,
        )
    if asked in KBIT:
        packed = {
            name: _four(elements[name]) if asked == "4bit" else elements[name] + 4 * shapes[name][0]
            for name in _packed(built, known)
            if name in elements
        }
    held = []
    for name, count in elements.items():
        shape = shapes[name]
        if name in packed:
            held.append(Held(name=name, shape=shape, element="", bytes=packed[name]))
            continue
        own = "F32" if wide(name) or (packed and prepare) else element
        held.append(Held(name=name, shape=shape, element=own, bytes=count * BITS[own] // 8))
    notes = ["buffers that are no parameters (rotary frequencies...) are not counted"]
    if packed:
        notes += _said(built, packed, prepare)
    elif _is_packed(base):
        notes.append("the checkpoint is packed: counted as unpacked on loading (dequantize=True)")
    return Loaded(
        held=tuple(held),
        element=element,
        dtype=(asked if asked in KBIT else _bits(packed, elements)) if packed else element,
        basis="documented" if packed or _is_packed(base) else built.basis,
        notes=tuple(notes),
    )


def _is_packed(base: Base) -> bool:
    return quantization_of(base.facts) is not None or base.facts.from_gguf


def _bits(packed: Mapping[str, int], elements: Mapping[str, int]) -> str:
    """Whether weights that are packed are in 4 bits or in 8."""
    held = sum(packed.values())
    return "4bit" if held < sum(elements[name] for name in packed) else "8bit"


def _stored(base: Base, asked: str) -> dict[str, int] | None:
    """Weights that the checkpoint has packed by bitsandbytes, to the bytes of each with its
    scales, where it is held as it is; None where it is plain, or unpacked.

    Raises:
        UnsupportedError: it is packed in another way.
    """
    if not _is_packed(base) or asked not in ("auto", *KBIT):
        return None
    quantization = quantization_of(base.facts) or {}
    tensors = base.facts.tensors
    if asked != "auto":
        raise UnsupportedError(
            f"the checkpoint is packed already, and is not packed again into {asked}",
            where=base.facts.model,
            hint="ask about the model that it was made from",
        )
    if quantization.get("quant_method") != "bitsandbytes" or tensors is None:
        raise UnsupportedError(
            "what a checkpoint that is packed in this way takes while it is trained depends on the "
            "library that runs it, and is not counted",
            where=base.facts.model,
            hint="`base_dtype=bf16` counts it unpacked on loading",
        )
    found: dict[str, int] = {}
    for tensor in tensors:
        name, _, rest = tensor.name.partition(".weight.")
        if tensor.name.endswith(".SCB"):
            name = tensor.name.removesuffix(".SCB")
        elif rest.startswith("quant_state") or not rest:
            continue
        full = f"{name}.weight"
        weight = tensors.get(full)
        if weight is None:
            continue
        # The offset of nested scales lies in the state that is not on the GPU as a tensor.
        more = tensor.bytes + (4 if rest == "nested_absmax" else 0)
        found[full] = found.get(full, weight.bytes) + more
    return found


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


def _said(built: Built, packed: Mapping[str, int], prepare: bool) -> list[str]:
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
