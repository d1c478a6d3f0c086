"""The plan of a config inside another, by its own row."""

from __future__ import annotations

from hfkv.cache.plan import Plan
from hfkv.facts.config import Config

__all__ = ["plan_of"]


def plan_of(config: Config) -> Plan:
    """The plan of any config, for rows that hold another model's.

    Raises:
        UnsupportedError, ConfigError: as its row does, or where there is none.
    """
    # The registry is made of the rows that call this, so it cannot be imported with them.
    from hfkv.cache.registry import row_of

    return row_of(config).plan(config)
