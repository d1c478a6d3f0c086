"""Models that keep their state in a form of their own: how to step them and how to read it.

Most classes fill a transformers ``Cache``. Older ones hand back lists of tensors under other names,
one keeps states inside its modules, some read other inputs at each step, and some keep nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hfkv.live.older import has_own_cache, layers_of, step_of_its_own

__all__ = ["CACHE", "Kept", "kept", "kept_by", "step_inputs", "steps"]

#: The names under which inputs take a transformers ``Cache``, and outputs carry it: since 5.24,
#: and before.
CACHE = ("cache", "past_key_values")
#: The same for whatever is kept.
_CARRIERS = (*CACHE, "cache_params", "state", "mems", "past_buckets_states")
#: Classes that are given the whole text at every step, and skip what they have cached.
_WHOLE = ("cpmant", "xlm")


@dataclass(frozen=True, slots=True)
class Kept:
    """What each layer keeps, by name, of a model without a transformers ``Cache``."""

    layers: list[Mapping[str, Any]]


def steps(model: Any, tokens: int) -> tuple[int, ...]:
    """Tokens given in each step: all but the last, then the last."""
    if tokens == 1:
        return (1,)
    whole = model.config.model_type in _WHOLE
    return (tokens - 1, tokens) if whole else (tokens - 1, 1)


def step_inputs(
    model: Any, ids: Any, past: Any, *, name: str = "input_ids", seen: int = 0
) -> dict[str, Any]:
    """The inputs of one step: token ids, what was kept, and what else the class asks for.

    ``name`` is what the class calls its token ids, ``seen`` how many there were before these.
    """
    import torch

    if has_own_cache(model):
        return step_of_its_own(model, ids, past, seen)
    names = inspect.signature(model.forward).parameters
    if model.config.model_type == "xlm":
        # Generation puts a mask token behind the text, for which the class guesses.
        ids = torch.cat([ids, ids[:, :1]], dim=1)
    given: dict[str, Any] = {name: ids}
    carrier = next((name for name in _CARRIERS if name in names), None)
    if carrier is None and any(item.kind is item.VAR_KEYWORD for item in names.values()):
        # A class that hands on what it does not name itself: as generation calls it.
        from transformers import GenerationMixin

        handed = inspect.signature(GenerationMixin.prepare_inputs_for_generation).parameters
        carrier = next(name for name in CACHE if name in handed)
    if carrier is not None:
        given[carrier] = _start(model) if past is None else past
        given["use_cache"] = True
    batch, count = ids.shape[:2]
    config = model.config
    if "encoder_inputs_embeds" in names:
        # Audio comes in step with the text; its own encoder's cache is not the decoder's.
        size = (batch, count * config.downsample_factor, config.audio_config.hidden_size)
        given["encoder_inputs_embeds"] = torch.zeros(size, dtype=torch.bfloat16, device=ids.device)
    if config.model_type == "blt":
        # BLT would group bytes by how surprising they are; its cache does not depend on it.
        given["patch_lengths"] = torch.ones((batch, 2), dtype=torch.long, device=ids.device)
    if config.model_type == "kyutai_speech_to_text":
        given[name] = ids[..., None].expand(-1, -1, config.num_codebooks + 1)
    if "shared_kv_states" in names and "backbone_hidden_size" in config:
        given = _assistant(model, ids)
    return given


def kept_by(output: Any, given: Mapping[str, Any]) -> Any:
    """What a step keeps for the next: in its output, or in the cache it was given."""
    for name in _CARRIERS:
        found = getattr(output, name, None)
        if found is not None:
            return found
    return next((given[name] for name in (*CACHE, "cache_params") if name in given), None)


def kept(model: Any, state: Any) -> Any:
    """``state`` itself where it is a usual cache, else its layers."""
    config = model.config.get_text_config(decoder=True)
    if state is None:
        return Kept([{} for _ in range(config.num_hidden_layers)])
    if hasattr(state, "rnn_state"):
        return Kept([{"rnn_state": states} for states in state.rnn_state.values()])
    if hasattr(state, "states_cache"):
        pairs = zip(state.buckets_cache, state.states_cache, strict=False)
        return Kept([{"buckets": buckets, "states": _own(states)} for buckets, states in pairs])
    if config.model_type == "rwkv":
        # Five tensors of all layers, the layer last.
        count = config.num_hidden_layers
        return Kept([{"state": [part[..., index] for part in state]} for index in range(count)])
    if isinstance(state, (list, tuple)):
        return Kept([{"mems": _own(part)} for part in state])
    older = layers_of(state)
    if older is not None:
        return Kept(older)
    if hasattr(state, "linear_cache"):
        return Kept([_attention_or_linear(state, index) for index in range(len(state))])
    if config.model_type == "recurrent_gemma":
        blocks = [layer.temporal_block for layer in model.model.layers]
        return Kept([_inside(*pair) for pair in zip(blocks, state.layers, strict=True)])
    if config.model_type == "blt":
        caches = (state.self_attention_cache, state.cross_attention_cache)
        return Kept([_pair(layer) for cache in caches for layer in cache.layers])
    return state


def _start(model: Any) -> Any:
    """The cache that a class must be given before its first step; None where it makes its own."""
    from transformers import DynamicCache, EncoderDecoderCache

    if model.config.model_type == "blt":
        # The class makes one from its config, which says no number of layers, and fails.
        return EncoderDecoderCache(DynamicCache(), DynamicCache())
    return None


def _own(states: Any) -> Any:
    """States of a class that only runs in float32, in the dtype that others are built in."""
    import torch

    return states.to(torch.bfloat16)


def _attention_or_linear(cache: Any, index: int) -> dict[str, Any]:
    """MiniMax: a layer has keys and values, or one matrix per head in a list beside them."""
    found = _pair(cache.layers[index]) if index < len(cache.layers) else {}
    if index < len(cache.linear_cache) and len(cache.linear_cache[index]):
        found["linear_cache"] = cache.linear_cache[index]
    return found


def _inside(block: Any, layer: Any) -> dict[str, Any]:
    """RecurrentGemma: recurrent blocks hold their states themselves."""
    if not hasattr(block, "conv1d_state"):
        return _pair(layer)
    return {"conv1d_state": block.conv1d_state, "recurrent_states": block.rg_lru.recurrent_states}


def _pair(layer: Any) -> dict[str, Any]:
    return {"keys": getattr(layer, "keys", None), "values": getattr(layer, "values", None)}


def _assistant(model: Any, ids: Any) -> dict[str, Any]:
    """A drafting model: it attends to the cache of the model that it drafts for, of any length."""
    import torch

    config = model.config.get_text_config(decoder=True)
    batch, count = ids.shape

    def zeros(*shape: int) -> Any:
        return torch.zeros((batch, *shape), dtype=torch.bfloat16, device=ids.device)

    states = {}
    for kind in ("full_attention", "sliding_attention"):
        index = config.layer_types.index(kind) if kind in config.layer_types else 0
        part = config.per_layer_config[index]
        shape = (part.num_key_value_heads, count, part.head_dim)
        states[kind] = (zeros(*shape), zeros(*shape))
    return {
        "inputs_embeds": zeros(count, 2 * model.config.backbone_hidden_size),
        "position_ids": torch.zeros((batch, count), dtype=torch.long, device=ids.device),
        "shared_kv_states": states,
    }
