"""The modules that transformers would build for a checkpoint, with the sizes its header shows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hfkv.errors import UnsupportedError
from hfkv.facts import Facts
from hfkv.facts.config import Config
from hfkv.lora.table import Row, Table, table_of
from hfkv.reading import printable
from hfkv.tensors import TensorTable

__all__ = ["Expert", "Linear", "Modules", "modules_of"]

#: Floating types a weight has when it is not packed.
_UNPACKED = {"BF16", "F16", "F32", "F64", "F8_E4M3", "F8_E5M2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """A module that PEFT can adapt by its name: inputs and outputs of a linear layer."""

    name: str
    inputs: int
    outputs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expert:
    """A plain parameter that PEFT adapts in place: fused experts (3-D) or a router (2-D)."""

    name: str
    experts: int
    rows: int
    columns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Modules:
    """What there is to adapt.

    Attributes:
        linear: every linear layer but the output embedding, in order.
        output: the name of the output embedding, if there is one.
        names: every module's name that the header shows, adaptable or not.
        experts: plain parameters by name.
        parameters: elements of all parameters that the model has in memory (tied ones once).
    """

    linear: tuple[Linear, ...]
    output: str | None
    names: frozenset[str]
    experts: tuple[Expert, ...]
    parameters: int


def modules_of(facts: Facts, config: Config) -> Modules:
    """Join the class's module table with the checkpoint's header.

    Raises:
        UnsupportedError: there is no header, the weights are packed, or a weight in it belongs
            to no module that the table knows.
    """
    if facts.tensors is None:
        raise UnsupportedError(
            "LoRA's layers are counted from the safetensors headers: "
            + facts.missing.get("tensors", "there are none"),
            where=facts.model,
            hint="use the repository or a directory with the weights",
        )
    _refuse_packed(facts, config)
    table = table_of(config)
    tied = config.bool("tie_word_embeddings") or config.text().bool("tie_word_embeddings")
    return _join(table, facts.tensors, facts.model, config.text().layers(), tied)


def _refuse_packed(facts: Facts, config: Config) -> None:
    quantization = config.raw.get("quantization_config")
    if quantization is None:
        return
    method = quantization.get("quant_method") if isinstance(quantization, dict) else None
    # FP8 weights keep the layer's shape; scales lie beside them. Others pack several into one.
    if method == "fp8":
        return
    raise UnsupportedError(
        f"the weights are packed (quant_method {printable(str(method), 40)}), and their layers' "
        "sizes cannot be read off them here",
        where=facts.model,
    )


def _join(table: Table, tensors: TensorTable, where: str, layers: int, tied: bool) -> Modules:
    by_saved: dict[str, Row] = {}
    for row in table.rows:
        for pattern in row.saved or ():
            by_saved.setdefault(pattern, row)
    prefix = _prefix(table)
    linear: dict[str, Linear] = {}
    names: set[str] = set()
    fused: dict[tuple[str, str], dict[tuple[int, ...], tuple[int, int]]] = {}
    experts: list[Expert] = []
    total = 0
    for pattern, dtype, shape, indices in tensors.patterns():
        found = by_saved.get(pattern) or by_saved.get(f"{prefix}{pattern}")
        if found is None:
            _refuse_unknown(table, pattern, dtype, shape, indices, where, layers)
            continue
        row = found
        depth = row.module.count("{}")
        for index in indices:
            own = index[:depth]
            if own and ".layers.{}" in row.module and own[0] >= layers and _is_decoder(row.module):
                continue  # layers of multi-token prediction are not loaded
            name = row.module.format(*own)
            names.add(name)
            size = 1
            for item in shape:
                size *= item
            # A tied output embedding that was saved all the same is one parameter in memory.
            if not (tied and f"{name}.{row.parameter}" in table.tied):
                total += size
            if row.parameter != "weight" or row.kind not in ("linear", "conv1d_linear"):
                if row.dimensions == 3 or (row.kind == "other" and row.dimensions == 2):
                    _collect(fused, experts, row, name, pattern, index, depth, shape)
                continue
            if row.module in table.mixed or len(shape) != 2 or dtype not in _UNPACKED:
                raise UnsupportedError(
                    f"{pattern.format(*index)} ({dtype} {list(shape)}) is not a plain linear "
                    "weight",
                    where=where,
                )
            rows, columns = shape if row.kind == "linear" else shape[::-1]
            linear[name] = Linear(name=name, inputs=columns, outputs=rows)
    output = table.output
    return Modules(
        linear=tuple(item for name, item in linear.items() if name != output),
        output=output,
        names=frozenset(names),
        experts=(*experts, *_merge(fused)),
        parameters=total,
    )


def _is_decoder(module: str) -> bool:
    return (
        re.match(r"(model\.|language_model\.|model\.language_model\.)?layers\.", module) is not None
    )


def _prefix(table: Table) -> str:
    """What loading adds to names of a checkpoint of the base model alone (GPT-2's ``wte``)."""
    starts = {row.module.split(".")[0] for row in table.rows if row.module != table.output}
    return f"{starts.pop()}." if len(starts) == 1 else ""


def _collect(
    fused: dict[tuple[str, str], dict[tuple[int, ...], tuple[int, int]]],
    experts: list[Expert],
    row: Row,
    name: str,
    pattern: str,
    index: tuple[int, ...],
    depth: int,
    shape: tuple[int, ...],
) -> None:
    """Note a plain parameter, whole or in the pieces it was saved as."""
    full = f"{name}.{row.parameter}"
    if row.dimensions == 2 and len(shape) == 2:
        experts.append(Expert(name=full, experts=1, rows=shape[0], columns=shape[1]))
    elif len(shape) == 3:
        experts.append(Expert(name=full, experts=shape[0], rows=shape[1], columns=shape[2]))
    elif len(shape) == 2 and len(index) == depth + 1:
        fused.setdefault((full, pattern), {})[index] = (shape[0], shape[1])


def _merge(
    fused: dict[tuple[str, str], dict[tuple[int, ...], tuple[int, int]]],
) -> list[Expert]:
    """Experts saved one by one, stacked; several projections of one parameter, joined."""
    found: dict[str, Expert] = {}
    for (name, _), pieces in fused.items():
        sizes = set(pieces.values())
        if len(sizes) != 1:
            raise UnsupportedError(f"the experts of {name} differ in size", where="LoRA")
        rows, columns = sizes.pop()
        before = found.get(name)
        found[name] = Expert(
            name=name,
            experts=len(pieces),
            rows=rows + (before.rows if before else 0),
            columns=columns,
        )
    return list(found.values())


def _refuse_unknown(
    table: Table,
    pattern: str,
    dtype: str,
    shape: tuple[int, ...],
    indices: tuple[tuple[int, ...], ...],
    where: str,
    layers: int,
) -> None:
    """A weight that no module takes is either known to be left out, or a reason to refuse."""
    name = pattern.format(*indices[0])
    if len(shape) < 2 or name.endswith((".weight_scale_inv", "_scale", ".inv_freq")):
        return
    if any(re.search(rule, name) for rule in table.ignored):
        return
    if indices[0] and ".layers.{}" in pattern and all(index[0] >= layers for index in indices):
        return
    raise UnsupportedError(
        f"the checkpoint has {printable(name)} ({dtype} {list(shape)}), which is no parameter of "
        f"{table.architecture} by the module table",
        where=where,
    )
