"""Counts that a developer published elsewhere, for models whose cards are silent."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from hfkv.data import read_json
from hfkv.pretraining.statement import Evidence, Pretraining

__all__ = ["published"]


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    raw = read_json("published.json")
    return {
        model.lower(): {**entry, "model": model}
        for entry in raw["figures"]
        for model in entry["models"]
    }


def published(model: str) -> Pretraining | None:
    """What the developer of ``model`` published of its pretraining outside its card, if curated.

    >>> published("openai-community/no-such-model") is None
    True
    """
    entry = _table().get(model.lower())
    if entry is None:
        return None
    return Pretraining(
        tokens=entry["tokens"],
        qualifier=entry["qualifier"],
        basis="published",
        evidence=(Evidence(quote=entry["quote"], file=entry["citation"], model=entry["model"]),),
        notes=("its card does not state it; its developer published it elsewhere",),
    )
