"""Sizes of layers by the config: the expressions of a module table with a config's numbers.

4-bit bitsandbytes stores a weight as a flat column, so that the header says how many elements it
has and not how they lie. The class's own sizes say it, and must come to as many elements.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from hfkv.dtypes import BITS
from hfkv.errors import UnsupportedError
from hfkv.facts.config import Config
from hfkv.modules.conversion import Loaded, Shape
from hfkv.modules.expressions import evaluate
from hfkv.modules.table import ModuleRow, Table
from hfkv.reading import printable
from hfkv.tensors import Tensor, TensorTable

__all__ = ["FLAT", "flat_columns", "groups_by_config", "restore", "size_by_config"]

#: The dtype given to a column whose shape is lost. One of its elements is one of the layer's, and
#: a size of -1 marks it through the stacking and joining that loading does.
FLAT = "FLAT"
_LOST = -1
#: What lies beside a 4-bit weight.
_STATE = re.compile(
    r"\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.bitsandbytes__(nf4|fp4))$"
)
_ELEMENT = re.compile(r"(.*)\[([0-9]+)\]")


def flat_columns(tensors: TensorTable) -> TensorTable:
    """The table with its 4-bit weights as flat columns, and without what lies beside them."""
    packed = {item.name[: found.start()] for item in tensors if (found := _STATE.search(item.name))}
    kept = []
    for item in tensors:
        if item.name in packed:
            count = item.elements * BITS[item.dtype] // 4
            kept.append(Tensor(name=item.name, dtype=FLAT, shape=(count, _LOST), size=item.bytes))
        elif not _STATE.search(item.name):
            kept.append(item)
    return TensorTable(kept)


def restore(
    loaded: Loaded,
    table: Table,
    config: Config,
    where: str,
    planned: Callable[[], Mapping[str, Shape]] | None = None,
) -> bool:
    """Give flat columns the sizes that the class has; whether there were any.

    Args:
        planned: gives the parameters' sizes by the class's plan, which settles them; None where
            there is no plan for this config.

    Raises:
        UnsupportedError: the config's sizes do not come to the column's elements, or leave two
            answers.
    """
    rows = {row.name: row for row in table.rows}
    lost = any(_LOST in shape for shapes in loaded.shapes.values() for shape in shapes.values())
    sizes = planned() if lost and planned is not None else None
    done: dict[tuple[str, int], Shape] = {}
    for pattern, shapes in loaded.shapes.items():
        name, _, short = pattern.rpartition(".")
        for index, shape in shapes.items():
            if _LOST not in shape:
                continue
            count = abs(math.prod(shape))
            known = None if sizes is None else sizes.get(pattern.format(*index))
            if known is not None:
                shapes[index] = _checked(known, count, pattern.format(*index), where)
                continue
            if (pattern, count) not in done:
                done[pattern, count] = _fitting(rows[name], short, count, table, config, where)
            shapes[index] = done[pattern, count]
    return lost


def _checked(shape: Shape, count: int, name: str, where: str) -> Shape:
    if math.prod(shape) != count:
        raise UnsupportedError(
            f"{printable(name)} is stored as a column of {count:,} elements, and config.json makes "
            f"it {list(shape)}, {math.prod(shape):,} elements",
            where=where,
            hint="ask about the model that it was quantized from",
        )
    return shape


def size_by_config(table: Table, pattern: str, at: int, config: Config) -> int | None:
    """A parameter's size along one dimension by the config; None where it is not known, or not
    the same in all shapes that the class can give it."""
    name, _, short = pattern.rpartition(".")
    found = {
        _size(shape[at], row, table, config)
        for row in table.rows
        if row.name == name
        for shape in row.parameters.get(short, ())
        if at < len(shape)
    }
    return found.pop() if len(found) == 1 else None


def groups_by_config(row: ModuleRow, table: Table, config: Config) -> int | None:
    """The groups of a convolution by the config; None where they are not known."""
    return _size(row.groups, row, table, config)


def _is_key(item: str | int | None) -> bool:
    return isinstance(item, str) and item.replace(".", "_").isidentifier()


def _fitting(
    row: ModuleRow, short: str, count: int, table: Table, config: Config, where: str
) -> Shape:
    stated: set[Shape] = set()
    solved: set[Shape] = set()
    for shape in row.parameters[short]:
        sizes = [_size(item, row, table, config) for item in shape]
        whole = tuple(size for size in sizes if size is not None)
        if len(whole) == len(sizes) and math.prod(whole) == count:
            stated.add(whole)
        # A key by itself is what it says; arithmetic over keys can stand for one that the
        # class's defaults do not show (a head size), and follows from the count.
        plain = [
            size if not isinstance(item, str) or _is_key(item) else None
            for item, size in zip(shape, sizes, strict=True)
        ]
        rest = math.prod(size for size in plain if size is not None)
        if plain.count(None) == 1 and rest and count % rest == 0:
            solved.add(tuple(count // rest if size is None else size for size in plain))
    chosen = sorted(stated or solved)
    if len(chosen) != 1:
        raise UnsupportedError(
            f"{printable(row.name)}.{short} is stored as a column of {count:,} elements, and the "
            f"sizes that config.json gives for it fit {len(chosen)} shapes",
            where=where,
            hint="ask about the model that it was quantized from",
        )
    return chosen[0]


def _size(item: str | int | None, row: ModuleRow, table: Table, config: Config) -> int | None:
    def read(path: str) -> Any:
        return _read(config, f"{row.path}.{path}" if row.path else path, table)

    return evaluate(item, read)


def _nested(config: Config, key: str, exchangeable: bool) -> Config:
    """A nested config, of the class's own type: what a file calls it there decides nothing, unless
    the class takes any (``qwen2_vl`` files call their vision part so as well)."""
    part = config.raw.get(key)
    own = None if config.cls is None else config.cls.sub_configs.get(key)
    if not exchangeable and own is not None and isinstance(part, Mapping):
        raw = {**config.raw, key: {**part, "model_type": own}}
        config = Config(raw, where=config.where, model_type=config.model_type, path=config.path)
    return config.nested(key)


def _read(config: Config, path: str, table: Table) -> Any:
    *outer, key = path.split(".")
    exchangeable = {place for *_, place in table.parts}
    for number, part in enumerate(outer, 1):
        if part not in config.raw and key in config.raw:
            # Files of old keep the text part's keys beside the others.
            break
        config = _nested(config, part, ".".join(outer[:number]) in exchangeable)
    element = _ELEMENT.fullmatch(key)
    if element:
        values = config.get(element[1])
        place = int(element[2])
        return values[place] if isinstance(values, list) and place < len(values) else None
    value = config.get(key)
    if config.cls is not None and key not in config.raw:
        # The file can have the standard name for what the class calls otherwise.
        for name, own in config.cls.attribute_map.items():
            if own == key and name in config.raw:
                value = config.get(name)
    if value is None and not outer and key in table.derived:
        return evaluate(table.derived[key], config.get)
    return value
