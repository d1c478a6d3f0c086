"""What a class says of ties, which PEFT asks it: its embeddings, and the sizes of tied layers.

Tying gives a layer another one's weight, and leaves the numbers beside it (``out_features``,
``num_embeddings``) as the class first set them. PEFT goes by those numbers. Where a config gives
the two layers different sizes, the adapter therefore does not fit the weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hfkv.facts.config import Config
from hfkv.modules.built import Built, Module
from hfkv.modules.geometry import size_by_config
from hfkv.modules.table import ModuleRow, Table
from hfkv.tensors import template

__all__ = ["tied_to", "with_ties"]


def with_ties(built: Built, table: Table, config: Config) -> Built:
    """The model with what its class says of ties, and its config of whether there are any.

    Args:
        built: what transformers would build.
        table: of its class.
        config: what the class takes.
    """
    tie = config.get("tie_word_embeddings")
    return replace(
        built,
        modules=_with_stated(built, table, config),
        to_input=_to_input(built, table),
        no_input=table.input_raises,
        may_tie=tie is not False,
        ties_words=tie is True,
    )


def _to_input(built: Built, table: Table) -> tuple[str, ...] | None:
    """The modules that PEFT takes for tied to the input embedding."""
    if table.exchanged or table.input is None:
        return None if table.exchanged or table.tie_keys else ()
    return tied_to(table.input, built.tied, table.tie_keys)


def tied_to(
    embedding: str, tied: Mapping[str, str], declared: Mapping[str, str]
) -> tuple[str, ...]:
    """The modules whose class declares them tied to an embedding, or to what is the same as it.

    Args:
        embedding: its name.
        tied: parameter to the one that it is the same as.
        declared: the classes' ``_tied_weights_keys``, target to source, by full name.
    """
    weight = f"{embedding}.weight"
    root = tied.get(weight, weight)
    same = {weight, root, *(name for name, source in tied.items() if source == root)}
    found = {target.rpartition(".")[0] for target, source in declared.items() if source in same}
    return tuple(sorted(found))


def _with_stated(built: Built, table: Table, config: Config) -> tuple[Module, ...]:
    """The modules with the numbers that tied ones state, where they are not the weight's."""
    rows = {row.name: row for row in table.rows if row.stated}
    if not rows:
        return built.modules
    shared = {*built.tied, *built.tied.values()}
    modules = []
    for module in built.modules:
        row = rows.get(module.name) or rows.get(template(module.name)[0])
        tied = f"{module.name}.weight" in shared
        modules.append(_stating(module, row, table, config) if row and tied else module)
    return tuple(modules)


def _stating(module: Module, row: ModuleRow, table: Table, config: Config) -> Module:
    found: set[tuple[int, int]] = set()
    for shape in row.stated:
        alone = replace(row, parameters={"weight": (shape,)})
        only = replace(table, rows=(alone,))
        first, second = (size_by_config(only, f"{row.name}.weight", at, config) for at in (0, 1))
        if first is not None and second is not None:
            found.add((first, second))
    held = module.parameters["weight"][:2]
    return module if not found or found == {held} else replace(module, stated=frozenset(found))
