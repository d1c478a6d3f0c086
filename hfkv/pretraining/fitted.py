"""What the features are worth: a conditional logit over a card's possible answers.

Each possible answer has the sum of its features' weights, and its probability is its share of the
exponentials. ``hfkv/data/reader.json`` holds the weights and the two thresholds, made by
``python -m hfkv.generate reader`` from labelled cards, most of all from those that nobody had read
who writes features.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hfkv.data import read_json

__all__ = ["WORD", "Fit", "fit"]

#: What the names of the features begin with that are words around a number.
WORD = "word:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Weights by feature, and what probability decides.

    Attributes:
        weights: of each feature; one that is not here says nothing.
        given: the least probability at which a count is given as the card's.
        silent: the least probability of "the card does not state it" that settles that.
    """

    weights: dict[str, float]
    given: float
    silent: float

    def probabilities(self, options: Sequence[Iterable[str]]) -> list[float]:
        """The probability of each possible answer, given the features of all of them.

        >>> Fit(weights={"a": 1.0}, given=1, silent=1).probabilities([["b"], ["c"]])
        [0.5, 0.5]
        """
        scores = [sum(self.weights.get(name, 0.0) for name in sorted(names)) for names in options]
        top = max(scores, default=0.0)
        shares = [math.exp(score - top) for score in scores]
        total = sum(shares)
        return [share / total for share in shares]

    def spoken(self, names: Iterable[str], *, against: bool, most: int = 4) -> list[str]:
        """The features that spoke loudest for an answer, or against it; of the words around a
        number, all together as one of them, with those that spoke loudest."""
        sign = -1 if against else 1
        worth = sorted((-sign * self.weights.get(name, 0.0), name) for name in names)
        words = [(weight, name) for weight, name in worth if name.startswith(WORD)]
        told = [(weight, name) for weight, name in worth if not name.startswith(WORD)]
        if words:
            loudest = dict.fromkeys(name.rpartition(" ")[2] for _, name in words[:8])
            around = f"{WORD}{', '.join(list(loudest)[:3])}"
            told = sorted([*told, (sum(weight for weight, _ in words), around)])
        return [name for weight, name in told[:most] if weight < -0.05]


@lru_cache(maxsize=1)
def fit() -> Fit:
    """The fit that this version carries."""
    raw = read_json("reader.json")
    return Fit(weights=raw["weights"], given=raw["given"], silent=raw["silent"])
