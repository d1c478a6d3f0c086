"""The element type of a cache: what was asked for, or what the model itself says."""

from __future__ import annotations

from collections.abc import Mapping

from hfkv.dtypes import COMPUTE, canonical, torch_name
from hfkv.errors import UnsupportedError
from hfkv.facts import Facts
from hfkv.facts.config import Config
from hfkv.facts.dtype import model_dtype
from hfkv.reading import describe

__all__ = ["cache_dtype", "plain_width"]


def cache_dtype(facts: Facts, config: Config, asked: str) -> tuple[str, tuple[str, ...]]:
    """The safetensors name of the cache's dtype, and notes on how it is known.

    ``auto`` is the dtype of a published ``kv_cache_scheme``, else the model's own.

    Raises:
        InputError: ``asked`` is not a dtype.
        ConfigError, UnsupportedError: as :func:`hfkv.facts.dtype.model_dtype`, or a published
            scheme is not known.
    """
    if asked != "auto":
        return canonical(asked, where="`dtype`"), ()
    scheme = _published_scheme(facts, config)
    if scheme is not None:
        return scheme[0], (f"the cache is {scheme[0]} by the published {scheme[1]}",)
    own = model_dtype(facts, config)
    return own.name, (own.note,) if own.note else ()


def plain_width(element: str) -> str:
    """What must be said of a cache in a type that no cache of transformers holds; "" of the others.

    Its classes that quantize keep scales, and the last tokens as they are; engines pack otherwise.
    """
    if element in COMPUTE:
        return ""
    return (
        f"{torch_name(element)} is counted as the width of an element alone, without scales: no "
        "cache of transformers holds just that (`cache='quantized'` counts its own, and an "
        "`engine` its own type)"
    )


def _published_scheme(facts: Facts, config: Config) -> tuple[str, str] | None:
    """The quantized cache that the checkpoint was made for, and where that is said."""
    places = [
        (part.peek("quantization_config"), f"config.json: {part.path}quantization_config")
        for part in dict.fromkeys((config, config.text()))
    ]
    nvidia = facts.extra.get("hf_quant_config.json", {}).get("quantization")
    for found, place in (*places, (nvidia, "hf_quant_config.json: quantization")):
        if not isinstance(found, Mapping):
            continue
        scheme, algorithm = found.get("kv_cache_scheme"), found.get("kv_cache_quant_algo")
        if scheme is not None:
            place = f"{place}.kv_cache_scheme"
            return _scheme_dtype(scheme, f"{facts.model}: {place}"), place
        if algorithm is not None:
            place = f"{place}.kv_cache_quant_algo"
            return _algorithm_dtype(algorithm, f"{facts.model}: {place}"), place
    return None


def _scheme_dtype(scheme: object, where: str) -> str:
    """The dtype of a ``kv_cache_scheme`` as compressed-tensors writes it."""
    kinds = {("float", 8): "F8_E4M3", ("int", 8): "I8", ("int", 4): "I4"}
    kind, bits = (
        (scheme.get("type"), scheme.get("num_bits")) if isinstance(scheme, Mapping) else (None, 0)
    )
    found = kinds.get((kind, bits)) if isinstance(kind, str) and isinstance(bits, int) else None
    if found is None:
        raise UnsupportedError(
            f"a cache of type {describe(kind)} and {describe(bits)} bits"
            if isinstance(scheme, Mapping)
            else f"found {describe(scheme)}",
            where=where,
            expected="float 8, int 8 or int 4",
            hint="give the element type with `dtype`",
        )
    return found


def _algorithm_dtype(algorithm: object, where: str) -> str:
    """The dtype of NVIDIA's ``kv_cache_quant_algo``."""
    found = {"FP8": "F8_E4M3", "INT8": "I8"}.get(algorithm) if isinstance(algorithm, str) else None
    if found is None:
        raise UnsupportedError(
            f"found {describe(algorithm)}",
            where=where,
            expected="FP8, INT8 or null",
            hint="give the element type with `dtype`",
        )
    return found
