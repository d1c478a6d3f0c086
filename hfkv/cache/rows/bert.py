"""BERT and its kin as decoders."""

from __future__ import annotations

from dataclasses import replace

from hfkv.cache.encoders import attends_if, refuse_other_layers
from hfkv.cache.geometry import Heads, heads, split_head_dim
from hfkv.cache.layered import PlanFunction, layered
from hfkv.cache.plan import Plan
from hfkv.cache.row import Row, table
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.config import Config

__all__ = ["ROWS"]


def _heads(config: Config) -> Heads:
    dim, count = split_head_dim(config), heads(config)
    if dim * count != config.int("hidden_size"):
        raise ConfigError(
            f"found {config.int('hidden_size')}",
            where=config.place("hidden_size"),
            expected=f"a multiple of num_attention_heads ({count}), as its class requires",
        )
    rows = {
        f"encoder.layer.{{}}.attention.self.{name}.weight": dim * count for name in ("key", "value")
    }
    return Heads(count=count, k_dim=dim, v_dim=dim, rows=rows)


def _decoder(inner: PlanFunction) -> PlanFunction:
    """Keys and values of every token, also without ``is_decoder``.

    The class makes no cache of its own accord then, but ``generate()`` hands it one, which it
    fills.
    """

    def plan(config: Config) -> Plan:
        decodes = config.bool("is_decoder")
        if config.bool("add_cross_attention") and not decodes:
            raise ConfigError(
                "is true in a config that is not a decoder's, which its class refuses",
                where=config.place("add_cross_attention"),
                expected="is_decoder too",
            )
        refuse_other_layers(config)
        made = inner(config)
        if decodes:
            return made
        note = (
            "is_decoder is false: attention looks both ways, and the class keeps a cache only "
            "because generate() hands it one"
        )
        return replace(made, notes=(*made.notes, note))

    return plan


def _never_attends(why: str) -> PlanFunction:
    """A class that has cross-attention, but one that does not work with a cache."""

    def plan(config: Config) -> Plan:
        if config.bool("add_cross_attention"):
            raise UnsupportedError(why, where=config.place("add_cross_attention"), expected="false")
        return layered(_heads)(config)

    return plan


ROWS: dict[str, Row] = table(
    ("bert", Row(_decoder(attends_if("add_cross_attention", layered(_heads), _heads)))),
    (
        "big_bird",
        Row(
            _decoder(
                _never_attends(
                    "its class writes tokens and encoder into one cache, over each other"
                )
            )
        ),
    ),
    (
        "megatron-bert",
        Row(
            _decoder(
                _never_attends(
                    "its class gives the encoder's keys the shape of the tokens, and fails"
                )
            )
        ),
    ),
)
