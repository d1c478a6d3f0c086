"""Hybrids of attention and short convolutions, which keep a window of their inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hfkv.cache.geometry import Heads, heads, unfilled
from hfkv.cache.kinds import Kind, State, StatePart, Together
from hfkv.cache.layer_types import every_layer
from hfkv.cache.layered import layered, looped, with_attention
from hfkv.cache.plan import Plan
from hfkv.cache.row import Row, table
from hfkv.cache.states import short_convolution
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.config import Config
from hfkv.reading import describe

__all__ = ["ROWS"]

FULL, CONV, HYBRID = "full_attention", "conv", "hybrid"
_LOOP_END = "loop_layer_index_end"
_CONVOLUTION = {CONV: short_convolution("conv_L_cache")}


def _attention(count: int, dim: int, window: int | None) -> Kind:
    """Attention to all tokens, or to a window."""
    shape = Heads(count=count, k_dim=dim, v_dim=dim, rows={".k_proj.weight": count * dim})
    return shape.full() if window is None else shape.within(window)


def _inkling(sliding: bool) -> Callable[[Config], Kind]:
    """Attention with four short convolutions, which the class computes and keeps in float32."""
    prefix = "swa_" if sliding else ""

    def kind(config: Config) -> Kind:
        count, dim = (config.int(prefix + key) for key in ("num_key_value_heads", "head_dim"))
        kernel, hidden = config.int("conv_kernel_size"), config.int("hidden_size")
        sizes = (count * dim, count * dim, hidden, hidden)
        states = State(
            parts=tuple(StatePart("convolution", (size, kernel), "F32") for size in sizes),
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
    unfilled, _local_layers, kinds={HYBRID: _inkling(False), "hybrid_sliding": _inkling(True)}
)


def _inkling_loop(config: Config) -> Plan:
    """Inkling 2 with a loop: some layers run several times, as ``loop_config`` may say anew."""
    given = config.peek("loop_config")
    if given is not None and not isinstance(given, Mapping):
        raise ConfigError(
            f"found {describe(given)}", where=config.place("loop_config"), expected="an object"
        )
    newer = config.nested("loop_config")

    def value(key: str, own: str) -> int:
        return newer.int(key) if newer.states(key) else config.int(own)

    made = _INKLING(config)
    start, stop = value("core_start", "loop_layer_index_start"), value("core_end", _LOOP_END)
    size = config.int("n_layers_per_attn_res_block")
    for key, place in (("loop_layer_index_start", start), (_LOOP_END, stop)):
        if place % size or not start <= stop <= len(made.kinds):
            raise ConfigError(
                f"found {place}",
                where=config.place(key),
                expected=f"a multiple of n_layers_per_attn_res_block ({size}), a loop's start "
                f"before its end, within the {len(made.kinds)} layers",
            )
    passes = value("num_passes", "loop_num_passes")
    return looped(config, made, start, stop, passes, "loop_num_passes")


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


def _zaya(sliding: bool) -> Callable[[Config], Kind]:
    """ZAYA: attention whose queries and keys pass two convolutions, and delayed half values."""

    def kind(config: Config) -> Kind:
        count, dim = config.int("num_key_value_heads"), config.int("head_dim")
        before = config.int("cca_time0") - 1 + config.int("cca_time1") - 1
        if not before:
            raise UnsupportedError(
                "each convolution sees one token only",
                where=config.place("cca_time0"),
                expected="cca_time0 or cca_time1 above 1",
            )
        states = State(
            parts=(
                StatePart("convolution", ((heads(config) + count) * dim, before)),
                StatePart("recurrent", (count * dim // 2,)),
            ),
            name="convolution",
        )
        window = config.int("sliding_window") if sliding else None
        return Together((_attention(count, dim, window), states))

    return kind


ROWS: dict[str, Row] = table(
    ("inkling_text", Row(_INKLING)),
    ("inkling2_loop_text", Row(_inkling_loop)),
    ("lfm2", Row(with_attention(layered(unfilled, _lfm2_types, kinds=_CONVOLUTION)))),
    ("lfm2_moe", Row(with_attention(layered(unfilled, _no_default, kinds=_CONVOLUTION)))),
    ("lfm3", Row(with_attention(layered(unfilled, _lfm3_types, kinds=_CONVOLUTION)))),
    (
        "zaya",
        Row(
            layered(
                unfilled,
                every_layer(HYBRID),
                kinds={HYBRID: _zaya(False), "hybrid_sliding": _zaya(True)},
            )
        ),
    ),
)
