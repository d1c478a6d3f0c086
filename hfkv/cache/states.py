"""Kinds whose memory does not grow: convolution windows and recurrent states; and sparse layers.

Recurrent states are float32 whatever the model's dtype, convolution states are the model's own.
"""

from __future__ import annotations

from collections.abc import Callable

from hfkv.cache.geometry import Geometry, latent
from hfkv.cache.kinds import Indexer, Kind, State, StatePart, Together
from hfkv.errors import ConfigError
from hfkv.facts.config import Config

#: A rule that reads what one layer keeps from a config.
KindRule = Callable[[Config], Kind]

__all__ = [
    "KindRule",
    "delta_attention",
    "gated_delta",
    "indexed_latent",
    "mamba1",
    "mamba1_of_jamba",
    "mamba1_of_zamba",
    "mamba2",
    "mamba2_of_falcon_h1",
    "mamba2_of_nemotron",
    "mamba2_of_zamba2",
    "short_convolution",
    "with_state",
]


def _state(name: str, conv: tuple[int, int], recurrent: tuple[int, ...]) -> State:
    return State(
        parts=(StatePart("convolution", conv), StatePart("recurrent", recurrent, "F32")),
        name=name,
    )


def gated_delta(config: Config) -> Kind:
    """Gated delta net: one window over queries, keys and values, one matrix per value head."""
    keys = config.int("linear_num_key_heads") * config.int("linear_key_head_dim")
    heads = config.int("linear_num_value_heads")
    values = heads * config.int("linear_value_head_dim")
    return _state(
        "gated delta",
        (2 * keys + values, config.int("linear_conv_kernel_dim")),
        (heads, config.int("linear_key_head_dim"), config.int("linear_value_head_dim")),
    )


def delta_attention(config: Config) -> Kind:
    """Kimi's delta attention: as many keys as values, one square matrix per head."""
    heads, dim = config.int("linear_num_heads"), config.int("linear_head_dim")
    return _state(
        "delta attention",
        (3 * heads * dim, config.int("linear_conv_kernel_dim")),
        (heads, dim, dim),
    )


def _expanded(config: Config, expand: str) -> int:
    # Some classes take the whole part of the product, and yet none lets a fraction in.
    return config.int(expand) * config.int("hidden_size")


def mamba1(config: Config) -> Kind:
    """Mamba: a window and a state of each inner channel.

    The class sets ``intermediate_size`` from ``expand``, but lets one of the file stand.
    """
    stated = config.has("intermediate_size")
    inner = config.int("intermediate_size") if stated else _expanded(config, "expand")
    return _state("mamba", (inner, config.int("conv_kernel")), (inner, config.int("state_size")))


def mamba1_of_jamba(config: Config) -> Kind:
    """Mamba under Jamba's names."""
    inner = _expanded(config, "mamba_expand")
    return _state(
        "mamba", (inner, config.int("mamba_d_conv")), (inner, config.int("mamba_d_state"))
    )


def mamba2(config: Config) -> Kind:
    """Mamba 2: one window over inputs and both groups of projections, one matrix per head."""
    inner = _expanded(config, "expand")
    state = config.int("state_size")
    channels = inner + 2 * config.int("n_groups") * state
    return _state(
        "mamba2",
        (channels, config.int("conv_kernel")),
        (config.int("num_heads"), config.int("head_dim"), state),
    )


def mamba2_of_nemotron(config: Config) -> Kind:
    """Mamba 2 under Nemotron-H's names, which count the inner size by heads."""
    heads, dim = config.int("mamba_num_heads"), config.int("mamba_head_dim")
    state = config.int("ssm_state_size")
    channels = heads * dim + 2 * config.int("n_groups") * state
    return _state("mamba2", (channels, config.int("conv_kernel")), (heads, dim, state))


def mamba1_of_zamba(config: Config) -> Kind:
    """Mamba whose inner channels are split into heads."""
    inner = config.int("mamba_expand") * config.int("hidden_size")
    heads = config.int("n_mamba_heads")
    if inner % heads:
        raise ConfigError(
            f"found {heads}",
            where=config.place("n_mamba_heads"),
            expected=f"a divisor of the {inner} channels",
        )
    window = (inner, config.int("mamba_d_conv"))
    return _state("mamba", window, (heads, inner // heads, config.int("mamba_d_state")))


def mamba2_of_zamba2(config: Config) -> Kind:
    """Mamba 2 under Zamba 2's names; the size of a head is derived, or the file's own."""
    inner = config.int("mamba_expand") * config.int("hidden_size")
    heads, state = config.int("n_mamba_heads"), config.int("mamba_d_state")
    stated = config.states("mamba_headdim")
    dim = config.int("mamba_headdim") if stated else inner // heads
    channels = inner + 2 * config.int("mamba_ngroups") * state
    return _state("mamba2", (channels, config.int("mamba_d_conv")), (heads, dim, state))


def mamba2_of_falcon_h1(config: Config) -> Kind:
    """Mamba 2 under Falcon-H1's names; the inner size is stated or expanded.

    The class refuses heads that do not make it up.
    """
    given = config.optional_int("mamba_d_ssm")
    inner = _expanded(config, "mamba_expand") if given is None else given
    heads = config.int("mamba_n_heads")
    dim = config.get("mamba_d_head")
    size = inner // heads if dim == "auto" else config.int("mamba_d_head")
    if size * heads != inner:
        raise ConfigError(
            f"{heads} heads of {size}",
            where=config.place("mamba_n_heads"),
            expected=f"heads that make up {inner} channels",
        )
    state = config.int("mamba_d_state")
    channels = inner + 2 * config.int("mamba_n_groups") * state
    return _state("mamba2", (channels, config.int("mamba_d_conv")), (heads, size, state))


def short_convolution(key: str) -> KindRule:
    """A short convolution over the hidden size: a window and nothing else."""

    def kind(config: Config) -> Kind:
        window = (config.int("hidden_size"), config.int(key))
        return State(parts=(StatePart("convolution", window),), name="convolution")

    return kind


def with_state(geometry: Geometry, state: KindRule) -> KindRule:
    """A layer with attention and a recurrent state side by side."""

    def kind(config: Config) -> Kind:
        return Together((geometry(config).full(), state(config)))

    return kind


def indexed_latent(config: Config) -> Kind:
    """MLA with the keys of a sparse-attention indexer, one head of ``index_head_dim``."""
    return Together((latent(config).full(), Indexer(dim=config.int("index_head_dim"))))
