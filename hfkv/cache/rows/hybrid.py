"""Hybrids: layers with attention, layers with recurrent or convolution states, layers with both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hfkv.cache.geometry import (
    Heads,
    declared_head_dim,
    grouped_by,
    head_dim_or_split,
    heads,
    kv_heads,
    latent,
    stated_kv_heads,
)
from hfkv.cache.kinds import Full, Kind, Nothing, Sliding, State, Together
from hfkv.cache.layer_types import every_layer, linear_but_one_in
from hfkv.cache.plan import Plan
from hfkv.cache.plans import PlanFunction, layered
from hfkv.cache.row import Row
from hfkv.cache.states import (
    delta_attention,
    gated_delta,
    mamba1_of_zamba,
    mamba2_of_falcon_h1,
    mamba2_of_nemotron,
    mamba2_of_zamba2,
    short_convolution,
    with_state,
)
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.config import Config
from hfkv.reading import describe

__all__ = ["ROWS"]

FULL, LINEAR, CONV, HYBRID = "full_attention", "linear_attention", "conv", "hybrid"
_FILLED = grouped_by(kv_heads, declared_head_dim)
_STATED = grouped_by(stated_kv_heads, declared_head_dim)
_CONVOLUTION = {CONV: short_convolution("conv_L_cache")}


def _attends(inner: PlanFunction) -> PlanFunction:
    """The class asks its cache how long it is, which only attention layers can answer."""

    def plan(config: Config) -> Plan:
        made = inner(config)
        different = {id(kind): kind for kind in made.kinds}.values()
        if not any(slot.name == "keys" for kind in different for slot in kind.slots(1, 1, 0)):
            raise ConfigError(
                "no layer has attention, without which its class cannot generate",
                where=config.place("layer_types"),
                expected="at least one attention layer",
            )
        return made

    return plan


def _overlaid_linear(config: Config) -> Config:
    """Ling 2.5: linear heads are the attention's, unless the file has keys of their own."""
    own = {
        "linear_head_dim": "head_dim",
        "linear_num_heads": "num_attention_heads",
        "linear_conv_kernel_dim": "short_conv_kernel_size",
    }
    values = {key: config.int(key if key in config.raw else source) for key, source in own.items()}
    return config.overlaid(values, None)


def _bailing(config: Config) -> Plan:
    """Ling 2.5: the last of every ``layer_group_size`` layers is MLA, the others linear."""
    return layered(
        latent,
        linear_but_one_in(config.int("layer_group_size")),
        kinds={LINEAR: lambda config: delta_attention(_overlaid_linear(config))},
    )(config)


def _kimi(config: Config) -> Plan:
    """Kimi Linear: an older file states the linear layers in ``linear_attn_config``."""
    older: Any = config.raw.get("linear_attn_config", {})
    if not isinstance(older, Mapping):
        raise ConfigError(
            f"found {describe(older)}",
            where=config.place("linear_attn_config"),
            expected="an object",
        )
    keys = {
        "linear_head_dim": "head_dim",
        "linear_num_heads": "num_heads",
        "linear_conv_kernel_dim": "short_conv_kernel_size",
    }
    values = {own: older[key] for own, key in keys.items() if key in older}
    lists = [older.get("full_attn_layers"), older.get("kda_layers")]

    def types(config: Config, layers: int) -> Sequence[str]:
        if any(item is None for item in lists):
            return [FULL if layer and layer % 4 == 0 else LINEAR for layer in range(layers)]
        named: dict[int, str] = {}
        for kind, numbers in zip((FULL, LINEAR), lists, strict=True):
            if not isinstance(numbers, list):
                raise ConfigError(
                    f"found {describe(numbers)}",
                    where=config.place("linear_attn_config"),
                    expected="lists of the numbers of layers, from 1 on",
                )
            named.update({config.check_int("linear_attn_config", n) - 1: kind for n in numbers})
        if set(named) != set(range(layers)):
            raise ConfigError(
                "its lists do not name every layer",
                where=config.place("linear_attn_config"),
                expected=f"each of the layers 1 to {layers} in one of them",
            )
        return [named[layer] for layer in range(layers)]

    view = config.overlaid(values, "linear_attn_config") if values else config
    return layered(latent, types, kinds={LINEAR: delta_attention})(view)


def _bamba(config: Config) -> Plan:
    """Bamba: attention where ``attn_layer_indices`` says; no list of kinds can be given."""
    for key in ("layer_types", "layers_block_type"):
        if key in config.raw:
            raise ConfigError(
                "is set", where=config.place(key), expected="attn_layer_indices in its stead"
            )
    chosen = config.ints("attn_layer_indices") or ()
    return layered(
        _FILLED,
        lambda config, layers: [FULL if layer in chosen else LINEAR for layer in range(layers)],
        explicit=False,
        kinds={LINEAR: _divided_mamba2},
    )(config)


def _divided_mamba2(config: Config) -> Kind:
    """Mamba 2 under the same names, of a class that always expands its inner size."""
    inner = config.int("mamba_expand") * config.int("hidden_size")
    return mamba2_of_falcon_h1(config.overlaid({"mamba_d_ssm": inner}, None))


def _attention(count: int, dim: int, window: int | None) -> Kind:
    """Keys and values of all tokens, or of a window."""
    rows = {".k_proj.weight": count * dim}
    if window is None:
        return Full(heads=count, k_dim=dim, v_dim=dim, rows=rows)
    return Sliding(window=window, heads=count, k_dim=dim, v_dim=dim, rows=rows)


def _inkling(sliding: bool) -> Callable[[Config], Kind]:
    """Attention with four short convolutions, which the class computes and keeps in float32."""
    prefix = "swa_" if sliding else ""

    def kind(config: Config) -> Kind:
        count, dim = (config.int(prefix + key) for key in ("num_key_value_heads", "head_dim"))
        kernel, hidden = config.int("conv_kernel_size"), config.int("hidden_size")
        sizes = (count * dim, count * dim, hidden, hidden)
        states = State(
            states=tuple(
                (f"conv_states.{index}", (size, kernel), "F32") for index, size in enumerate(sizes)
            ),
            name="convolutions",
        )
        window = config.int("sliding_window_size") if sliding else None
        return Together((_attention(count, dim, window), states))

    return kind


def _local_layers(config: Config, layers: int) -> Sequence[str]:
    """Inkling: sliding where ``local_layer_ids`` says, by default but in every sixth layer."""
    given = config.ints("local_layer_ids") if config.model_type == "inkling_text" else None
    local = [layer for layer in range(layers) if (layer + 1) % 6] if given is None else given
    return ["hybrid_sliding" if layer in local else HYBRID for layer in range(layers)]


_INKLING = layered(
    _STATED, _local_layers, kinds={HYBRID: _inkling(False), "hybrid_sliding": _inkling(True)}
)


def _lfm2_types(config: Config, layers: int) -> Sequence[str]:
    """LFM2: attention where ``full_attn_idxs`` says, by default everywhere."""
    chosen = config.ints("full_attn_idxs")
    return [FULL if chosen is None or layer in chosen else CONV for layer in range(layers)]


def _lfm3_types(config: Config, layers: int) -> Sequence[str]:
    names = {2: FULL, 0: "sliding_attention"}
    return [names.get(layer % 4, CONV) if layer else CONV for layer in range(layers)]


def _no_default(config: Config, layers: int) -> Sequence[str]:
    raise ConfigError(
        "is missing, and its class has no pattern",
        where=config.place("layer_types"),
        expected="a list with a kind for each layer",
    )


def _minimax(config: Config) -> Plan:
    """MiniMax: lightning layers keep one matrix per head; the others everything, never a window."""
    shape = grouped_by(kv_heads, head_dim_or_split)(config)
    full = Full(heads=shape.count, k_dim=shape.k_dim, v_dim=shape.v_dim, rows=shape.rows)
    dim = shape.k_dim
    matrix = State(states=(("linear_cache", (heads(config), dim, dim), None),), name="lightning")
    kinds: dict[str, Callable[[Config], Kind]] = {
        FULL: lambda config: full,
        "sliding_attention": lambda config: full,
        LINEAR: lambda config: matrix,
    }
    return layered(
        _FILLED,
        lambda config, layers: [LINEAR if layer % 2 else FULL for layer in range(layers)],
        kinds=kinds,
    )(config)


def _nemotron_h(config: Config) -> Plan:
    """Nemotron-H: as many layers as kinds; ``num_hidden_layers`` is not read."""
    names = _nemotron_kinds(config)
    renamed = {
        own: config.raw[key]
        for own, key in (("n_groups", "mamba_n_groups"), ("conv_kernel", "mamba_d_conv"))
        if key in config.raw
    }
    view = config.overlaid({**renamed, "layers_block_type": list(names)}, "layers_block_type")
    nothing = Nothing()
    return layered(
        _FILLED,
        kinds={
            LINEAR: mamba2_of_nemotron,
            "moe": lambda config: nothing,
            "mlp": lambda config: nothing,
        },
        layers=lambda config: len(names),
    )(view)


def _nemotron_kinds(config: Config) -> Sequence[str]:
    given = config.strings("layer_types")
    if given is not None or "layer_types" in config.raw:
        return given or ()
    if "hybrid_override_pattern" not in config.raw:
        return (LINEAR, "moe", FULL, "mlp")
    pattern = config.get("hybrid_override_pattern")
    letters = {"M": LINEAR, "E": "moe", "*": FULL, "-": "mlp"}
    if not isinstance(pattern, str) or not set(pattern) <= set(letters):
        raise ConfigError(
            f"found {describe(pattern)}",
            where=config.place("hybrid_override_pattern"),
            expected="letters M, E, * and -",
        )
    return [letters[letter] for letter in pattern]


def _olmo_types(config: Config, layers: int) -> Sequence[str]:
    names = [FULL if layer % 4 == 3 else LINEAR for layer in range(layers)]
    return names if FULL in names or not names else [*names[:-1], FULL]


def _olmo_delta(config: Config) -> Kind:
    """Gated delta net whose sizes the class derives where they are null."""
    keys = config.optional_int("linear_num_key_heads") or heads(config)
    values = config.optional_int("linear_num_value_heads") or heads(config)
    key_dim = config.optional_int("linear_key_head_dim")
    if key_dim is None:
        key_dim = 3 * config.int("hidden_size") // (4 * keys)
    value_dim = config.optional_int("linear_value_head_dim") or 2 * key_dim
    return gated_delta(
        config.overlaid(
            {
                "linear_num_key_heads": keys,
                "linear_num_value_heads": values,
                "linear_key_head_dim": key_dim,
                "linear_value_head_dim": value_dim,
            },
            None,
        )
    )


def _zamba_types(config: Config, layers: int) -> Sequence[str]:
    period = config.int("attn_layer_period")
    offset = config.int("attn_layer_offset", least=0)
    rest = [HYBRID if layer % period == offset else LINEAR for layer in range(max(layers - 3, 0))]
    return _all_of([LINEAR, LINEAR, HYBRID, *rest], config, layers)


def _zamba2_types(config: Config, layers: int) -> Sequence[str]:
    six = [*[LINEAR] * 5, HYBRID]
    tail = [*[LINEAR] * 4, HYBRID, *[LINEAR] * 3, HYBRID, *[LINEAR] * 2]
    return _all_of([LINEAR, *six * 7, *tail], config, layers)


def _all_of(names: Sequence[str], config: Config, layers: int) -> Sequence[str]:
    if len(names) != layers:
        raise ConfigError(
            f"found {layers}, but the pattern of its class has {len(names)} layers",
            where=config.place("num_hidden_layers"),
            expected="layers_block_type beside another number of layers",
        )
    return names


def _zamba_heads(config: Config) -> Heads:
    """Attention over twice the hidden size."""
    dim = config.optional_int("attention_head_dim", least=0)
    dim = dim or 2 * config.int("hidden_size") // heads(config)
    return Heads(count=config.int("num_key_value_heads"), k_dim=dim, v_dim=dim)


def _zamba2_heads(config: Config) -> Heads:
    """As Zamba, but a class that fills in missing heads."""
    if config.has("attention_head_dim"):
        dim = config.int("attention_head_dim")
    else:
        dim = 2 * config.int("hidden_size") // heads(config)
    return Heads(count=kv_heads(config), k_dim=dim, v_dim=dim)


def _zaya(sliding: bool) -> Callable[[Config], Kind]:
    """ZAYA: attention whose queries and keys pass two convolutions, and delayed half values."""

    def kind(config: Config) -> Kind:
        count, dim = config.int("num_key_value_heads"), config.int("head_dim")
        before = config.int("cca_time0") - 1 + config.int("cca_time1") - 1
        if not before:
            raise UnsupportedError(
                "convolutions over one token each", where=config.place("cca_time0")
            )
        states = State(
            states=(
                ("conv_states.0", ((heads(config) + count) * dim, before), None),
                ("recurrent_states.0", (count * dim // 2,), None),
            ),
            name="convolution",
        )
        window = config.int("sliding_window") if sliding else None
        return Together((_attention(count, dim, window), states))

    return kind


_DIVIDED = {LINEAR: _divided_mamba2}

ROWS: dict[str, Row] = {
    "bailing_hybrid": Row(_attends(_bailing)),
    "bamba": Row(_attends(_bamba)),
    "granitemoehybrid": Row(_attends(layered(_FILLED, every_layer(LINEAR), kinds=_DIVIDED))),
    "inkling2_text": Row(_INKLING),
    "inkling_text": Row(_INKLING),
    "kimi_linear": Row(_attends(_kimi)),
    "lfm2": Row(_attends(layered(_STATED, _lfm2_types, kinds=_CONVOLUTION))),
    "lfm2_moe": Row(_attends(layered(_STATED, _no_default, kinds=_CONVOLUTION))),
    "lfm3": Row(_attends(layered(_STATED, _lfm3_types, kinds=_CONVOLUTION))),
    "minimax": Row(_minimax),
    "nemotron_h": Row(_attends(_nemotron_h)),
    "olmo_hybrid": Row(_attends(layered(_FILLED, _olmo_types, kinds={LINEAR: _olmo_delta}))),
    "zamba": Row(
        _attends(
            layered(
                _zamba_heads,
                _zamba_types,
                kinds={LINEAR: mamba1_of_zamba, HYBRID: with_state(_zamba_heads, mamba1_of_zamba)},
            )
        )
    ),
    "zamba2": Row(
        _attends(
            layered(
                _zamba2_heads,
                _zamba2_types,
                kinds={
                    LINEAR: mamba2_of_zamba2,
                    HYBRID: with_state(_zamba2_heads, mamba2_of_zamba2),
                },
            )
        )
    ),
    "zaya": Row(
        layered(
            _STATED,
            every_layer(HYBRID),
            kinds={HYBRID: _zaya(False), "hybrid_sliding": _zaya(True)},
        )
    ),
}
