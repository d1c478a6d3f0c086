"""Hybrids of attention and Mamba: in layers that alternate, or side by side in one layer."""

from __future__ import annotations

from collections.abc import Sequence

from hfkv.cache.geometry import Heads, grouped, grouped_stated, heads, kv_heads
from hfkv.cache.kinds import Kind, Nothing
from hfkv.cache.layer_types import every_layer, jamba_blocks
from hfkv.cache.layered import layered, with_attention
from hfkv.cache.plan import Plan
from hfkv.cache.row import Row, table
from hfkv.cache.states import (
    mamba1_of_jamba,
    mamba1_of_zamba,
    mamba2_of_falcon_h1,
    mamba2_of_nemotron,
    mamba2_of_zamba2,
    with_state,
)
from hfkv.errors import ConfigError
from hfkv.facts.config import Config, Derived
from hfkv.reading import describe

__all__ = ["ROWS"]

FULL, LINEAR, HYBRID = "full_attention", "linear_attention", "hybrid"


def _bamba(config: Config) -> Plan:
    """Bamba: attention where ``attn_layer_indices`` says; no list of kinds can be given."""
    for key in ("layer_types", "layers_block_type"):
        if config.states(key):
            raise ConfigError(
                "is set", where=config.place(key), expected="attn_layer_indices in its stead"
            )
    chosen = config.ints("attn_layer_indices") or ()
    return layered(
        grouped_stated,
        lambda config, layers: [FULL if layer in chosen else LINEAR for layer in range(layers)],
        explicit=False,
        kinds={LINEAR: _divided_mamba2},
    )(config)


def _divided_mamba2(config: Config) -> Kind:
    """Mamba 2 under the same names, of a class that always expands its inner size."""
    inner = config.int("mamba_expand") * config.int("hidden_size")
    own = {"mamba_d_ssm": Derived(inner, "mamba_expand * hidden_size")}
    return mamba2_of_falcon_h1(config.overlaid(own))


def _nemotron_h(config: Config) -> Plan:
    """Nemotron-H: as many layers as kinds; ``num_hidden_layers`` is not read."""
    names, source = _nemotron_kinds(config)
    for key in ("mamba_n_groups", "mamba_d_conv"):
        if config.states(key) and config.peek(key) is None:
            raise ConfigError(
                "is null, which its class does not accept",
                where=config.place(key),
                expected="a value, or no such key",
            )
    # The class's own name for layer_types is layers_block_type.
    view = (
        config.overlaid({"layers_block_type": Derived(list(names), source)}) if source else config
    )
    nothing = Nothing()
    return layered(
        grouped_stated,
        kinds={
            LINEAR: mamba2_of_nemotron,
            "moe": lambda config: nothing,
            "mlp": lambda config: nothing,
        },
        layers=lambda config: len(names),
    )(view)


def _nemotron_kinds(config: Config) -> tuple[Sequence[str], str]:
    """The kinds of the layers, and where they come from if not from a list in the file."""
    given = config.strings("layer_types")
    if given is not None or config.states("layer_types"):
        return (given, "") if given else ((), "what layer_types says")
    pattern = config.stated("hybrid_override_pattern")
    if not config.states("hybrid_override_pattern"):
        return (LINEAR, "moe", FULL, "mlp"), "what its class puts where there is no list"
    letters = {"M": LINEAR, "E": "moe", "*": FULL, "-": "mlp"}
    if not isinstance(pattern, str) or not set(pattern) <= set(letters):
        raise ConfigError(
            f"found {describe(pattern)}",
            where=config.place("hybrid_override_pattern"),
            expected="letters M, E, * and -",
        )
    return [letters[letter] for letter in pattern], "the letters of hybrid_override_pattern"


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


ROWS: dict[str, Row] = table(
    ("bamba", Row(with_attention(_bamba))),
    (
        "falcon_h1",
        Row(
            layered(
                grouped,
                every_layer(HYBRID),
                explicit=False,
                kinds={HYBRID: with_state(grouped, mamba2_of_falcon_h1)},
            )
        ),
    ),
    (
        "granitemoehybrid",
        Row(
            with_attention(
                layered(grouped_stated, every_layer(LINEAR), kinds={LINEAR: _divided_mamba2})
            )
        ),
    ),
    (
        "jamba",
        Row(layered(grouped_stated, jamba_blocks, explicit=False, kinds={LINEAR: mamba1_of_jamba})),
    ),
    ("nemotron_h", Row(with_attention(_nemotron_h))),
    (
        "zamba",
        Row(
            with_attention(
                layered(
                    _zamba_heads,
                    _zamba_types,
                    kinds={
                        LINEAR: mamba1_of_zamba,
                        HYBRID: with_state(_zamba_heads, mamba1_of_zamba),
                    },
                )
            )
        ),
    ),
    (
        "zamba2",
        Row(
            with_attention(
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
    ),
)
