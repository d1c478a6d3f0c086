"""Packed checkpoints: the layers' own sizes from what a quantization method stores of them.

LoRA's dimensions are those of the layer, not of its packed weight. Each method below says how many
logical elements one stored element holds, and along which axis:

- GPTQ: ``qweight`` is int32, (in * bits / 32, out).
- AWQ: ``qweight`` is int32, (in, out * bits / 32); its gemv kind (out, in * bits / 32).
- compressed-tensors: ``weight_packed`` is int32, (out, in * bits / 32); its nvfp4 kind is uint8,
  (out, in / 2).
- NVFP4 (ModelOpt): ``weight`` is uint8, (out, in / 2).
- MLX: ``weight`` is uint32, (out, in * bits / 32), beside ``scales`` and ``biases``.
- MXFP4: ``*_blocks`` is uint8, (experts, out, in / 32, 16), of parameters held (experts, in, out).
- BitNet: ``weight`` is uint8, (out / 4, in).
- FP8 and 8-bit bitsandbytes keep the shape.
- 4-bit bitsandbytes stores a flat column and loses it; the config has to tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts import Facts
from hfkv.reading import describe, printable
from hfkv.tensors import Tensor, TensorTable

__all__ = ["quantization_of", "unpack"]

#: Files beside config.json that some tools write the method into.
_SIDE_FILES = ("quantize_config.json", "hf_quant_config.json")
#: What lies beside packed weights, by its ending.
_BESIDE = (
    ".qzeros",
    ".g_idx",
    ".scales",
    ".weight_scale",
    ".weight_scale_2",
    ".weight_scale_inv",
    ".weight_global_scale",
    ".input_global_scale",
    ".weight_zero_point",
    ".weight_g_idx",
    ".weight_shape",
    ".input_scale",
    ".output_scale",
    ".k_scale",
    ".v_scale",
    ".SCB",
    ".weight_format",
    "_scale_inv",
    "_blocks_scale",
)

_Rule = Callable[[Tensor], "Tensor | None"]


def quantization_of(facts: Facts) -> Mapping[str, Any] | None:
    """The quantization's own config, wherever it is; None where the weights are plain."""
    config = facts.config or {}
    text = config.get("text_config")
    places: list[Any] = [config.get("quantization_config")]
    if isinstance(text, Mapping):
        places.append(text.get("quantization_config"))
    places.append(config.get("quantization"))
    for name in _SIDE_FILES:
        side = facts.extra.get(name)
        if isinstance(side, Mapping):
            inner = side.get("quantization")
            places.append(inner if isinstance(inner, Mapping) else side)
    for place in places:
        if place is None:
            continue
        if not isinstance(place, Mapping):
            raise ConfigError(
                f"found {describe(place)}",
                where=f"{facts.model}: quantization_config",
                expected="an object",
            )
        return place
    return None


def unpack(facts: Facts, tensors: TensorTable) -> tuple[TensorTable, str]:
    """The table with every layer at its own size, and what to tell the reader.

    Raises:
        ConfigError: the method's config does not say what is needed.
        UnsupportedError: the method is not known, or its packing loses the shape.
    """
    quantization = quantization_of(facts)
    if quantization is None:
        return tensors, ""
    where = f"{facts.model}: quantization_config"
    method = _method(quantization, facts)
    rule = _rule(method, quantization, tensors, where)
    if rule is None:
        return TensorTable(item for item in tensors if not item.name.endswith(_BESIDE)), ""
    return (
        TensorTable(_apply(tensors, rule)),
        (
            f"the weights are packed ({method}); the layers' sizes are unpacked from the header "
            "by its rule, and parameters in all are counted unpacked; PEFT may leave out layers "
            "whose quantized class is no torch.nn.Linear (BitNet's, NVFP4's)"
        ),
    )


def _method(quantization: Mapping[str, Any], facts: Facts) -> str:
    for key in ("quant_method", "quant_algo"):
        value = quantization.get(key)
        if isinstance(value, str):
            return value.lower()
    if quantization is (facts.config or {}).get("quantization"):
        return "mlx"
    # GPTQ's own side file names no method.
    if "bits" in quantization and "group_size" in quantization:
        packed = facts.tensors is not None and any(
            pattern.endswith(".qweight") for pattern, *_ in facts.tensors.patterns()
        )
        return "gptq" if packed else "mlx"
    return "unknown"


def _rule(
    method: str, quantization: Mapping[str, Any], tensors: TensorTable, where: str
) -> _Rule | None:
    """How a tensor of this method is unpacked; None where weights keep their shape."""
    if method == "gptq":
        per = 32 // _bits(quantization, where)
        return lambda item: _qweight(item, lambda a, b: (b, a * per))
    if method == "awq":
        per = 32 // _bits(quantization, where)
        if str(quantization.get("version", "gemm")).lower() == "gemv":
            return lambda item: _qweight(item, lambda a, b: (a, b * per))
        return lambda item: _qweight(item, lambda a, b: (b * per, a))
    if method == "compressed-tensors":
        return _compressed(quantization, where)
    if method in ("fp8", "fbgemm_fp8", "finegrained_fp8"):
        return None
    if method == "bitsandbytes":
        if quantization.get("load_in_8bit") is True or quantization.get("_load_in_8bit") is True:
            return None
        raise UnsupportedError(
            "4-bit bitsandbytes stores flat columns, and the layers' sizes are not in the header",
            where=where,
            hint="ask of the model that it was quantized from",
        )
    if method == "mxfp4":
        return _mxfp4
    if method in ("modelopt", "nvfp4", "modelopt_fp4"):
        algorithm = str(quantization.get("quant_algo", "NVFP4")).upper()
        if algorithm == "FP8":
            return None
        if algorithm == "NVFP4":
            return lambda item: _doubled(item, ("U8",), 2)
    if method == "nvfp4":
        return lambda item: _doubled(item, ("U8",), 2)
    if method == "mlx":
        per = 32 // _bits(quantization, where)
        return lambda item: _mlx(item, per, tensors)
    if method == "bitnet":
        return _bitnet
    raise UnsupportedError(
        f"the weights are packed by '{printable(method, 40)}', whose rule is not known here",
        where=where,
        hint="ask of the model that it was quantized from",
    )


def _bits(quantization: Mapping[str, Any], where: str, key: str = "bits") -> int:
    value = quantization.get(key, quantization.get("w_bit"))
    if isinstance(value, bool) or not isinstance(value, int) or value not in (2, 4, 8):
        raise ConfigError(
            f"found {describe(value)}", where=f"{where}: {key}", expected="2, 4 or 8 bits"
        )
    return value


def _compressed(quantization: Mapping[str, Any], where: str) -> _Rule | None:
    form = quantization.get("format")
    if form in ("int-quantized", "float-quantized", "naive-quantized", "dense"):
        return None
    if form == "nvfp4-pack-quantized":
        return lambda item: _named(item, ".weight_packed", lambda a, b: (a, b * 2))
    groups = quantization.get("config_groups")
    found = set()
    for group in groups.values() if isinstance(groups, Mapping) else ():
        weights = group.get("weights") if isinstance(group, Mapping) else None
        if isinstance(weights, Mapping):
            found.add(_bits(weights, f"{where}: config_groups", "num_bits"))
    if form != "pack-quantized" or len(found) != 1:
        raise UnsupportedError(
            f"compressed-tensors of format {describe(form)} with {len(found)} widths",
            where=where,
            expected="pack-quantized with one width",
        )
    per = 32 // found.pop()
    return lambda item: _named(item, ".weight_packed", lambda a, b: (a, b * per))


def _apply(tensors: TensorTable, rule: _Rule) -> Iterator[Tensor]:
    for item in tensors:
        made = rule(item)
        if made is not None and not made.name.endswith(_BESIDE):
            yield made


_Shape = Callable[[int, int], "tuple[int, int]"]


def _named(item: Tensor, ending: str, shape: _Shape) -> Tensor | None:
    if not item.name.endswith(ending) or len(item.shape) != 2:
        return item
    return Tensor(
        name=item.name.removesuffix(ending) + ".weight", dtype="BF16", shape=shape(*item.shape)
    )


def _qweight(item: Tensor, shape: _Shape) -> Tensor | None:
    return _named(item, ".qweight", shape)


def _doubled(item: Tensor, dtypes: tuple[str, ...], per: int) -> Tensor | None:
    if item.dtype not in dtypes or len(item.shape) < 2:
        return item
    return Tensor(name=item.name, dtype="BF16", shape=(*item.shape[:-1], item.shape[-1] * per))


def _mlx(item: Tensor, per: int, tensors: TensorTable) -> Tensor | None:
    base = item.name.removesuffix(".biases").removesuffix(".scales")
    if base != item.name and f"{base}.weight" in tensors:
        return None
    if item.dtype != "U32" or not item.name.endswith(".weight"):
        return item
    scales = tensors.get(item.name.removesuffix(".weight") + ".scales")
    if scales is None:
        return item
    return _doubled(item, ("U32",), per)


def _mxfp4(item: Tensor) -> Tensor | None:
    if item.name.endswith("_scales"):
        return None
    if not item.name.endswith("_blocks") or len(item.shape) != 4:
        return item
    experts, rows, groups, packed = item.shape
    return Tensor(
        name=item.name.removesuffix("_blocks"),
        dtype="BF16",
        shape=(experts, groups * packed * 2, rows),
    )


def _bitnet(item: Tensor) -> Tensor | None:
    if item.dtype != "U8" or len(item.shape) != 2:
        return item
    return Tensor(name=item.name, dtype="BF16", shape=(item.shape[0] * 4, item.shape[1]))
