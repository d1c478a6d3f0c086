"""What transformers would build for a config, where its class has a proved plan."""

from __future__ import annotations

from collections.abc import Mapping

from hfkv.errors import UnsupportedError
from hfkv.facts.config import Config
from hfkv.modules.built import Built
from hfkv.modules.class_plan import plan_of, planned
from hfkv.modules.table import has_table, table_of
from hfkv.modules.ties import with_ties
from hfkv.reading import printable

__all__ = ["by_plan"]


def by_plan(config: Config) -> Built:
    """What transformers would build for a config, where its class has a plan: no weights are seen.

    Raises:
        UnsupportedError: the class has no plan, or the config goes beyond it.
    """
    if not has_table(config):
        raise UnsupportedError(
            f"the modules of model_type '{printable(config.model_type)}' are not known here"
        )
    table = table_of(config)
    plan = plan_of(config.model_type, table.architecture)
    own = config
    for key in filter(None, table.config_path.split(".")):
        if not isinstance(own.raw.get(key), Mapping):
            raise UnsupportedError(f"there is no {key}, which {table.architecture} is built from")
        own = own.nested(key)
    if table.config_path and own.model_type != table.config_type:
        raise UnsupportedError(
            f"{table.config_path} is a {printable(own.model_type)}, and {table.architecture} takes "
            f"a {table.config_type}"
        )
    if table.parts:
        from hfkv.modules import composites, plan_parts

        around = plan_parts.with_parts(plan, table, own)
        if around is not plan:
            plan, table = around, composites.with_parts(table, own)
    built = planned(plan, own, model_type=table.config_type)
    return with_ties(built, table, own)
