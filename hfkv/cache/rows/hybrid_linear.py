"""Hybrids of attention and linear attention: delta nets, lightning, gated recurrent units."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hfkv.cache.geometry import (
    Heads,
    grouped,
    grouped_by,
    grouped_stated,
    head_dim_or_split,
    heads,
    kv_heads,
    latent,
    split_head_dim,
    unfilled,
)
from hfkv.cache.kinds import Indexer, Kind, State, StatePart, Together
from hfkv.cache.layer_types import linear_but_one_in
from hfkv.cache.layered import layered, with_attention
from hfkv.cache.plan import Plan
from hfkv.cache.row import Row, table
from hfkv.cache.states import delta_attention, gated_delta
from hfkv.errors import ConfigError
from hfkv.facts.config import Config, Derived, Place
from hfkv.reading import describe

__all__ = ["ROWS"]

FULL, LINEAR, _INDEXED = "full_attention", "linear_attention", "indexed_attention"


def _bailing(config: Config) -> Plan:
    """Ling 2.5: the last of every ``layer_group_size`` layers is MLA, the others linear.

    Linear heads are the attention's, unless the file has keys of their own.
    """
    own = {
        "linear_head_dim": "head_dim",
        "linear_num_heads": "num_attention_heads",
        "linear_conv_kernel_dim": "short_conv_kernel_size",
    }
    view = config.overlaid(
        {key: Place(config, key if config.states(key) else source) for key, source in own.items()}
    )
    return layered(
        latent,
        linear_but_one_in("layer_group_size"),
        kinds={LINEAR: lambda config: delta_attention(view)},
    )(config)


def _kimi(config: Config) -> Plan:
    """Kimi Linear: an older file states the linear layers in ``linear_attn_config``."""
    if config.states("linear_attn_config") and config.peek("linear_attn_config") is None:
        raise ConfigError(
            "is null", where=config.place("linear_attn_config"), expected="an object, or no key"
        )
    older = config.nested("linear_attn_config")
    keys = {
        "linear_head_dim": "head_dim",
        "linear_num_heads": "num_heads",
        "linear_conv_kernel_dim": "short_conv_kernel_size",
    }

    def types(config: Config, layers: int) -> Sequence[str]:
        lists = {FULL: older.stated("full_attn_layers"), LINEAR: older.stated("kda_layers")}
        if any(item is None for item in lists.values()):
            return [FULL if layer and layer % 4 == 0 else LINEAR for layer in range(layers)]
        named: dict[int, str] = {}
        for kind, numbers in lists.items():
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

    view = config.overlaid(
        {own: Place(older, key) for own, key in keys.items() if older.states(key)}
    )
    return layered(latent, types, kinds={LINEAR: delta_attention})(view)


def _minimax(config: Config) -> Plan:
    """MiniMax: lightning layers keep one matrix per head; the others everything, never a window."""
    full = grouped_by(kv_heads, head_dim_or_split)(config).full()
    square = (heads(config), full.k_dim, full.k_dim)
    matrix = State(parts=(StatePart("recurrent", square),), name="lightning")
    kinds: dict[str, Callable[[Config], Kind]] = {
        FULL: lambda config: full,
        "sliding_attention": lambda config: full,
        LINEAR: lambda config: matrix,
    }
    return layered(
        grouped_stated,
        lambda config, layers: [LINEAR if layer % 2 else FULL for layer in range(layers)],
        kinds=kinds,
    )(config)


def _olmo_types(config: Config, layers: int) -> Sequence[str]:
    names = [FULL if layer % 4 == 3 else LINEAR for layer in range(layers)]
    return names if FULL in names or not names else [*names[:-1], FULL]


def _olmo_delta(config: Config) -> Kind:
    """Gated delta net whose sizes the class derives where they are null."""
    own: dict[str, Place | Derived] = {}
    for key in ("linear_num_key_heads", "linear_num_value_heads"):
        if not config.optional_int(key):
            own[key] = Place(config, "num_attention_heads")
    view = config.overlaid(own)
    key_dim = config.optional_int("linear_key_head_dim")
    if key_dim is None:
        keys = view.int("linear_num_key_heads")
        key_dim = 3 * config.int("hidden_size") // (4 * keys)
        source = f"3 * hidden_size // (4 * {keys} heads)"
        own["linear_key_head_dim"] = Derived(key_dim, source)
    if not config.optional_int("linear_value_head_dim"):
        own["linear_value_head_dim"] = Derived(2 * key_dim, "2 * linear_key_head_dim")
    return gated_delta(config.overlaid(own))


def _qwen4(config: Config) -> Plan:
    """Qwen 4: gated delta nets, some with n-gram convolutions; the others index blocks of keys."""
    full = unfilled(config).full()
    inner = linear_but_one_in()

    def types(config: Config, layers: int) -> Sequence[str]:
        return [_INDEXED if name == FULL else name for name in inner(config, layers)]

    def indexed(config: Config) -> Kind:
        return Together((full, Indexer(dim=config.int("indexer_head_dim"))))

    made = layered(
        unfilled,
        types,
        kinds={LINEAR: gated_delta, FULL: indexed, _INDEXED: indexed},
    )(config)
    kinds = list(made.kinds)
    # The positions that all indexers share stand in the first indexed layer.
    for index, kind in enumerate(kinds):
        if isinstance(kind, Together):
            keys = Indexer(dim=config.int("indexer_head_dim"), positions=True)
            kinds[index] = Together((full, keys))
            break
    for number in dict.fromkeys(config.ints("ple_layer_ids", least=1) or ()):
        if number > len(kinds) or not isinstance(kinds[number - 1], State):
            raise ConfigError(
                f"names layer {number}",
                where=config.place("ple_layer_ids"),
                expected="numbers, from 1 on, of linear layers",
            )
        kinds[number - 1] = _with_ngrams(config, kinds[number - 1])
    return Plan(kinds=kinds)


def _with_ngrams(config: Config, kind: Kind) -> Kind:
    """A linear layer that also keeps a dilated convolution's window and the last token ids."""
    assert isinstance(kind, State)
    gram = config.int("ngram_size", least=2)
    width = config.int("hc_count") * config.int("hidden_size")
    window = (config.int("ple_conv_kernel_size", least=2) - 1) * gram
    conv, recurrent = kind.parts
    return State(
        parts=(
            conv,
            StatePart("convolution", (width, window)),
            StatePart("ids", (gram - 1,), "I64"),
            recurrent,
        ),
        name="gated delta and n-grams",
    )


def _recurrent_gemma(config: Config) -> Plan:
    """RecurrentGemma: recurrent blocks hold their own states, attention a window."""
    for key in ("layer_types", "layers_block_type"):
        if config.states(key):
            raise ConfigError("is set", where=config.place(key), expected="block_types instead")
    width = config.optional_int("lru_width") or config.int("hidden_size")
    short = config.int("conv1d_width") - 1
    state = State(
        parts=(
            StatePart("convolution", (width, short)),
            StatePart("recurrent", (width,), "F32"),
        ),
        name="recurrent",
    )

    def types(config: Config, layers: int) -> Sequence[str]:
        blocks = config.strings("block_types")
        if not blocks or len(blocks) * 100 < layers:
            raise ConfigError(
                f"found {describe(blocks)}",
                where=config.place("block_types"),
                expected="a pattern that fills the layers in at most 100 rounds",
            )
        return [
            LINEAR if blocks[layer % len(blocks)] == "recurrent" else "sliding_attention"
            for layer in range(layers)
        ]

    kinds = {LINEAR: lambda config: state}
    return layered(_stated_or_split, types, explicit=False, kinds=kinds)(config)


def _stated_or_split(config: Config) -> Heads:
    dim = config.int("head_dim") if config.states("head_dim") else split_head_dim(config)
    count = kv_heads(config)
    rows = {".k_proj.weight": count * dim, ".v_proj.weight": count * dim}
    return Heads(count=count, k_dim=dim, v_dim=dim, rows=rows)


def _lara_types(config: Config, layers: int) -> Sequence[str]:
    pattern = (LINEAR, "sliding_attention", LINEAR, FULL, "sliding_attention")
    return [pattern[layer % len(pattern)] for layer in range(layers)]


ROWS: dict[str, Row] = table(
    ("bailing_hybrid", Row(with_attention(_bailing))),
    ("kimi_linear", Row(with_attention(_kimi))),
    ("lara_mini", Row(layered(unfilled, _lara_types, kinds={LINEAR: gated_delta}))),
    ("minimax", Row(_minimax)),
    (
        "olmo_hybrid",
        Row(with_attention(layered(grouped_stated, _olmo_types, kinds={LINEAR: _olmo_delta}))),
    ),
    (
        "qwen3_next",
        Row(layered(grouped, linear_but_one_in(), kinds={LINEAR: gated_delta})),
    ),
    ("qwen4_exp_text", Row(_qwen4)),
    ("recurrent_gemma", Row(_recurrent_gemma)),
)
