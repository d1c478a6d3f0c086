"""What is inferred of a known type when nothing here knows it: its table, row and plan taken away.

Each recorded class (a small config, the header that the class saves, and PEFT's own counts) and
each snapshot (a published config and header) is given a type and a class that do not exist.
``python -m tests.census.inference`` prints the numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import hfkv
from hfkv.errors import HfkvError
from hfkv.facts import Facts
from hfkv.model import Model
from hfkv.source.snapshot import snapshot_names
from tests.census.lora_compare import counted, facts_of, unpack
from tests.census.lora_goldens import records

__all__ = ["Outcome", "cases", "measured", "summary"]

#: Below and above the windows of small configs and of most published ones.
TOKENS = (1, 20, 300, 5000, 50_000)
_OPTIONS = {"r": 8, "target_modules": "all-linear"}
_NOWHERE = "a_type_that_nobody_has"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One model as it is known, with what PEFT makes of ``all-linear``."""

    name: str
    facts: Facts
    options: Mapping[str, Any]
    counts: Mapping[str, Any] | None = None

    @property
    def unknown(self) -> Facts:
        """The same under a type that nothing here knows."""
        config = {**(self.facts.config or {}), "model_type": _NOWHERE, "architectures": ["No"]}
        config.pop("auto_map", None)
        return replace(self.facts, config=config)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one case: ``right``, ``wrong``, ``refused``, or ``nothing to compare``.

    Attributes:
        names: whether the adapter's targets bear the class's names too.
    """

    name: str
    adapter: str
    cache: str
    names: bool


def cases() -> Iterator[Case]:
    """The recorded classes, then the snapshots."""
    for item in records():
        name, header = item["class"], unpack(item["header"])
        options, counts = item["cases"]["all_linear"]
        yield Case(
            name=f"{item['model_type']}-{name}",
            facts=facts_of(item["config"], name, header),
            options=options,
            counts=counts,
        )
    for name in snapshot_names():
        facts = hfkv.load(name, source="snapshot").core
        yield Case(name=name, facts=facts, options=_OPTIONS)


def measured(case: Case) -> Outcome:
    """The figures of the unknown type against those of the known one, and PEFT's."""
    unknown = case.unknown
    mine = counted(unknown, case.options)
    theirs = case.counts or counted(case.facts, case.options)
    caches = {_cache(case.facts, unknown, tokens) for tokens in TOKENS}
    order = ("wrong", "refused", "nothing to compare", "right")
    return Outcome(
        name=case.name,
        adapter=_verdict(mine.get("trainable"), theirs.get("trainable")),
        cache=next(verdict for verdict in order if verdict in caches),
        names=mine.get("per_target") == theirs.get("per_target"),
    )


def _verdict(mine: int | None, theirs: int | None) -> str:
    if mine is None:
        return "refused"
    if theirs is None:
        return "nothing to compare"
    return "right" if mine == theirs else "wrong"


def _cache(known: Facts, unknown: Facts, tokens: int) -> str:
    return _verdict(*(_bytes(facts, tokens) for facts in (unknown, known)))


def _bytes(facts: Facts, tokens: int) -> int | None:
    try:
        return Model(facts).kv_cache(tokens=tokens).bytes
    except HfkvError:
        return None


def summary(found: Iterable[Outcome]) -> list[str]:
    """The numbers in words, and the names of what was wrong."""
    outcomes = list(found)
    lines = []
    for what in ("adapter", "cache"):
        counts = Counter(getattr(item, what) for item in outcomes)
        wrong = [item.name for item in outcomes if getattr(item, what) == "wrong"]
        said = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
        lines.append(f"{what} of {len(outcomes)}: {said}" + (f": {wrong}" if wrong else ""))
    renamed = sum(item.adapter == "right" and not item.names for item in outcomes)
    lines.append(f"adapters that are right under other names than the class's: {renamed}")
    return lines


if __name__ == "__main__":
    print("\n".join(summary(measured(case) for case in cases())))
