"""Small models of the real classes, for what they cache: few layers, one in every tower."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Mapping
from typing import Any

from hfkv.cache import plan
from hfkv.facts.config import Config
from tests.census.goldens import compact
from tests.census.runnable import stand_in_for_timm

__all__ = ["Live", "running", "shrink"]

#: Enough layers for a pattern of period four, or else of eight; changes also make more.
_LAYERS = (4, 8, 12)
#: Layer counts, under the names that config classes give them.
_COUNTS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_blocks")
#: Of encoder-decoders; some decoders have a place in the cache for each layer of the encoder.
_COUNTS += ("decoder_layers", "encoder_layers", "num_decoder_layers", "num_encoder_layers")


def shrink(raw: Mapping[str, Any], text: str, layers: int) -> dict[str, Any]:
    """A config of at most so many layers, lists with an entry per layer cut with them.

    Args:
        raw: a config that spells everything out.
        text: the path of its decoder's config.
        layers: the most layers to keep.
    """
    copied: dict[str, Any] = json.loads(json.dumps(raw))
    part = copied
    for key in filter(None, text.split(".")):
        part = part.setdefault(key, {})
    for key in _COUNTS:
        count = part.get(key)
        if isinstance(count, int) and count > layers:
            part[key] = layers
            for name, value in part.items():
                part[name] = _cut(name, value, count, layers)
    # Sharing layers need earlier ones to share with.
    shared = part.get("num_kv_shared_layers")
    if isinstance(shared, int) and shared >= layers:
        part["num_kv_shared_layers"] = layers // 4 + 1
    return copied


def _cut(name: str, value: Any, count: int, layers: int) -> Any:
    """What speaks of ``count`` layers, one by one or by their numbers, for ``layers`` of them."""
    if isinstance(value, list) and len(value) == count:
        return value[:layers]
    if isinstance(value, list) and "layer" in name and all(type(item) is int for item in value):
        return [item for item in value if item < layers]
    if isinstance(value, dict) and value and all(key.isdigit() for key in value):
        return {key: item for key, item in value.items() if int(key) < layers}
    return value


def _kinds(raw: Mapping[str, Any]) -> set[str]:
    return {kind.name for kind in plan(Config(raw, where="test")).kinds}


def running(raw: Mapping[str, Any], live: Live, tokens: int) -> dict[str, Any]:
    """``raw`` with few layers of the same kinds, or the whole where its class needs more.

    A hybrid whose first attention layer comes late cannot count its tokens without one.
    """
    for layers in _LAYERS:
        small = shrink(raw, live.text, layers)
        try:
            if _kinds(small) != _kinds(raw):
                continue
            live(small, tokens)
        except Exception:
            continue
        return small
    return dict(raw)


class Live:
    """What real classes hold after so many tokens; equal configs are built once.

    Args:
        text: the path of the decoder's config.
        parts: nested configs that a plan reads; all others are made one layer deep.
    """

    def __init__(self, text: str = "", parts: Collection[str] = ()) -> None:
        self.text = text
        self._keep = {text.split(".")[0], *parts}
        self._made: dict[str, list[list[Any]]] = {}

    def __call__(
        self, raw: Mapping[str, Any], tokens: int, encoder_tokens: int | None = None
    ) -> list[list[Any]]:
        """The tensors of ``raw``'s first architecture, in the form of a recording.

        What attends to an encoder is given an output of ``encoder_tokens``.

        Raises:
            Exception: whatever the class raises on such a config.
        """
        from hfkv.live.build import build, config_of
        from hfkv.live.filled_cache import read_cache, run

        stand_in_for_timm()
        config = config_of(copy.deepcopy(dict(raw)))
        key = f"{tokens} {encoder_tokens} {config.to_json_string(use_diff=False)}"
        if key not in self._made:
            self._narrow(config)
            model = build(config)
            self._made[key] = compact(read_cache(run(model, tokens, encoder_tokens=encoder_tokens)))
        return self._made[key]

    def _narrow(self, config: Any) -> None:
        """One layer in every tower that keeps nothing."""
        for key in getattr(config, "sub_configs", {}) or {}:
            part = getattr(config, key, None)
            if part is None or key in self._keep or not hasattr(part, "to_dict"):
                continue
            for name in (*_COUNTS, "depth"):
                if isinstance(getattr(part, name, None), int):
                    setattr(part, name, 1)
