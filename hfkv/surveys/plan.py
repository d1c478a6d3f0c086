"""What a survey will cost, said before it is run: an estimate, with its rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hfkv.errors import HfkvError
from hfkv.json_value import attributes
from hfkv.source.meter import KINDS
from hfkv.surveys.asked import Asked
from hfkv.surveys.budget import Budget

__all__ = ["PER_MODEL", "Plan", "plan"]

#: Requests of a model that was not read before: the file list and all headers at once; config,
#: card, header and a small file or two. Cards of bases and rare layouts come on top.
PER_MODEL = {"api": 2, "resolvers": 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is estimated of a survey.

    Attributes:
        kind: hub, cards or configs.
        models: asked about; None where the table would have to be read to know.
        requests: by the Hub's kinds.
        quotas: by kind, requests and seconds of the window, as the Hub named them.
        seconds: the least time that these leave; None where the Hub named none.
        why: why there is no time, or "".
    """

    kind: str
    models: int | None
    requests: dict[str, int]
    quotas: dict[str, tuple[int, int]]
    seconds: float | None
    why: str

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        quotas = {name: list(item) for name, item in self.quotas.items()}
        return {
            **attributes(self, "kind models requests"),
            "quotas": quotas,
            "seconds": self.seconds,
            "basis": "estimated",
        }


def plan(asked: Asked, *, source: str, token: str | bool | None) -> Plan:
    """The plan; it takes one request, which says what the Hub's budget is."""
    models = asked.total
    none = dict.fromkeys(KINDS, 0)
    if asked.kind != "hub" or source in ("cache", "snapshot"):
        return Plan(kind=asked.kind, models=models, requests=none, quotas={}, seconds=None,
                    why="nothing is asked of the network")  # fmt: skip
    requests = {kind: PER_MODEL[kind] * (models or 0) for kind in KINDS}
    quotas, why = _heard(token)
    seconds = Budget.least(requests, quotas) if quotas else None
    return Plan(kind="hub", models=models, requests=requests, quotas=quotas, seconds=seconds,
                why=why)  # fmt: skip


def _heard(token: str | bool | None) -> tuple[dict[str, tuple[int, int]], str]:
    """What the Hub says of its budgets, and why it does not."""
    from hfkv.source.listing import list_models
    from hfkv.source.many_models import Shared, sharing
    from hfkv.source.meter import Meter

    meter = Meter()
    try:
        with sharing(Shared(meter=meter)):
            next(list_models(limit=1, token=token), None)
    except HfkvError as error:
        return {}, f"the Hub could not be asked for its limits: {error.what}"
    found = {
        kind: (item.quota, item.window)
        for kind, item in meter.take().items()
        if item.quota and item.window
    }
    return found, "" if found else "the Hub names no limit"
