"""Architectures with kinds of their own: DeepSeek-V4, Qwen 4, Reformer, Unlimited OCR."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hfkv.cache.geometry import (
    Heads,
    declared_head_dim,
    grouped_by,
    kv_heads,
    split_head_dim,
    stated_kv_heads,
)
from hfkv.cache.kinds import Full, Indexed, Kind, State, Together
from hfkv.cache.layer_types import linear_but_one_in
from hfkv.cache.plan import Plan
from hfkv.cache.plans import layered
from hfkv.cache.row import Row
from hfkv.cache.states import gated_delta
from hfkv.cache.uncommon import Compressed, Hashed, Positions, Prompted
from hfkv.errors import ConfigError
from hfkv.facts.config import Config
from hfkv.reading import describe

__all__ = ["ROWS"]

_HEAVY, _SPARSE = "heavily_compressed_attention", "compressed_sparse_attention"
_SLIDING, _FULL = "sliding_attention", "full_attention"
_LINEAR, _INDEXED = "linear_attention", "indexed_attention"


def _deepseek_v4(config: Config) -> Plan:
    """DeepSeek-V4: windows, most of them with compressed entries at one of two rates."""
    rates = _rates(config)
    window, dim = config.int("sliding_window"), config.int("head_dim")

    def types(config: Config, layers: int) -> Sequence[str]:
        older = config.raw.get("compress_ratios")
        if older is None:
            rest = [_SPARSE if layer % 2 else _HEAVY for layer in range(max(layers - 2, 0))]
            return [*[_HEAVY] * min(layers, 2), *rest]
        words = {0: _SLIDING, 4: _SPARSE, 128: _HEAVY}
        if not isinstance(older, list) or len(older) < layers or not set(older) <= set(words):
            raise ConfigError(
                f"found {describe(older)}",
                where=config.place("compress_ratios"),
                expected="0, 4 or 128 for each layer",
            )
        return [words[ratio] for ratio in older[:layers]]

    heavy = Compressed(window=window, rate=rates[_HEAVY], dim=dim)
    sparse = Compressed(
        window=window,
        rate=rates[_SPARSE],
        dim=dim,
        indexer=config.int("index_head_dim"),
        name="compressed and indexed",
    )
    kinds = {_HEAVY: lambda config: heavy, _SPARSE: lambda config: sparse}
    view, count = config, config.layers()
    names = config.strings("layer_types")
    if names is not None and len(names) > count:
        # The list may go on with drafting layers, which the class cuts.
        view = config.overlaid({"layer_types": list(names[:count])}, "layer_types")
    made = layered(_one_head, types, kinds=kinds)(view)
    for index, kind in enumerate(made.kinds):
        if kind.name not in ("sliding", heavy.name, sparse.name):
            raise ConfigError(
                f"layer {index} is {kind.name}",
                where=config.place("layer_types"),
                expected=f"{_SLIDING}, {_HEAVY} or {_SPARSE}",
            )
    return made


def _one_head(config: Config) -> Heads:
    dim = config.int("head_dim")
    return Heads(count=1, k_dim=dim, v_dim=dim)


def _rates(config: Config) -> dict[str, int]:
    """Tokens in an entry, by the type of layer; older files state them in keys of their own."""
    given: Any = config.get("compress_rates")
    if given is None:
        given = {_SPARSE: 4, _HEAVY: 128}
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"found {describe(given)}", where=config.place("compress_rates"), expected="an object"
        )
    found = {}
    for name, older in ((_SPARSE, "compress_rate_csa"), (_HEAVY, "compress_rate_hca")):
        value = config.raw.get(older)
        value = given.get(name) if value is None else value
        found[name] = config.check_int(f"compress_rates.{name}", value)
    return found


def _qwen4(config: Config) -> Plan:
    """Qwen 4: gated delta nets, some with n-gram convolutions; the others index blocks of keys."""
    shape = grouped_by(stated_kv_heads, declared_head_dim)(config)
    full = Full(heads=shape.count, k_dim=shape.k_dim, v_dim=shape.v_dim, rows=shape.rows)
    inner = linear_but_one_in(4)

    def types(config: Config, layers: int) -> Sequence[str]:
        return [_INDEXED if name == _FULL else name for name in inner(config, layers)]

    def indexed(config: Config) -> Kind:
        return Together((full, Indexed(dim=config.int("indexer_head_dim"))))

    made = layered(
        grouped_by(stated_kv_heads, declared_head_dim),
        types,
        kinds={_LINEAR: gated_delta, _FULL: indexed, _INDEXED: indexed},
    )(config)
    kinds = list(made.kinds)
    # The positions that all indexers share stand in the first indexed layer.
    for index, kind in enumerate(kinds):
        if isinstance(kind, Together):
            kinds[index] = Together((*kind.parts, Positions()))
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
    conv, recurrent = kind.states
    return State(
        states=(
            conv,
            ("conv_states.1", (width, window), None),
            ("conv_states.2", (gram - 1,), "I64"),
            recurrent,
        ),
        name="gated delta and n-grams",
    )


def _reformer(config: Config) -> Plan:
    """Reformer: hidden states of every token; layers that hash keep buckets too."""
    if not config.bool("is_decoder"):
        raise ConfigError(
            "is false, with which its class generates nothing",
            where=config.place("is_decoder"),
            expected="true",
        )
    # The class's default is a tuple, which the data files do not keep.
    given = "attn_layers" in config.raw
    layers = config.strings("attn_layers") if given else ("local", "lsh") * 3
    if not layers or not set(layers) <= {"local", "lsh"}:
        raise ConfigError(
            f"found {describe(layers)}",
            where=config.place("attn_layers"),
            expected="'local' or 'lsh' for each layer",
        )
    if "num_hidden_layers" in config.raw:
        # The class counts the list, and the file's own number then takes the count's place.
        count = config.layers()
        if count > len(layers):
            raise ConfigError(
                f"found {count}",
                where=config.place("num_hidden_layers"),
                expected=f"at most the {len(layers)} layers of attn_layers",
            )
        layers = tuple(layers)[:count]
    width = config.int("hidden_size")
    plain = Hashed(width=width)
    if "lsh" not in layers:
        return Plan(kinds=[plain] * len(layers))
    chunk = config.int("lsh_attn_chunk_length")
    heads = config.int("num_attention_heads")
    if heads >= chunk:
        # The class then takes the heads of cached states for a chunk of tokens, and fails.
        raise ConfigError(
            f"found {chunk}",
            where=config.place("lsh_attn_chunk_length"),
            expected=f"more than num_attention_heads ({heads})",
        )
    chunks = [chunk]
    if "local" in layers:
        chunks.append(config.int("local_attn_chunk_length"))
    common = math.lcm(*chunks)
    # A prompt longer than the shortest chunk is padded to a multiple of all of them, and hashed
    # where it is then longer than a chunk.
    hashed = max(min(chunks), chunk if common == chunk else 0) + 1
    kind = Hashed(
        width=width,
        heads=heads,
        hashes=config.int("num_hashes"),
        chunk=chunk,
        hashed=hashed,
    )
    return Plan(
        kinds=[kind if layer == "lsh" else plain for layer in layers],
        notes=("the last token is taken as generated, and all before it as the prompt",),
    )


def _unlimited_ocr(config: Config) -> Plan:
    """Unlimited OCR: the prompt whole, and a window over what was generated since."""
    if config.optional_int("sliding_window") is None:
        raise ConfigError(
            "is null, which its class does not accept",
            where=config.place("sliding_window"),
            expected="a window",
        )
    count, dim = kv_heads(config), split_head_dim(config)
    prompted = Prompted(heads=count, dim=dim)
    made = layered(
        grouped_by(kv_heads, split_head_dim),
        lambda config, layers: ["reference_sliding_attention"] * layers,
        kinds={"reference_sliding_attention": lambda config: prompted},
    )(config)
    return Plan(
        kinds=made.kinds,
        notes=(
            "the tokens are taken as a prompt, which is kept whole; of what is generated after "
            f"it, the last {config.int('sliding_window') - 1} tokens are kept",
        ),
    )


ROWS: dict[str, Row] = {
    "deepseek_v4": Row(_deepseek_v4),
    "qwen4_exp_text": Row(_qwen4),
    "reformer": Row(_reformer),
    "unlimited_ocr_text": Row(_unlimited_ocr),
}
