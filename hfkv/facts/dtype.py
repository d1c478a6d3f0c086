"""The model's dtype: what ``from_pretrained(dtype="auto")`` of transformers loads it in.

The order is that of ``_get_dtype`` in ``modeling_utils.py``: the config's own ``dtype`` (older
files: ``torch_dtype``), else the first floating tensor that the loader meets. The entry of a
nested config decides nothing. Parameters that a class keeps in float32 whatever the model's dtype
(``_keep_in_fp32_modules_strict``) reach a cache only in the kinds of layers that say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hfkv.dtypes import ALIASES, COMPUTE
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts import Facts
from hfkv.facts.config import Config
from hfkv.ggml import has_blocks
from hfkv.reading import describe
from hfkv.tensors import TensorTable

__all__ = ["ModelDtype", "dtype_origin", "model_dtype"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDtype:
    """The dtype that a model is loaded in.

    Attributes:
        name: the safetensors name.
        note: how it is known where config.json does not say it, or "".
    """

    name: str
    note: str = ""


def model_dtype(facts: Facts, config: Config) -> ModelDtype:
    """The dtype that transformers loads the model in.

    Args:
        facts: the model's.
        config: the whole config, not a nested one.

    Raises:
        ConfigError: the config's entry is none that a model can be loaded in.
        UnsupportedError: neither the config nor a header says it.
    """
    stated = _stated(config)
    if stated is not None:
        return ModelDtype(name=stated)
    tensors = facts.tensors
    if tensors is not None and has_blocks(tensors.dtypes):
        return ModelDtype(
            name="F32",
            note="the weights are quantized GGUF, which states no dtype: transformers loads it in "
            "float32; llama.cpp's own cache is float16 unless told otherwise (`dtype='fp16'`)",
        )
    found = None if tensors is None else _stored(tensors, facts.from_gguf)
    if found is None:
        raise UnsupportedError(
            "neither config.json nor a safetensors header says the model's dtype",
            where=facts.model,
            hint="say which with `dtype`, such as bf16",
        )
    if facts.from_gguf:
        return ModelDtype(name=found, note=f"config.json states no dtype; the file is of {found}")
    return ModelDtype(
        name=found, note=f"config.json states no dtype; the first weight is stored as {found}"
    )


def dtype_origin(facts: Facts, config: Config, element: str) -> str:
    """Where an element type stands, for an explanation: the model's own, or what was asked for."""
    try:
        own = model_dtype(facts, config)
    except (ConfigError, UnsupportedError):
        return "as asked for"
    if own.name != element:
        return "as asked for"
    key = next(
        (key for key in ("dtype", "torch_dtype") if config.by_name(key) not in (None, "auto")), ""
    )
    return own.note or f"the model's own, {key} of config.json"


def _stated(config: Config) -> str | None:
    """The entry of the config itself, by its newer name first; null says nothing."""
    for key in ("dtype", "torch_dtype"):
        value = config.by_name(key)
        if isinstance(value, Mapping):
            # One for each part: transformers takes that of the whole for all of them.
            value = value.get("", "float32")
        if value is None or value == "auto":
            continue
        name = value.removeprefix("torch.").lower() if isinstance(value, str) else ""
        if ALIASES.get(name) not in COMPUTE:
            raise ConfigError(
                f"found {describe(value)}",
                where=config.place(key),
                expected="bfloat16, float16 or float32",
            )
        return ALIASES[name]
    return None


def _stored(tensors: TensorTable, from_gguf: bool) -> str | None:
    """The type of the weights: of a GGUF file without blocks its half type, whose norms are
    float32 (``GgufHeader.dtype`` of transformers), else that of the first that is read."""
    if from_gguf:
        return next((dtype for dtype in ("BF16", "F16", "F32") if dtype in tensors.dtypes), None)
    return tensors.first_compute_dtype
