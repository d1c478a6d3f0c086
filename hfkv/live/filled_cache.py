"""What the cache of a live model really holds after so many tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hfkv.live.build import transformers
from hfkv.live.experts import all_to_the_first
from hfkv.live.inputs import inputs_of
from hfkv.live.state_formats import CACHE, Kept, kept, kept_by, step_inputs, steps
from hfkv.live.zero_values import as_if_zero

__all__ = ["LiveLayer", "read_cache", "run"]

#: One layer: (tensor name, shape, torch dtype name), in a fixed order.
LiveLayer = list[tuple[str, tuple[int, ...], str]]

#: Attributes of cache layers that hold tensors, under the names hfkv gives them.
_ATTRIBUTES = tuple(
    """keys values prefill_keys prefill_values compressed_kv buffer_kv buffer_gate overlap_kv
    overlap_gate idx_keys indexer_keys indexer_position_ids conv_states recurrent_states""".split()
)


def run(model: Any, tokens: int, *, batch: int = 1, encoder_tokens: int | None = None) -> Any:
    """A prefill of all but the last token and a decode step for it.

    In this way the cache holds what generation would hold: a long prefill alone leaves sliding
    layers as views into storage that the next step lets go of.
    """
    given = (model, tokens, batch, encoder_tokens)
    try:
        return _run(*given)
    except (RuntimeError, NotImplementedError):
        # Some classes ask for values, which meta tensors do not have. Answering for them slows
        # every operation down, so it is left to those that need it.
        with as_if_zero(), all_to_the_first():
            return _run(*given)


def _run(model: Any, tokens: int, batch: int, encoder_tokens: int | None) -> Any:
    import torch

    device = next(model.parameters()).device
    given = inputs_of(model, batch=batch, encoder_tokens=encoder_tokens)
    part = given.model

    def ones(rows: int, *shape: int) -> Any:
        return torch.ones((rows, *shape), dtype=torch.long, device=device)

    state: Any = None
    for number, count in enumerate(steps(part, tokens)):
        ids = ones(batch * given.rows, count, *given.shape)
        inputs = {
            **step_inputs(part, ids, state, name=given.ids),
            **{name: ones(batch, count, *shape) for name, shape in given.per_token.items()},
            **given.extra,
            **(given.first if number == 0 else {}),
        }
        with torch.no_grad():
            output = part(**inputs)
            carrier = next((name for name in CACHE if name in inputs), None)
            if carrier is not None and kept_by(output, inputs) is None:
                # A class that makes no cache of its own accord; generation would hand it this one.
                inputs[carrier] = transformers().DynamicCache(config=part.config)
                output = part(**inputs)
            state = kept_by(output, inputs)
    return kept(part, state)


def read_cache(cache: Any) -> list[LiveLayer]:
    """The tensors of each layer of what :func:`run` gives, in layer order."""
    if isinstance(cache, Kept):
        return [
            [item for name, value in layer.items() for item in _tensors(name, value)]
            for layer in cache.layers
        ]
    if hasattr(cache, "self_attention_cache"):
        own = read_cache(cache.self_attention_cache)
        cross = read_cache(cache.cross_attention_cache)
        return [
            a + [(f"cross_{name}", shape, dtype) for name, shape, dtype in b]
            for a, b in zip(own, cross, strict=True)
        ]
    return [_read_layer(layer) for layer in cache.layers]


def _read_layer(layer: Any) -> LiveLayer:
    found: LiveLayer = []
    for name in _ATTRIBUTES:
        value = getattr(layer, name, None)
        # DeepSeek-V4's values are its keys, one tensor under two names.
        if name != "values" or value is not getattr(layer, "keys", None):
            found += _tensors(name, value)
    return found


def _tensors(name: str, value: Any) -> Iterable[tuple[str, tuple[int, ...], str]]:
    if value is None:
        return
    if isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _tensors(f"{name}.{number}", item)
        return
    if isinstance(value, dict):
        for number, item in value.items():
            yield from _tensors(f"{name}.{number}", item)
        return
    # Layers that were never written to keep an empty placeholder.
    if value.numel() or value.dim() > 1:
        yield name, tuple(value.shape), str(value.dtype).removeprefix("torch.")
