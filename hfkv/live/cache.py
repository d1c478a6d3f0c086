"""What the cache of a live model really holds after so many tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hfkv.live.build import build, config_of
from hfkv.live.inputs import inputs_of
from hfkv.live.values import as_if_zero

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
    given = inputs_of(model, batch=batch, encoder_tokens=encoder_tokens)

    def step(count: int, past: Any, more: Mapping[str, Any]) -> Any:
        def ones(rows: int, *shape: int) -> Any:
            return torch.ones((rows, count, *shape), dtype=torch.long, device=device)

        ids = {given.ids: ones(batch * given.rows, *given.shape)}
        long = {name: ones(batch, *shape) for name, shape in given.per_token.items()}
        with torch.no_grad(), as_if_zero():
            out = given.model(
                **ids, **long, **given.extra, **more, past_key_values=past, use_cache=True
            )
        return getattr(out, "past_key_values", None) or getattr(out, "cache_params", None)

    if tokens == 1:
        return step(1, None, given.first)
    return step(1, step(tokens - 1, None, given.first), {})


def read_cache(cache: Any) -> list[LiveLayer]:
    """The tensors of each layer of a transformers cache, in layer order; none where it is None."""
    if cache is None:
        return []
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
