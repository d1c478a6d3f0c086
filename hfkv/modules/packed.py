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
- 4-bit bitsandbytes stores a flat column and loses it; :mod:`hfkv.modules.geometry` restores it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from hfkv.boxes import box_size
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts import Facts
from hfkv.modules.geometry import flat_columns
from hfkv.reading import describe, printable
from hfkv.tensors import Tensor, TensorTable

__all__ = ["parameters_of", "quantization_of", "unpack"]

#: Files beside config.json that some tools write the method into.
_SIDE_FILES = ("quantize_config.json", "hf_quant_config.json")
#: What lies beside packed weights, by its ending.
_BESIDE = tuple(
    """.qzeros .g_idx .scales .weight_scale .weight_scale_2 .weight_scale_inv
    .weight_global_scale .input_global_scale .weight_zero_point .weight_g_idx .weight_shape
    .input_scale .output_scale .k_scale .v_scale .SCB .weight_format
    _scale_inv _blocks_scale""".split()
)

#: Bits of one packed value.
_WIDTHS = (2, 3, 4, 5, 6, 8)

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


def parameters_of(facts: Facts) -> int | None:
    """Parameters of the unpacked model, without what lies beside packed weights.

    None without a header.

    Raises:
        ConfigError, UnsupportedError: as :func:`unpack`.
    """
    if facts.tensors is None:
        return None
    table, _ = unpack(facts, facts.tensors)
    # A column whose shape is lost has -1 beside its elements.
    return sum(abs(prod(shape)) * box_size(boxes) for _, _, shape, _, boxes in table.groups())


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
    if method == "bitsandbytes":
        # What is stored tells 4 bits from 8: the config has had both flags for both.
        tensors = flat_columns(tensors)
    rule = _rule(method, quantization, tensors, where)
    if rule is None:
        return tensors.mapped(lambda item: None if item.name.endswith(_BESIDE) else item), ""
    change = _kept(rule)
    if method == "mlx":  # which layers are packed, and how, depends on their neighbours
        made = TensorTable(filter(None, map(change, tensors)))
    else:
        made = tensors.mapped(change)
    return (
        made,
        (
            f"the weights are packed ({method}); the layers' sizes are unpacked from the header "
            "by its rule, and parameters in all are counted unpacked" + _on_it(method, quantization)
        ),
    )


def _on_it(method: str, quantization: Mapping[str, Any]) -> str:
    """What PEFT does on the packed model itself, where that differs from the layers' adapter."""
    if method == "bitnet" and quantization.get("linear_class") != "autobitlinear":
        return (
            "; on the packed model itself all-linear passes these layers over and PEFT refuses "
            "them by name, since transformers' BitLinear is not a torch.nn.Linear"
        )
    if method in ("gptq", "awq", "auto-round"):
        return (
            "; on the packed model itself PEFT takes no DoRA, and whether all-linear finds the "
            "layers depends on gptqmodel's classes"
        )
    if method == "mxfp4":
        return "; PEFT's target_parameters need the experts unpacked"
    if method in ("modelopt", "modelopt_fp4", "modelopt_mixed", "nvfp4"):
        return (
            "; the pinned transformers does not load such a checkpoint, and its own NVFP4 layer "
            "is not a torch.nn.Linear, so that all-linear would pass it over"
        )
    return ""


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
    if method == "auto-round":
        # The packing is another method's, named after a colon.
        packing = str(quantization.get("packing_format", "auto_round:auto_gptq"))
        method = next((name for name in ("gptq", "awq") if name in packing), packing)
    if method in ("gptq", "awq"):
        bits = _bits(quantization, where)
        gemv = str(quantization.get("version", "gemm")).lower() == "gemv"

        def layer(item: Tensor, a: int, b: int) -> tuple[int, int]:
            if method == "gptq":
                return b, _unpacked(a, bits, item, where)
            unpacked = _unpacked(b, bits, item, where)
            return (a, unpacked) if gemv else (unpacked, a)

        return lambda item: _named(item, ".qweight", lambda a, b: layer(item, a, b))
    if method == "compressed-tensors":
        return _compressed(quantization, where)
    if method in ("bitsandbytes", "fp8", "fbgemm_fp8", "finegrained_fp8", "mxfp8"):
        return None
    if method == "mxfp4":
        return _mxfp4
    if method in ("modelopt", "modelopt_fp4", "modelopt_mixed", "nvfp4"):
        algorithms = _algorithms(quantization)
        if all("FP4" in name or name.startswith(("FP8", "MXFP8")) for name in algorithms):
            return _doubled
    if method == "mlx":
        return lambda item: _mlx(item, quantization, tensors, where)
    if method == "bitnet":
        return _bitnet
    raise UnsupportedError(
        f"the weights are packed by '{printable(method, 40)}', whose rule is not known here",
        where=where,
        hint="ask about the model that it was quantized from",
    )


def _bits(quantization: Mapping[str, Any], where: str, key: str = "bits") -> int:
    value = quantization.get(key, quantization.get("w_bit"))
    if isinstance(value, bool) or not isinstance(value, int) or value not in _WIDTHS:
        raise ConfigError(
            f"found {describe(value)}", where=f"{where}: {key}", expected="2, 3, 4, 5, 6 or 8 bits"
        )
    return value


def _unpacked(words: int, bits: int, item: Tensor, where: str) -> int:
    """How many values of so many bits lie in 32-bit words, one after the other."""
    if words * 32 % bits:
        raise UnsupportedError(
            f"{printable(item.name)} has {words:,} words, which hold no whole number of {bits}-bit "
            "values",
            where=where,
        )
    return words * 32 // bits


def _algorithms(quantization: Mapping[str, Any]) -> list[str]:
    """ModelOpt's algorithms: one, or in a mixed checkpoint one for each layer."""
    layers = quantization.get("quantized_layers")
    named = str(quantization.get("quant_algo") or "NVFP4").upper()
    if named == "MIXED_PRECISION" and isinstance(layers, Mapping):
        return [
            str(item.get("quant_algo")).upper() if isinstance(item, Mapping) else "?"
            for item in layers.values()
        ]
    return [named]


def _compressed(quantization: Mapping[str, Any], where: str) -> _Rule | None:
    form = quantization.get("format")
    if form in ("int-quantized", "float-quantized", "naive-quantized", "dense"):
        return None
    if form in ("nvfp4-pack-quantized", "mxfp4-pack-quantized"):
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
    bits = found.pop()
    return lambda item: _named(
        item, ".weight_packed", lambda a, b: (a, _unpacked(b, bits, item, where))
    )


def _kept(rule: _Rule) -> _Rule:
    """The rule, without what lies beside packed weights."""

    def change(item: Tensor) -> Tensor | None:
        made = rule(item)
        return None if made is None or made.name.endswith(_BESIDE) else made

    return change


_Shape = Callable[[int, int], "tuple[int, int]"]


def _named(item: Tensor, ending: str, shape: _Shape) -> Tensor | None:
    if not item.name.endswith(ending) or len(item.shape) != 2:
        return item
    return Tensor(
        name=item.name.removesuffix(ending) + ".weight", dtype="BF16", shape=shape(*item.shape)
    )


def _doubled(item: Tensor) -> Tensor | None:
    """4-bit floats are the only ones that are held in bytes; float8 keeps the shape."""
    if item.dtype != "U8" or len(item.shape) < 2:
        return item
    return Tensor(name=item.name, dtype="BF16", shape=(*item.shape[:-1], item.shape[-1] * 2))


def _mlx(
    item: Tensor, quantization: Mapping[str, Any], tensors: TensorTable, where: str
) -> Tensor | None:
    base = item.name.removesuffix(".biases").removesuffix(".scales")
    if base != item.name and f"{base}.weight" in tensors:
        return None
    name = item.name.removesuffix(".weight")
    scales = tensors.get(f"{name}.scales")
    if item.dtype != "U32" or name == item.name or scales is None:
        return item
    # One layer can be packed otherwise than the rest, under its own name in the config.
    own = quantization.get(name)
    group = (own if isinstance(own, Mapping) else {}).get(
        "group_size", quantization.get("group_size", 64)
    )
    if isinstance(group, bool) or not isinstance(group, int) or not 1 <= group <= 2**20:
        raise ConfigError(f"found {describe(group)}", where=f"{where}: group_size")
    inputs = scales.shape[-1] * group
    if not any(inputs * bits == item.shape[-1] * 32 for bits in _WIDTHS):
        raise UnsupportedError(
            f"{printable(item.name)} has {item.shape[-1]:,} words for {inputs:,} inputs, which is "
            "no width in use",
            where=where,
        )
    return Tensor(name=item.name, dtype="BF16", shape=(*item.shape[:-1], inputs))


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
