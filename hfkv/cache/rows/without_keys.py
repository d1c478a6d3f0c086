"""Classes that keep no keys and values: hidden states in their stead, or nothing at all."""

from __future__ import annotations

import math

from hfkv.cache.kinds import Hashed, Memory, Nothing
from hfkv.cache.plan import Plan
from hfkv.cache.row import Row, table
from hfkv.errors import ConfigError
from hfkv.facts.config import Config
from hfkv.reading import describe

__all__ = ["ROWS"]


def _nothing(config: Config) -> Plan:
    """A class without a cache: every step computes all tokens anew."""
    return Plan(
        kinds=[Nothing()] * config.layers("n_layer"),
        notes=("its class keeps no cache: 0 B, and every step computes all tokens anew",),
    )


def _xlnet(config: Config) -> Plan:
    """XLNet: the hidden states of the last ``mem_len`` tokens; of all without one."""
    if not config.bool("use_mems_eval"):
        return _nothing(config)
    reused = config.optional_int("reuse_len", least=0) or None
    kind = Memory(
        most=config.optional_int("mem_len", least=0) or None,
        first=reused,
        width=config.int("d_model"),
    )
    return Plan(kinds=[kind] * config.layers("n_layer"))


def _reformer(config: Config) -> Plan:
    """Reformer: hidden states of every token; layers that hash keep buckets too."""
    if not config.bool("is_decoder"):
        raise ConfigError(
            "is false, with which its class generates nothing",
            where=config.place("is_decoder"),
            expected="true",
        )
    layers = config.strings("attn_layers")
    if not layers or not set(layers) <= {"local", "lsh"}:
        raise ConfigError(
            f"found {describe(layers)}",
            where=config.place("attn_layers"),
            expected="'local' or 'lsh' for each layer",
        )
    if config.states("num_hidden_layers"):
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


ROWS: dict[str, Row] = table(
    ("openai-gpt", Row(_nothing)),
    ("reformer", Row(_reformer)),
    ("xlnet", Row(_xlnet)),
)
