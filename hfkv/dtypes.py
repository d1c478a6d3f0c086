"""Element types: safetensors names, the names people type, and their widths in bits.

Widths are in bits because some types are narrower than a byte (``F4``, ``I4``); bytes of a whole
tensor are rounded up once, for the tensor, as storage is.
"""

from __future__ import annotations

from hfkv.errors import InputError, InputTypeError
from hfkv.reading import describe

__all__ = ["ALIASES", "BITS", "COMPUTE", "canonical", "nbytes", "torch_name"]

_BY_WIDTH = {
    4: "F4 I4 U4",
    6: "F6_E2M3 F6_E3M2",
    8: "BOOL U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ",
    16: "I16 U16 F16 BF16",
    32: "I32 U32 F32",
    64: "I64 U64 F64 C64",
}
#: Bits per element, by the name that safetensors headers use.
BITS: dict[str, int] = {name: width for width, names in _BY_WIDTH.items() for name in names.split()}

#: Types a model can be loaded and compute in; what else a checkpoint stores is packed or an index.
COMPUTE = ("BF16", "F16", "F32", "F64")

_WRITTEN = {
    "BF16": "bf16 bfloat16",
    "F16": "fp16 f16 float16 half",
    "F32": "fp32 f32 float32 float",
    "F64": "fp64 f64 float64 double",
    "F8_E4M3": "fp8 fp8_e4m3 float8 float8_e4m3fn f8_e4m3",
    "F8_E5M2": "fp8_e5m2 float8_e5m2 f8_e5m2",
    "I8": "int8 i8",
    "U8": "uint8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "BOOL": "bool",
    "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "I4": "int4 i4",
    "F4": "fp4",
}
#: What people and configs write, in lower case and without "torch.", to the safetensors name.
ALIASES: dict[str, str] = {
    alias: name for name, aliases in _WRITTEN.items() for alias in aliases.split()
}

_TORCH = {
    "BF16": "bfloat16",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I8": "int8",
    "U8": "uint8",
    "I4": "int4",
    "F4": "float4",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "BOOL": "bool",
}


def canonical(name: object, *, where: str = "`dtype`") -> str:
    """The safetensors name of a dtype however it is written; a ``torch.dtype`` is one too.

    Raises:
        InputError: the name is not one of :data:`ALIASES` or :data:`BITS`.
        InputTypeError: it is no name.

    >>> canonical("bf16"), canonical("torch.float32"), canonical("fp8")
    ('BF16', 'F32', 'F8_E4M3')
    """
    said = name if isinstance(name, str) else str(name)
    if said is not name and not said.startswith("torch."):
        raise InputTypeError(f"found {describe(name)}", where=where, expected="a dtype's name")
    plain = said.strip().removeprefix("torch.")
    if plain.upper() in BITS:
        return plain.upper()
    try:
        return ALIASES[plain.lower()]
    except KeyError:
        raise InputError(
            f"unknown dtype {describe(said)}",
            where=where,
            expected="one of auto, bf16, fp16, fp32, fp8, int8, int4",
        ) from None


def torch_name(dtype: str) -> str:
    """The name torch gives the dtype; for display and JSON.

    >>> torch_name("BF16")
    'bfloat16'
    """
    return _TORCH.get(dtype, dtype.lower())


def nbytes(elements: int, dtype: str) -> int:
    """Bytes that ``elements`` of ``dtype`` take, rounded up to a whole byte.

    >>> nbytes(3, "BF16"), nbytes(3, "I4")
    (6, 2)
    """
    return -(-elements * BITS[dtype] // 8)
