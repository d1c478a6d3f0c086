"""Bases known by their dimensions: a config that equals one in all of them, vocabulary included.

Weights trained from another's start have its shapes, so where no name tells the base, the shapes
can; but anyone may choose the same ones, so this is an inference, and said to be one.
``hfkv/data/base_dimensions.json`` is made by ``python -m hfkv.generate base_dimensions FOLDER``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from hfkv.data import read_json

__all__ = ["alike", "fingerprint"]

#: A dimension by the names that the older and newer classes have for it.
_NAMES: tuple[tuple[str, ...], ...] = (
    ("vocab_size", "padded_vocab_size"),
    ("hidden_size", "n_embd", "d_model", "dim"),
    ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "d_ff"),
)
#: And those that not every model has.
_OTHERS: tuple[tuple[str, ...], ...] = (
    ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"),
    ("moe_intermediate_size", "moe_ffn_hidden_size"),
    ("kv_lora_rank",),
    ("state_size", "mamba_d_state", "d_state"),
)
#: Fewer say too little.
_ENOUGH = 4


def fingerprint(config: Mapping[str, Any]) -> str | None:
    """The hash of a config's type and dimensions; None where it has too few.

    >>> llama = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2,
    ...          "num_attention_heads": 4, "intermediate_size": 96, "vocab_size": 128}
    >>> spelled_out = {**llama, "num_key_value_heads": 4, "rope_theta": 1e4}
    >>> fingerprint(llama) == fingerprint(spelled_out) != fingerprint({**llama, "vocab_size": 129})
    True
    """
    text = config.get("text_config")
    part = text if isinstance(text, Mapping) and "hidden_size" in text else config
    found = [_first(part, names) for names in _NAMES]
    if sum(item is not None for item in found) < _ENOUGH or found[0] is None:
        return None
    # A class that shares keys and values among heads says how many; others mean one for each.
    heads = _first(part, ("num_key_value_heads", "num_kv_heads", "multi_query_group_num"))
    found.append(heads if heads is not None else found[3])
    found += [_first(part, names) for names in _OTHERS]
    named = [config.get("model_type"), *found]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]


def _first(part: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = part.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def alike(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The Hub ids of bases that somebody read about and whose dimensions these are."""
    found = fingerprint(config)
    return tuple(read_json("base_dimensions.json").get(found, ())) if found else ()
