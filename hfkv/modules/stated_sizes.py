"""What a tied layer says its sizes are.

Tying gives a layer another one's weight, and leaves the numbers beside it (``out_features``,
``num_embeddings``) as the class first set them. PEFT goes by those numbers. Where a config gives
the two layers different sizes, the adapter therefore does not fit the weight.
"""

from __future__ import annotations

from dataclasses import replace

from hfkv.facts.config import Config
from hfkv.modules.built import Built, Module
from hfkv.modules.geometry import size_by_config
from hfkv.modules.table import Row, Table
from hfkv.tensors import template

__all__ = ["with_stated"]


def with_stated(built: Built, table: Table, config: Config) -> Built:
    """The model with the numbers that its tied layers state, where they are not the weight's."""
    rows = {row.name: row for row in table.rows if row.stated}
    if not rows:
        return built
    shared = {*built.tied, *built.tied.values()}
    modules = []
    for module in built.modules:
        row = rows.get(module.name) or rows.get(template(module.name)[0])
        tied = f"{module.name}.weight" in shared
        modules.append(_with(module, row, table, config) if row is not None and tied else module)
    return replace(built, modules=tuple(modules))


def _with(module: Module, row: Row, table: Table, config: Config) -> Module:
    found: set[tuple[int, int]] = set()
    for shape in row.stated:
        alone = replace(row, parameters={"weight": (shape,)})
        only = replace(table, rows=(alone,))
        first, second = (size_by_config(only, f"{row.name}.weight", at, config) for at in (0, 1))
        if first is not None and second is not None:
            found.add((first, second))
    held = module.parameters["weight"][:2]
    return module if not found or found == {held} else replace(module, stated=frozenset(found))
