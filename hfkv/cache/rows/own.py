"""Classes that keep their state in forms of their own, or keep none."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hfkv.cache.geometry import Heads, kv_heads, split_head_dim
from hfkv.cache.kinds import Full, Kind, Nothing, Recent, State
from hfkv.cache.plan import Plan
from hfkv.cache.plans import PlanFunction, layered
from hfkv.cache.row import Row
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.config import Config
from hfkv.reading import describe

__all__ = ["ROWS"]


def _nothing(layers: str) -> PlanFunction:
    """A class without a cache: every step computes all tokens anew."""

    def plan(config: Config) -> Plan:
        return Plan(
            kinds=[Nothing()] * config.layers(layers),
            notes=("its class keeps no cache: 0 B, and every step computes all tokens anew",),
        )

    return plan


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
    state = State(
        states=tuple(
            (f"state.{index}", (hidden,), None if index < 2 else "F32") for index in range(5)
        ),
        name="rwkv",
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
    state = State(
        states=(
            ("rnn_state.0", (count, keys, values), None),
            ("rnn_state.1", (count, keys), None),
            ("rnn_state.2", (count, 1), None),
        ),
        name="xlstm",
    )
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


def _xlnet(config: Config) -> Plan:
    """XLNet: the hidden states of the last ``mem_len`` tokens; of all without one."""
    if not config.bool("use_mems_eval"):
        return _nothing("n_layer")(config)
    reused = config.optional_int("reuse_len", least=0) or None
    kind = Recent(
        most=config.optional_int("mem_len", least=0) or None,
        first=reused,
        width=config.int("d_model"),
    )
    return Plan(kinds=[kind] * config.layers("n_layer"))


def _recurrent_gemma(config: Config) -> Plan:
    """RecurrentGemma: recurrent blocks hold their own states, attention a window."""
    for key in ("layer_types", "layers_block_type"):
        if key in config.raw:
            raise ConfigError("is set", where=config.place(key), expected="block_types instead")
    width = config.optional_int("lru_width") or config.int("hidden_size")
    short = config.int("conv1d_width") - 1
    state = State(
        states=(
            ("conv1d_state", (width, short), None),
            ("recurrent_states", (width,), "F32"),
        ),
        name="recurrent",
    )

    def types(config: Config, layers: int) -> Sequence[str]:
        # The class's default is a tuple, which the data files do not keep.
        given = "block_types" in config.raw
        blocks = config.strings("block_types") if given else ("recurrent", "recurrent", "attention")
        if not blocks or len(blocks) * 100 < layers:
            raise ConfigError(
                f"found {describe(blocks)}",
                where=config.place("block_types"),
                expected="a pattern that fills the layers in at most 100 rounds",
            )
        return [
            "linear_attention"
            if blocks[layer % len(blocks)] == "recurrent"
            else "sliding_attention"
            for layer in range(layers)
        ]

    kinds = {"linear_attention": lambda config: state}
    return layered(_stated_or_split, types, explicit=False, kinds=kinds)(config)


def _stated_or_split(config: Config) -> Heads:
    dim = config.int("head_dim") if "head_dim" in config.raw else split_head_dim(config)
    count = kv_heads(config)
    rows = {".k_proj.weight": count * dim, ".v_proj.weight": count * dim}
    return Heads(count=count, k_dim=dim, v_dim=dim, rows=rows)


def _blt(config: Config) -> Plan:
    """BLT: its byte encoder's and its byte decoder's attention; patches are computed anew."""
    kinds: list[Kind] = []
    for key, model_type in (
        ("encoder_config", "blt_local_encoder"),
        ("decoder_config", "blt_local_decoder"),
    ):
        part = config.nested(key, model_type=model_type)
        count = part.optional_int("num_key_value_heads", least=0) or part.int("num_attention_heads")
        dim = split_head_dim(part)
        kinds += [Full(heads=count, k_dim=dim, v_dim=dim)] * part.layers()
    return Plan(
        kinds=kinds,
        notes=(
            "tokens are bytes; generate() of transformers 5.23.0 cannot make this model's cache, "
            "so this is what the class fills in one that it is given",
        ),
    )


ROWS: dict[str, Row] = {
    "blt": Row(_blt),
    "openai-gpt": Row(_nothing("n_layer")),
    "recurrent_gemma": Row(_recurrent_gemma),
    "rwkv": Row(_rwkv),
    "xlm": Row(_nothing("n_layers")),
    "xlnet": Row(_xlnet),
    "xlstm": Row(_xlstm),
}
