"""Recurrent models: states of a fixed size in every layer, and no attention."""

from __future__ import annotations

import math

from hfkv.cache.geometry import grouped
from hfkv.cache.kinds import State, StatePart
from hfkv.cache.layer_types import every_layer
from hfkv.cache.layered import PlanFunction, layered
from hfkv.cache.plan import Plan
from hfkv.cache.row import Row, table
from hfkv.cache.states import KindRule, mamba1, mamba2
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.config import Config
from hfkv.reading import describe

__all__ = ["ROWS"]


def _recurrent(kind: KindRule) -> PlanFunction:
    """Recurrent layers only; the class does not read ``layer_types``."""
    return layered(
        grouped,
        every_layer("linear_attention"),
        explicit=False,
        kinds={"linear_attention": kind},
    )


def _rwkv(config: Config) -> Plan:
    """RWKV: two shifted inputs in the model's dtype and three sums in float32."""
    hidden = config.int("hidden_size")
    attention = config.optional_int("attention_hidden_size")
    if attention not in (None, hidden):
        raise UnsupportedError(
            f"attention_hidden_size {attention} beside hidden_size {hidden}, which its state "
            "has no room for",
            where=config.place("attention_hidden_size"),
        )
    shifted = StatePart("hidden", (hidden,))
    state = State(
        parts=(shifted, shifted, *[StatePart("recurrent", (hidden,), "F32")] * 3), name="rwkv"
    )
    return Plan(kinds=[state] * config.layers())


def _xlstm(config: Config) -> Plan:
    """xLSTM: a matrix, a normalizer and a maximum per head, in the model's dtype."""
    hidden = config.optional_int("hidden_size")
    width = config.optional_int("embedding_dim")
    hidden = width if hidden is None else hidden
    if hidden is None or width not in (None, hidden):
        raise ConfigError(
            f"found {width}", where=config.place("embedding_dim"), expected=f"{hidden}"
        )
    layers = config.layers() if config.get("num_hidden_layers") is not None else None
    blocks = config.layers("num_blocks") if config.get("num_blocks") is not None else layers
    layers = blocks if layers is None else layers
    if layers is None or blocks is None or blocks > layers:
        raise ConfigError(
            f"found {blocks}", where=config.place("num_blocks"), expected=f"at most {layers}"
        )
    count = config.int("num_heads")
    keys, values = (
        _multiple_of_64(hidden * _factor(config, key)) // count
        for key in ("qk_dim_factor", "v_dim_factor")
    )
    shapes = ((count, keys, values), (count, keys), (count, 1))
    state = State(parts=tuple(StatePart("recurrent", shape) for shape in shapes), name="xlstm")
    return Plan(kinds=[state] * layers)


def _factor(config: Config, key: str) -> float:
    """A factor of the hidden size; the class takes no whole number for it."""
    value = config.number(key)
    if isinstance(config.get(key), int) or value <= 0:
        raise ConfigError(
            f"found {describe(config.get(key))}",
            where=config.place(key),
            expected="a number above 0 with a decimal point",
        )
    return value


def _multiple_of_64(size: float) -> int:
    return math.ceil(size / 64) * 64


ROWS: dict[str, Row] = table(
    ("mamba", Row(_recurrent(mamba1))),
    ("mamba2", Row(_recurrent(mamba2))),
    ("rwkv", Row(_rwkv)),
    ("xlstm", Row(_xlstm)),
)
