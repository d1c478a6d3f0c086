"""Which layers slide, where the file does not say it: the patterns of the config classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hfkv.errors import ConfigError
from hfkv.facts.config import Config
from hfkv.reading import describe

__all__ = [
    "LayerTypes",
    "all_full",
    "all_sliding",
    "every_other_below",
    "first_full",
    "full_at",
    "full_from_the_end",
    "inferred",
    "inferred_without_window",
    "last_full",
    "no_rope_chunked",
    "no_rope_sliding",
    "one_full_in",
    "sliding_prefix",
    "switched_from",
    "window_from",
]

#: A rule that names the kind of each of so many layers.
LayerTypes = Callable[[Config, int], Sequence[str]]

FULL, SLIDING, CHUNKED = "full_attention", "sliding_attention", "chunked_attention"
LINEAR = "linear_attention"


def inferred(config: Config, layers: int) -> Sequence[str]:
    """No pattern: all slide where there is a window, else all are chunked where there is a chunk
    size, else all are full (``cache_utils.py``, ``get_layer_types_and_kwargs``)."""
    if config.get("sliding_window") is not None:
        return [SLIDING] * layers
    return inferred_without_window(config, layers)


def inferred_without_window(config: Config, layers: int) -> Sequence[str]:
    """The same of a class that has emptied its window: chunked, or else full."""
    return [FULL if config.get("attention_chunk_size") is None else CHUNKED] * layers


def all_full(config: Config, layers: int) -> Sequence[str]:
    """Full attention everywhere, whatever window the file has."""
    return [FULL] * layers


def all_sliding(config: Config, layers: int) -> Sequence[str]:
    """Sliding everywhere, full where the window is null."""
    return [FULL if config.optional_int("sliding_window") is None else SLIDING] * layers


def one_full_in(period: int | str, *, offset: int = 1) -> LayerTypes:
    """The last of every ``period`` layers is full, the others slide.

    ``period`` is a number, or the key that states it.
    """

    def types(config: Config, layers: int) -> Sequence[str]:
        found = config.int(period) if isinstance(period, str) else period
        return [SLIDING if (layer + offset) % found else FULL for layer in range(layers)]

    return types


def first_full(period: int | str) -> LayerTypes:
    """The first of every ``period`` layers is full, the others slide."""
    return one_full_in(period, offset=0)


def full_from_the_end(period: int) -> LayerTypes:
    """Every ``period``-th layer counted back from the last is full, the others slide."""

    def types(config: Config, layers: int) -> Sequence[str]:
        return [SLIDING if (layers - 1 - layer) % period else FULL for layer in range(layers)]

    return types


def sliding_prefix(config: Config, layers: int) -> Sequence[str]:
    """Cohere 2 MoE: a pattern of its own for the first, dense layers, then the usual one."""
    first = config.int("first_k_dense_replace", least=0)
    periods = [(first, config.int("prefix_dense_sliding_window_pattern"))]
    periods.append((max(layers - first, 0), config.int("sliding_window_pattern")))
    return [
        SLIDING if (layer + 1) % period else FULL
        for count, period in periods
        for layer in range(count)
    ]


def window_from(config: Config, layers: int) -> Sequence[str]:
    """dots.llm1: sliding from ``max_window_layers`` on, if there is a window."""
    return _from_there_on(config, layers, config.optional_int("sliding_window"))


def _from_there_on(config: Config, layers: int, window: int | None) -> Sequence[str]:
    if window is None:
        return [FULL] * layers
    first = config.int("max_window_layers", least=0)
    return [SLIDING if layer >= first else FULL for layer in range(layers)]


def full_at(chosen: Callable[[int, int], bool]) -> LayerTypes:
    """Full where ``chosen`` (layer, layers) says so, sliding elsewhere."""

    def types(config: Config, layers: int) -> Sequence[str]:
        return [FULL if chosen(layer, layers) else SLIDING for layer in range(layers)]

    return types


def every_layer(kind: str) -> LayerTypes:
    """The same type everywhere."""

    def types(config: Config, layers: int) -> Sequence[str]:
        return [kind] * layers

    return types


def linear_but_one_in(key: str = "full_attention_interval") -> LayerTypes:
    """The last of every so many layers as ``key`` says is full, the others are recurrent."""
    inner = one_full_in(key)

    def types(config: Config, layers: int) -> Sequence[str]:
        return [LINEAR if name == SLIDING else name for name in inner(config, layers)]

    return types


def jamba_blocks(config: Config, layers: int) -> Sequence[str]:
    """Jamba: attention at ``attn_layer_offset`` of every ``attn_layer_period`` layers."""
    period = config.int("attn_layer_period")
    offset = config.int("attn_layer_offset", least=0)
    return [FULL if layer % period == offset else LINEAR for layer in range(layers)]


def last_full(inner: LayerTypes) -> LayerTypes:
    """As ``inner`` says, but the last layer is full."""

    def types(config: Config, layers: int) -> Sequence[str]:
        return [*inner(config, layers)[:-1], FULL] if layers else []

    return types


def every_other_below(config: Config, layers: int) -> Sequence[str]:
    """Qwen2-MoE: every other layer below ``max_window_layers`` slides, if there is a window."""
    if window_if_used(config) is None:
        return [FULL] * layers
    below = config.int("max_window_layers", least=0)
    return [SLIDING if not layer % 2 and layer < below else FULL for layer in range(layers)]


def switched_from(config: Config, layers: int) -> Sequence[str]:
    """Qwen: full below ``max_window_layers``, sliding from there on, if there is a window."""
    return _from_there_on(config, layers, window_if_used(config))


def window_if_used(config: Config) -> int | None:
    """``sliding_window`` where ``use_sliding_window`` is set, else none."""
    return config.optional_int("sliding_window") if config.bool("use_sliding_window") else None


def window_if_causal(config: Config) -> int | None:
    """``sliding_window``, halved where attention looks both ways (``use_bidirectional_attention``
    of Gemma 3; "all" in Gemma 4): the class then sets bounds that exclude the far end."""
    window = config.optional_int("sliding_window")
    both = config.get("use_bidirectional_attention")
    if window is None or both is None or both is False or both == "vision":
        return window
    if both is not True and both != "all":
        raise ConfigError(
            f"found {describe(both)}",
            where=config.place("use_bidirectional_attention"),
            expected="true, false or 'all'",
        )
    return window // 2 + 1


def _no_rope(config: Config, layers: int) -> list[bool]:
    """Whether each layer has rotary positions; by default every fourth has none."""
    given = config.ints("no_rope_layers")
    if given is not None and given:
        if len(given) != layers:
            raise ConfigError(
                f"has {len(given)} entries",
                where=config.place("no_rope_layers"),
                expected=f"one for each of the {layers} layers",
            )
        return [bool(item) for item in given]
    interval = config.int("no_rope_layer_interval")
    return [(layer + 1) % interval != 0 for layer in range(layers)]


def no_rope_chunked(config: Config, layers: int) -> Sequence[str]:
    """Llama 4: layers with rotary positions are chunked, if there are chunks; others are full."""
    chunked = config.optional_int("attention_chunk_size") is not None
    return [CHUNKED if rope and chunked else FULL for rope in _no_rope(config, layers)]


def no_rope_sliding(config: Config, layers: int) -> Sequence[str]:
    """SmolLM3: layers without rotary positions slide, if ``use_sliding_window`` is set."""
    used = window_if_used(config) is not None
    return [SLIDING if used and not rope else FULL for rope in _no_rope(config, layers)]
