"""What the rules for GGUF architectures share: layers, heads, windows and experts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.gguf_metadata import Metadata

__all__ = ["Config", "Rule", "decoder", "experts", "moe", "multi_head", "plain", "sliding", "split"]

_MOST_LAYERS = 100_000

Config = dict[str, Any]
#: The metadata of a file to the config of its class.
Rule = Callable[[Metadata], Config]


def decoder(metadata: Metadata, model_type: str) -> Config:
    """The keys of every decoder: layers, sizes, heads."""
    layers = metadata.number("block_count") - (metadata.maybe("nextn_predict_layers", least=0) or 0)
    if not 1 <= layers <= _MOST_LAYERS:
        raise ConfigError(
            f"leaves {layers} layers",
            where=metadata.place("block_count"),
            expected=f"1 to {_MOST_LAYERS}",
        )
    hidden, heads = metadata.number("embedding_length"), metadata.number("attention.head_count")
    config: Config = {
        "model_type": model_type,
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        # docs/gguf.md: where the key is absent, attention is not grouped.
        "num_key_value_heads": metadata.maybe("attention.head_count_kv") or heads,
        "tie_word_embeddings": "output.weight" not in metadata.names,
    }
    width = metadata.maybe("feed_forward_length")
    if width is not None:
        config["intermediate_size"] = width
    vocabulary = metadata.maybe("vocab_size")
    tokens = metadata.raw.get("tokenizer.ggml.tokens")
    if vocabulary is None and isinstance(tokens, Mapping):
        vocabulary = tokens.get("entries")
    elif vocabulary is None and isinstance(tokens, list):
        vocabulary = len(tokens)
    if vocabulary is not None:
        config["vocab_size"] = vocabulary
    return config


def head_dim_of(metadata: Metadata, config: Config) -> int:
    """Elements of a head: ``key_length``, or the width over the heads where it is absent."""
    key = metadata.maybe("attention.key_length")
    value = metadata.maybe("attention.value_length")
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    if key is None and hidden % heads:
        raise ConfigError(
            f"{hidden} does not divide by {heads} heads",
            where=metadata.place("embedding_length"),
            expected="attention.key_length, or a multiple of the heads",
        )
    dim: int = key if key is not None else hidden // heads
    if (value if value is not None else hidden // heads) != dim:
        raise UnsupportedError(
            f"heads of {dim} in keys and {value} in values",
            where=metadata.place("attention.value_length"),
            expected=f"{dim} for both in this architecture",
        )
    return dim


def plain(model_type: str, **fixed: Any) -> Rule:
    """Full attention in all layers, heads of one size."""

    def rule(metadata: Metadata) -> Config:
        config = decoder(metadata, model_type)
        # Null, not absent: the class's own default could be another model's window.
        return {
            **config,
            "head_dim": head_dim_of(metadata, config),
            "sliding_window": None,
            **fixed,
        }

    return rule


def split(model_type: str, names: Mapping[str, str] | None = None, **fixed: Any) -> Rule:
    """Heads of the width over their number, for classes that know no other size.

    ``names`` are the class's own names of keys; a key named "" is left out.
    """

    def rule(metadata: Metadata) -> Config:
        config = decoder(metadata, model_type)
        dim, heads = head_dim_of(metadata, config), config["num_attention_heads"]
        if dim * heads != config["hidden_size"]:
            raise UnsupportedError(
                f"{heads} heads of {dim} in a model that is {config['hidden_size']} wide",
                where=metadata.place("attention.key_length"),
                expected=f"the width divided by the heads, the only size that {model_type} has",
            )
        renamed = {(names or {}).get(key, key): value for key, value in config.items()}
        renamed.pop("", None)
        return renamed | fixed

    return rule


def multi_head(model_type: str, names: Mapping[str, str] | None = None, **fixed: Any) -> Rule:
    """As many key/value heads as attention heads, for classes that know no other number."""
    inner = split(model_type, names, **fixed)

    def rule(metadata: Metadata) -> Config:
        kv = metadata.maybe("attention.head_count_kv")
        if kv not in (None, metadata.number("attention.head_count")):
            raise UnsupportedError(
                f"{kv} key/value heads",
                where=metadata.place("attention.head_count_kv"),
                expected=f"as many as attention heads in {model_type}",
            )
        return inner(metadata)

    return rule


def sliding(
    model_type: str, period: int, *, full: int = -1, absent: int | None = None, **fixed: Any
) -> Rule:
    """Layers that slide but for one in every ``period``, or as the file's own pattern says.

    Args:
        period: llama.cpp's and the class's own pattern, where the file has none.
        full: which of each ``period`` layers is the full one.
        absent: the window that llama.cpp takes where the file has none; 0 is no window at all.
    """

    def rule(metadata: Metadata) -> Config:
        config = plain(model_type, **fixed)(metadata)
        layers = config["num_hidden_layers"]
        window = metadata.maybe("attention.sliding_window", least=0)
        if window is None and absent is None:
            raise ConfigError(
                "is missing",
                where=metadata.place("attention.sliding_window"),
                expected="the window of the sliding layers",
            )
        window = absent if window is None else window
        pattern = metadata.get("attention.sliding_window_pattern")
        if isinstance(pattern, list):
            slides = metadata.per_layer("attention.sliding_window_pattern", bool, layers)
        else:
            every = (
                period if pattern is None else metadata.number("attention.sliding_window_pattern")
            )
            slides = [layer % every != full % every for layer in range(layers)]
        if not window:
            slides = [False] * layers
        return {
            **config,
            "sliding_window": window or None,
            "layer_types": ["sliding_attention" if slide else "full_attention" for slide in slides],
        }

    return rule


def experts(metadata: Metadata, count: str = "num_experts") -> Config:
    config = {count: metadata.number("expert_count")}
    used = metadata.maybe("expert_used_count")
    return config if used is None else config | {"num_experts_per_tok": used}


def moe(model_type: str, count: str = "num_experts", **fixed: Any) -> Rule:
    """Full attention in all layers, and experts."""

    def rule(metadata: Metadata) -> Config:
        config = plain(model_type, **fixed)(metadata) | experts(metadata, count)
        width = metadata.maybe("expert_feed_forward_length")
        if width is not None:
            config["moe_intermediate_size"] = width
        dense = metadata.maybe("leading_dense_block_count", least=0)
        if dense is not None:
            config["first_k_dense_replace"] = dense
        return config

    return rule
