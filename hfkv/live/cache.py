"""What the cache of a live model really holds after so many tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hfkv.live.build import build, config_of

__all__ = ["LiveLayer", "live_cache", "read_cache", "run"]

#: One layer: (tensor name, shape, torch dtype name), in a fixed order.
LiveLayer = list[tuple[str, tuple[int, ...], str]]

#: Attributes of cache layers that hold tensors, under the names hfkv gives them.
_ATTRIBUTES = ("keys", "values", "indexer_keys", "conv_states", "recurrent_states")


def live_cache(
    raw: Mapping[str, Any], *, tokens: int, batch: int = 1, encoder_tokens: int | None = None
) -> list[LiveLayer]:
    """Build the model of a ``config.json`` on the meta device and read its cache."""
    model = build(config_of(raw))
    return read_cache(run(model, tokens, batch=batch, encoder_tokens=encoder_tokens))


def run(model: Any, tokens: int, *, batch: int = 1, encoder_tokens: int | None = None) -> Any:
    """A prefill of all but the last token and a decode step for it.

    In this way the cache holds what generation would hold: a long prefill alone leaves sliding
    layers as views into storage that the next step lets go of.
    """
    import torch

    device = next(model.parameters()).device
    extra: dict[str, Any] = {}
    if model.config.is_encoder_decoder:
        length = encoder_tokens or 8
        extra = _encoder_inputs(model, batch, length, device)
        key = "decoder_input_ids"
    else:
        key = "input_ids"

    def step(count: int, past: Any) -> Any:
        ids = torch.ones((batch, count), dtype=torch.long, device=device)
        with torch.no_grad():
            out = model(**{key: ids}, past_key_values=past, use_cache=True, **extra)
        return getattr(out, "past_key_values", None) or getattr(out, "cache_params", None)

    past = step(tokens - 1, None) if tokens > 1 else None
    return step(1, past)


def _encoder_inputs(model: Any, batch: int, length: int, device: Any) -> dict[str, Any]:
    import torch
    from transformers.modeling_outputs import BaseModelOutput

    hidden = getattr(model.config, "d_model", None) or model.config.hidden_size
    states = torch.zeros((batch, length, hidden), dtype=torch.bfloat16, device=device)
    return {"encoder_outputs": BaseModelOutput(last_hidden_state=states)}


def read_cache(cache: Any) -> list[LiveLayer]:
    """The tensors of each layer of a transformers cache, in layer order."""
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
        found += _tensors(name, getattr(layer, name, None))
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
