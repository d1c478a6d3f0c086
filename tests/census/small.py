"""Small models of the real classes, for what they cache: few layers, one in every tower."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from tests.census.goldens import compact

__all__ = ["LAYERS", "Live", "shrink"]

#: Enough layers for a pattern of period four; changes of the count also make more.
LAYERS = 4
#: Layer counts, under the names that config classes give them.
_COUNTS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers")


def shrink(raw: Mapping[str, Any], text: str = "") -> dict[str, Any]:
    """A config of at most ``LAYERS`` layers, lists with an entry per layer cut with them.

    Args:
        raw: a config that spells everything out.
        text: the path of its decoder's config.
    """
    copied: dict[str, Any] = json.loads(json.dumps(raw))
    part = copied
    for key in filter(None, text.split(".")):
        part = part.setdefault(key, {})
    for key in _COUNTS:
        count = part.get(key)
        if isinstance(count, int) and count > LAYERS:
            part[key] = LAYERS
            for name, value in part.items():
                if isinstance(value, list) and len(value) == count:
                    part[name] = value[:LAYERS]
    return copied


class Live:
    """What real classes hold after so many tokens; equal configs are built once.

    Args:
        text: the path of the decoder's config, the one part that keeps its layers.
    """

    def __init__(self, text: str = "") -> None:
        self._keep = text.split(".")[0]
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
        from hfkv.live.cache import read_cache, run

        config = config_of(copy.deepcopy(dict(raw)))
        key = f"{tokens} {encoder_tokens} {config.to_json_string(use_diff=False)}"
        if key not in self._made:
            self._narrow(config)
            model = build(config)
            self._made[key] = compact(read_cache(run(model, tokens, encoder_tokens=encoder_tokens)))
        return self._made[key]

    def _narrow(self, config: Any) -> None:
        """One layer in every tower that is not the decoder."""
        for key in getattr(config, "sub_configs", {}) or {}:
            part = getattr(config, key, None)
            if part is None or key == self._keep or not hasattr(part, "to_dict"):
                continue
            for name in (*_COUNTS, "depth"):
                if isinstance(getattr(part, name, None), int):
                    setattr(part, name, 1)
