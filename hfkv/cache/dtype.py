"""The element type of a cache: what was asked for, or what the model itself says."""

from __future__ import annotations

from collections.abc import Mapping

from hfkv.dtypes import COMPUTE, canonical, torch_name
from hfkv.facts import Facts
from hfkv.facts.config import Config
from hfkv.facts.dtype import model_dtype

__all__ = ["cache_dtype", "plain_width"]


def cache_dtype(facts: Facts, config: Config, asked: str) -> tuple[str, tuple[str, ...]]:
    """The safetensors name of the cache's dtype, and notes on how it is known.

    ``auto`` is the model's own: a published ``kv_cache_scheme`` is for engines, which read it, and
    transformers' cache holds what the model computes.

    Raises:
        InputError: ``asked`` is not a dtype.
        ConfigError, UnsupportedError: as :func:`hfkv.facts.dtype.model_dtype`.
    """
    if asked != "auto":
        return canonical(asked, where="`dtype`"), ()
    own = model_dtype(facts, config)
    notes: tuple[str, ...] = (own.note,) if own.note else ()
    place = _published(facts, config)
    if place:
        notes += (
            f"{place} asks engines for a quantized cache; transformers' holds "
            f"{torch_name(own.name)}",
        )
    return own.name, notes


def plain_width(element: str) -> str:
    """What must be said of a cache in a type that no cache of transformers holds; "" of the others.

    Its classes that quantize keep scales, and the last tokens as they are; engines pack otherwise.
    """
    if element in COMPUTE:
        return ""
    return (
        f"{torch_name(element)} is counted as the width of an element alone, without scales: no "
        "cache of transformers holds just that (hfkv kv --cache quantized counts its own, and an "
        "engine has types of its own)"
    )


def _published(facts: Facts, config: Config) -> str:
    """Where the checkpoint says which quantized cache it was made for; "" where it does not."""
    places = [
        (part.peek("quantization_config"), f"config.json: {part.path}quantization_config")
        for part in dict.fromkeys((config, config.text()))
    ]
    nvidia = facts.extra.get("hf_quant_config.json", {}).get("quantization")
    for found, place in (*places, (nvidia, "hf_quant_config.json: quantization")):
        for key in ("kv_cache_scheme", "kv_cache_quant_algo"):
            if isinstance(found, Mapping) and found.get(key) is not None:
                return f"{place}.{key}"
    return ""
