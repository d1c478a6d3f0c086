"""The modules that transformers would build for a checkpoint, with the sizes its header shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hfkv.errors import UnsupportedError
from hfkv.facts.agreement import CONTRADICTED, Agreement
from hfkv.facts.config import Config
from hfkv.modules.agreement import (
    Difference,
    absent,
    difference,
    inside,
    is_weight,
    unexpected,
)
from hfkv.modules.built import CONVOLUTIONS, Built, Module, walk_key
from hfkv.modules.conversion import Index, Loaded, Shape, load_names
from hfkv.modules.geometry import groups_by_config, restore, size_by_config
from hfkv.modules.table import ModuleRow, Table, ignored_by, nested_at, table_of
from hfkv.modules.ties import with_ties
from hfkv.reading import printable
from hfkv.tensors import TensorTable, template

__all__ = ["by_table"]


#: Parameters that a class has and never saves (``_keys_to_ignore_on_save``), by the config's keys
#: for their sizes. transformers 5.24.0 has this one: sinusoidal positions, made anew on loading.
_NEVER_SAVED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "MarianMTModel": {
        f"model.{part}.embed_positions.weight": ("max_position_embeddings", "d_model")
        for part in ("encoder", "decoder")
    }
}


def by_table(config: Config, tensors: TensorTable, *, where: str, note: str = "") -> Built:
    """Join the class's module table with the checkpoint's header.

    Args:
        config: the model's, of a type with a table.
        tensors: the header, with packed weights unpacked.
        where: the model, for errors.
        note: by which rule the sizes were read off the header, where they are not plain; "" else.

    Raises:
        UnsupportedError: the table and the header are at odds, or a part of the model is of a type
            whose table does not fit.
    """
    table = table_of(config)
    own = nested_at(config, table.config_path)
    if table.parts:
        from hfkv.modules.composites import with_parts

        table = with_parts(table, own)
    # Packed weights and those of GGUF files are unpacked by rule: what a rule leaves out is no
    # difference of the file's.
    packed = bool(note)
    planned, unproved = (None, "") if packed else _planned(config)
    known = frozenset(
        f"{row.name}.{parameter}" if row.name else parameter
        for row in table.rows
        for parameter in row.parameters
    )
    if planned is not None:
        # The table was made of the class's defaults and what was tried beside them.
        known |= {template(name)[0] for name in planned.shapes()}
    loaded = load_names(
        tensors,
        table.conversions,
        table.prefix,
        known,
        lambda pattern, at: size_by_config(table, pattern, at, own),
    )
    for pattern, keys in _NEVER_SAVED.get(table.architecture, {}).items():
        loaded.shapes.setdefault(pattern, {(): tuple(own.int(key) for key in keys)})
    _drop_uncounted(loaded, table, own)
    if restore(loaded, table, own, where, None if planned is None else planned.shapes):
        note = (
            "4-bit bitsandbytes stores flat columns: the layers' sizes are those that config.json "
            f"gives {table.architecture}, and come to as many elements as the header has"
        )
    if unproved and not note:
        note = (
            "the layers are those that the header shows of those that the class can have, and what "
            f"it may lack is not seen: {unproved}"
        )
    # The rule of the packing (or of GGUF's names) is documented; no such model was built to check
    # it against.
    basis = "documented" if note else "exact"
    ignored = ignored_by(table.architecture)
    if planned is None:
        _refuse_left(loaded, table, own, where)
        built = with_ties(_assemble(table, loaded, own, where), table, own)
        differs = Difference(
            missing=() if packed else absent(_counted(table, own), loaded.shapes),
            unexpected=unexpected(loaded, ignored),
            other=() if packed else _resized(table, loaded, own),
        )
    else:
        # What is built is the class's own, whatever the file holds.
        built, differs = planned, difference(planned, loaded, ignored)
    if not differs:
        held = sum(map(len, loaded.shapes.values()))
        told = (
            f"{held:,} parameters of the header are those of {table.architecture}"
            if planned is not None
            else f"{held:,} parameters of the header are those that {table.architecture} can have"
        )
        agreement = Agreement(verdict="agrees", told=f"{told} ({note})" if note else told)
        return replace(built, basis=basis, reason=note, agreement=agreement)
    told = differs.told(table.architecture)
    return replace(
        built,
        basis=CONTRADICTED,
        reason="; ".join(filter(None, (told, note))),
        agreement=Agreement(verdict="differs", told=told),
    )


def _planned(config: Config) -> tuple[Built | None, str]:
    """What the class makes of the config alone; None where no plan tells, and why."""
    from hfkv.modules.by_plan import by_plan

    try:
        return by_plan(config), ""
    except UnsupportedError as error:
        return None, error.what


def _resized(table: Table, loaded: Loaded, config: Config) -> list[tuple[str, Shape, Shape]]:
    """Linear layers of another size than the table's expressions give for this config."""
    found = []
    for pattern in _linear(table):
        for shape in dict.fromkeys(loaded.shapes.get(pattern, {}).values()):
            sizes = [size_by_config(table, pattern, at, config) for at in range(len(shape))]
            wanted = tuple(
                size if known is None else known for known, size in zip(sizes, shape, strict=True)
            )
            if wanted != shape:
                found.append((pattern.replace("{}", "*"), wanted, shape))
    return found


def _linear(table: Table) -> list[str]:
    """Patterns of the linear layers' weights."""
    return [
        f"{row.name}.weight"
        for row in table.rows
        if row.kind in ("linear", "Conv1D") and "weight" in row.parameters
    ]


def _counted(table: Table, config: Config) -> dict[str, int]:
    """How many members the config gives each container."""
    found = {}
    for container, key in table.counts.items():
        count = _at(config, key) if isinstance(key, str) else key
        if isinstance(count, int) and not isinstance(count, bool):
            found[container] = count
    return found


def _blocks(config: Config) -> int:
    blocks = config.get("num_mem_blocks")
    return blocks if type(blocks) is int and blocks > 0 else 1


def _at(config: Config, path: str) -> Any:
    """The value of a path such as ``text_config.num_hidden_layers``, with class defaults."""
    *outer, key = path.split(".")
    return nested_at(config, ".".join(outer)).get(key)


def _drop_uncounted(loaded: Loaded, table: Table, config: Config) -> None:
    """Layers beyond the class's count (multi-token prediction) are in files and not loaded."""
    for container, count in _counted(table, config).items():
        place = container.count("{}")
        for pattern in inside(container, loaded.shapes):
            found = loaded.shapes[pattern]
            for index in [index for index in found if index[place] >= count]:
                del found[index]


def _refuse_left(loaded: Loaded, table: Table, config: Config, where: str) -> None:
    """A weight that reaches no parameter is one that transformers would not load. Where it looks
    like a layer of the model itself, the table and the checkpoint are at odds."""
    expected = {pattern for pattern, found in loaded.shapes.items() if found}
    for pattern, dtype, shape, indices in loaded.left:
        if not is_weight(pattern, shape):
            continue
        missing = [
            f"{row.name}.{name}"
            for row in table.rows
            for name in row.parameters
            if row.kind == "linear" and f"{row.name}.{name}" not in expected
        ]
        ending = ".".join(pattern.split(".")[-2:])
        # What a model is given with another part (cross-attention, a projection between widths)
        # neither's table need show.
        if table.exchanged or any(name.endswith(ending) for name in missing):
            raise UnsupportedError(
                f"the checkpoint has {printable(pattern.format(*indices[0]))} ({dtype} "
                f"{list(shape)}), and {table.architecture} is not known here to have such a "
                "parameter",
                where=where,
            )


def _tied(table: Table, config: Config) -> Mapping[str, str]:
    # With tie_word_embeddings transformers ties what layers share among themselves (Zamba) too.
    tied = dict(table.tied)
    for path, value, otherwise in table.ties:
        if _at(config, path) is value:
            tied.update({name: source for name, source in otherwise.items() if source is not None})
            for name in [name for name, source in otherwise.items() if source is None]:
                tied.pop(name, None)
    return tied


def _assemble(table: Table, loaded: Loaded, config: Config, where: str) -> Built:
    shapes = loaded.shapes
    shared = _share(shapes, _tied(table, config), where, _blocks(config))
    # Which indices each module has: those of its parameters, and those of what lies below it.
    present: dict[str, set[Index]] = {}
    for pattern, found in shapes.items():
        if not found:
            continue
        parts = pattern.split(".")[:-1]
        for end in range(len(parts), 0, -1):
            name = ".".join(parts[:end])
            depth = name.count("{}")
            indices = {index[:depth] for index in found}
            before = present.setdefault(name, set())
            if indices <= before:
                break
            before |= indices
    order: dict[str, int] = {}
    modules: list[tuple[tuple[int, ...], Module]] = []
    loose: dict[str, Shape] = {}
    for number, row in enumerate(table.rows):
        order[row.name] = number
        if not row.name:
            loose = {
                name: shapes[name][()] for name in row.parameters if () in shapes.get(name, {})
            }
            continue
        where_found = present.get(row.name)
        if row.beside is not None:
            where_found = (where_found or set()) | present.get(row.beside, set())
        if where_found is None:
            parent = row.name.rpartition(".")[0]
            # A module without parameters is where its parent is; one with some is not.
            if row.parameters or row.name.endswith("{}"):
                continue
            where_found = present.get(parent, set()) if parent else {()}
        groups = 1 if row.groups == 1 else groups_by_config(row, table, config)
        key = walk_key(row.name, order)
        for index in where_found:
            parameters = _held(row, index, shapes)
            module = _module(row, index, parameters, groups, where)
            modules.append((key(index), module))
    modules.sort(key=lambda item: item[0])
    return Built(
        model_type=table.config_type,
        modules=tuple(module for _, module in modules),
        output=table.output,
        input=table.input,
        tied=shared,
        loose=loose,
    )


def _held(
    row: ModuleRow, index: Index, shapes: Mapping[str, Mapping[Index, Shape]]
) -> dict[str, Shape]:
    """A module's own parameters; those of a list of parameters have a number of their own."""
    found: dict[str, Shape] = {}
    for name in row.parameters:
        pattern = f"{row.name}.{name}"
        if "{}" not in name:
            if index in shapes.get(pattern, {}):
                found[name] = shapes[pattern][index]
            continue
        for whole, shape in shapes.get(pattern, {}).items():
            if whole[: len(index)] == index:
                found[name.format(*whole[len(index) :])] = shape
    return found


def _share(
    shapes: dict[str, dict[Index, Shape]], tied: Mapping[str, str], where: str, blocks: int
) -> dict[str, str]:
    """Give tied parameters the shape of what they share; full name to full name."""
    shared: dict[str, str] = {}
    roots: set[str] = set()
    for target, source in tied.items():
        if target == source:
            # One parameter of a block stands for all of it.
            root = target.partition("{}.")[2].partition(".")[0]
            if root not in roots:
                roots.add(root)
                from hfkv.modules.shared_blocks import repeat_shared

                shared.update(repeat_shared(shapes, target, blocks, where))
            continue
        pattern, index = template(target)
        if index:
            # One of several, of which the others stand alone.
            from_pattern, from_index = template(source)
            if from_index in shapes.get(from_pattern, {}):
                shapes.setdefault(pattern, {})[index] = shapes[from_pattern][from_index]
                shared[target] = source
            continue
        origin = shapes.get(source, {})
        if not origin and shapes.get(target):
            # Saved under the other name of the two.
            shapes[source] = origin = dict(shapes[target])
        if not origin:
            continue
        depth = target.count("{}")
        if depth == source.count("{}"):
            shapes[target] = dict(origin)
            for index in origin:
                shared[target.format(*index)] = source.format(*index)
        else:
            shape = next(iter(origin.values()))
            for index in shapes.get(target) or ([()] if not depth else []):
                shapes.setdefault(target, {})[index] = shape
                shared[target.format(*index)] = source.format(*next(iter(origin)))
    return shared


def _module(
    row: ModuleRow,
    index: Index,
    parameters: Mapping[str, Shape],
    groups: int | None,
    where: str,
) -> Module:
    kind = row.kind
    if len(row.kinds) > 1:
        # Items of one list can differ (a linear layer, a norm, an activation): the weight tells.
        flat = len(parameters.get("weight", ())) == 2
        kinds = [item for item in row.kinds if (item == "other") != flat]
        if len(kinds) != 1:
            raise UnsupportedError(
                f"{printable(row.name)} can be of several kinds, and its weight does not say which",
                where=where,
            )
        kind = kinds[0]
    if not parameters and row.beside is not None:
        kind = "other"  # an empty stand-in
    weight = parameters.get("weight")
    needed = {"linear": 2, "Conv1D": 2, "embedding": 2, "conv1d": 3, "conv2d": 4, "conv3d": 5}
    if kind in needed and (weight is None or len(weight) != needed[kind]):
        if weight is None and (not parameters or kind.startswith("conv")):
            # Nothing of it is there, or it is held in another form: it cannot be adapted here.
            kind = "other" if not parameters else "unknown"
        else:
            raise UnsupportedError(
                f"{printable(row.name.format(*index))}.weight is "
                + ("missing" if weight is None else f"of shape {list(weight)}")
                + f", where a {kind} layer is expected",
                where=where,
            )
    elif kind in CONVOLUTIONS and weight is not None and (not groups or weight[0] % groups):
        kind = "unknown"  # the config does not tell its groups
    return Module(
        name=row.name.format(*index),
        kind=kind,
        parameters=parameters,
        transposed=row.transposed,
        groups=groups or 1,
    )
