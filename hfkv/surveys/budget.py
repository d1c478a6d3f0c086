"""One budget of requests for all workers together, as the Hub's own headers give it.

Each worker reports what it asked and what the Hub said was left. A batch goes out only while what
is left covers it and all batches that are still out, each reckoned at what a model has cost so far.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hfkv.source.meter import KINDS

__all__ = ["Budget"]

#: Requests of a model before any was answered.
_FIRST = {"api": 2.0, "resolvers": 6.0}
#: Models differ in what they cost.
_MARGIN = 1.25
#: Seconds within which two renewals are the same one.
_SAME = 2.0


@dataclass(slots=True)
class _Left:
    """What remains of one budget, and when (by :func:`time.monotonic`) it is renewed."""

    remaining: int
    renewed: float
    quota: int | None
    window: int | None


class Budget:
    """What may be asked now; used by one thread."""

    def __init__(self) -> None:
        self._left: dict[str, _Left] = {}
        self._out: dict[object, int] = {}
        self.models = 0
        self.requests = dict.fromkeys(KINDS, 0)
        self.waited = 0.0

    def wait(self, models: int) -> float:
        """Seconds until a batch of so many models may go out; 0 for now."""
        if not self.models and self._out:
            # Until the first batch is back nobody knows whether there is a budget.
            return 0.05
        now = time.monotonic()
        longest = 0.0
        for kind, left in self._left.items():
            if left.renewed <= now:
                # Renewed since; until it is heard of anew the whole quota is there.
                if left.quota is None:
                    continue
                remaining = left.quota
            else:
                remaining = left.remaining
            out = sum(self._out.values())
            if self._cost(kind) * (models + out) * _MARGIN <= remaining:
                continue
            if left.renewed > now:
                longest = max(longest, left.renewed - now)
            elif out:
                longest = max(longest, 0.05)
        return longest

    def sent(self, key: object, models: int) -> None:
        """A batch went out."""
        self._out[key] = models

    def back(self, key: object) -> None:
        """A batch is no longer out."""
        self._out.pop(key, None)

    def learn(self, models: int, heard: Mapping[str, Mapping[str, Any]]) -> None:
        """What the worker of a batch says of requests and of what is left."""
        self.models += models
        now = time.monotonic()
        for kind, reading in heard.items():
            self.requests[kind] += reading["requests"]
            if reading["remaining"] is None:
                continue
            renewed = now + reading["seconds"]
            before = self._left.get(kind)
            remaining = reading["remaining"]
            if before is not None and abs(before.renewed - renewed) < _SAME:
                remaining = min(remaining, before.remaining)
            elif before is not None and renewed < before.renewed:
                continue  # said before what another worker has said since
            self._left[kind] = _Left(remaining, renewed, reading["quota"], reading["window"])

    def _cost(self, kind: str) -> float:
        if self.models < 8:
            return _FIRST[kind]
        return self.requests[kind] / self.models

    @staticmethod
    def least(requests: Mapping[str, int], quotas: Mapping[str, tuple[int, int]]) -> float:
        """Seconds that so many requests take at least, by kind, under quotas by window.

        >>> Budget.least({"api": 2500}, {"api": (1000, 300)})
        600.0
        """
        each = (
            (math.ceil(requests.get(kind, 0) / quota) - 1) * window
            for kind, (quota, window) in quotas.items()
        )
        return float(max(0, *each, 0))
