"""Which plan the layers of an architecture follow: one row each, keyed by ``model_type`` exactly.

Every ``exact`` row is compared with the cache that the pinned transformers really fills
(``tests/census``). A row for an architecture that transformers has no class for is ``documented``
and names its source. The rows stand in ``hfkv/cache/rows``, a file per family.
"""

from __future__ import annotations

from hfkv.cache.plan import Plan
from hfkv.cache.row import Row
from hfkv.cache.rows import (
    attention,
    bert,
    composite,
    crossing,
    decoders,
    encoder_decoder,
    gemma,
    hybrid,
    latent,
    own,
    recurrent,
    remote,
    sparse,
    uncommon,
)
from hfkv.errors import UnsupportedError
from hfkv.facts.classes import pinned_version
from hfkv.facts.config import Config
from hfkv.reading import printable

__all__ = ["ROWS", "Row", "plan", "row_of"]


ROWS: dict[str, Row] = {
    **attention.ROWS,
    **decoders.ROWS,
    **gemma.ROWS,
    **hybrid.ROWS,
    **latent.ROWS,
    **own.ROWS,
    **recurrent.ROWS,
    **sparse.ROWS,
    **uncommon.ROWS,
    **bert.ROWS,
    **crossing.ROWS,
    **encoder_decoder.ROWS,
    **composite.ROWS,
    **remote.ROWS,
}


def row_of(config: Config) -> Row:
    """The row of a config's ``model_type``.

    Raises:
        UnsupportedError: there is none; never a guess from a like name.
    """
    row = ROWS.get(config.model_type)
    if row is None:
        known = "" if config.cls is None else f" (a type of transformers {pinned_version()})"
        raise UnsupportedError(
            f"the KV cache of model_type '{printable(config.model_type)}'{known} is not known here",
            where=config.where,
            hint="hfkv kv --basis live asks the installed transformers",
        )
    return row


def plan(config: Config) -> Plan:
    """The plan of a model's cache.

    Raises:
        UnsupportedError: the architecture is not in the registry.
        ConfigError: a key that the plan reads is missing or not usable.
    """
    return row_of(config).plan(config)
