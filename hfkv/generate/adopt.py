"""Find the cache plan of a type that has none: of the plans that there are, the one that its live
class agrees with under every config that was tried.

``python -m hfkv.generate adopt [--leave-one-out] [--count N] [--configs FOLDER] [TYPE...]`` takes
each text-generating type of the installed transformers without a hand-written row (with
``--leave-one-out``: each that has any row, as if it had none) and tries every plan of the registry
that another type has. One that agreed with the class's defaults, made small and with all of their
layers, with at least half of all configs and with enough of them, and that none contradicted, is
adopted; several such are first told apart by configs under which they differ.
``hfkv/data/adopted.json`` says whose plan it is, ``hfkv/data/adopted_proofs.json`` what proved it.
What nothing fits is told with the nearest plan and the smallest config that contradicts it, from
which a plan of its own can be written.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hfkv.cache.registry import FAMILIES, ROWS
from hfkv.cache.row import Row
from hfkv.errors import HfkvError, InputError
from hfkv.facts.config import Config
from hfkv.generate.adopt_candidates import Candidate, answer, candidates
from hfkv.generate.adopt_trials import ENCODER, FEW_LENGTHS, Class, Trial
from hfkv.generate.adopted import stored_rows, texts
from hfkv.generate.pins import ROOT
from hfkv.generate.step import generating_types, path_of
from hfkv.generate.warm import warm
from hfkv.generate.work import Made, Shelf, applied, mark_of, run, sources
from hfkv.live.build import transformers
from hfkv.release_lines import stated_at

__all__ = [
    "Verdict",
    "adopt",
    "adopted",
    "contradiction",
    "main",
    "published",
    "read_by_plans",
    "row_of_all",
    "rows_with",
    "tell_apart",
]

#: Fewer configs than these prove no row.
_EXACT = 40
#: How many configs are looked at for one under which plans differ, and how many of these the class
#: is asked about.
_LOOKED = 1500
_ASKED = 60
#: Random configs that a plan is held against once more under another release.
_FEWER = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of one class.

    Attributes:
        candidate: the plan that was adopted; None where none fits.
        others: other plans that nothing contradicted, and that came to the same throughout.
        nearest: where none fits, the plan that most configs agreed with.
        configs, refused: configs that the class took, and that it could not be run with.
        varied, unvaried: keys that the class reads, and whether some config varied them.
        seconds: that it took.
    """

    model_type: str
    name: str
    candidate: Candidate | None
    others: tuple[Candidate, ...]
    nearest: Candidate | None
    configs: int
    refused: int
    varied: tuple[str, ...]
    unvaried: tuple[str, ...]
    seconds: float

    @property
    def plans(self) -> dict[str, int]:
        """The plans that nothing contradicted and all of whose keys were varied, by the first type
        that has them: how many configs they agreed with."""
        found = () if self.candidate is None else (self.candidate, *self.others)
        return {item.types[0]: item.agreed for item in found if not item.fixed}

    def lines(self) -> Iterator[str]:
        """The report of it."""
        head = f"{self.model_type} {self.name}: "
        tried = f"{self.configs} configs, {self.refused} refused by the class, {self.seconds:.0f} s"
        if self.candidate is not None:
            same = f", as {len(self.others)} others" if self.others else ""
            yield f"{head}the plan of {self.candidate.types[0]}{same} ({tried})"
            if self.candidate.fixed:
                yield f"  it reads, but no other value was taken: {', '.join(self.candidate.fixed)}"
            if self.unvaried:
                yield f"  no other value was taken of: {', '.join(self.unvaried)[:200]}"
        elif self.nearest is None:
            yield f"{head}no plan agrees with any config ({tried})"
        else:
            against = self.nearest.against
            yield (
                f"{head}none fits; nearest {self.nearest.types[0]}, which agrees with "
                f"{self.nearest.agreed} and refuses {self.nearest.refused} ({tried})"
            )
            if against is not None:
                raw = against.raw
                said = {path: stated_at(raw, path) for path in against.changed} or dict(raw)
                yield f"  against it ({against.origin}): {json.dumps(said)[:300]}"


def adopt(
    model_type: str,
    name: str,
    *,
    count: int,
    real: Sequence[Mapping[str, Any]] = (),
    without: str | None = None,
    only: str | None = None,
    seed: int = 1,
) -> Verdict:
    """Look for the plan of one class.

    Args:
        count: random configs.
        real: published configs of the type.
        without: as of :func:`candidates`.
        only: the type whose plan alone is tried.
        seed: of the random configs.
    """
    start = time.monotonic()
    cls = Class(model_type, name, seed=seed)
    every = [item for item in candidates(without) if only is None or only in item.types]
    configs = 0
    alone = read_by_plans((item.row for item in every), cls)
    for trial in cls.trials(count=count, real=real, alone=alone):
        configs += 1
        for item in every:
            if item.against is None:
                item.hold(trial, model_type)
        if configs > 2 and all(item.against is not None or not item.agreed for item in every):
            break
    configs += tell_apart(every, cls)
    left = [item for item in every if item.proved]
    for item in left:
        item.fixed = tuple(sorted({*read_by_plans([item.row], cls)}.intersection(cls.unvaried)))
    left.sort(key=lambda item: bool(item.fixed))
    near = max((item for item in every if item.agreed), key=lambda item: item.agreed, default=None)
    return Verdict(
        model_type=model_type,
        name=name,
        candidate=left[0] if left else None,
        others=tuple(left[1:]),
        nearest=None if left else near,
        configs=configs,
        refused=cls.refused,
        varied=tuple(sorted(cls.varied)),
        unvaried=tuple(cls.unvaried),
        seconds=time.monotonic() - start,
    )


def tell_apart(every: Sequence[Candidate], cls: Class) -> int:
    """Ask the class about configs under which plans that it has not contradicted so far differ.

    What a plan says costs next to nothing beside a model, so that what one of them reads and the
    others do not is found where random models would seldom meet it.

    Returns:
        How many configs it took.
    """
    chance = random.Random(f"{cls.model_type} {cls.name} {cls.seed} apart")
    asked = took = 0
    for _ in range(_LOOKED):
        left = [item for item in every if item.proved]
        if len(left) < 2 or asked >= _ASKED:
            break
        values = cls.guess(chance)
        trial = Trial(raw=cls.space.wrap(values), origin="", changed=(), held={}, encoder=ENCODER)
        answers = (answer(item.row, trial, cls.model_type, FEW_LENGTHS) for item in left)
        if len({repr(said) for said in answers if said is not None}) < 2:
            continue
        asked += 1
        for found in cls.tried(values, "together"):
            took += 1
            for item in left:
                item.hold(found, cls.model_type)
    return took


def read_by_plans(rows: Iterable[Row], cls: Class) -> list[str]:
    """The keys that plans read of the class's default, by paths of its own config: each is varied
    alone as well."""
    first = cls.space.first()
    raw = cls.space.saved(first)
    found: dict[str, None] = {}
    if raw is None:
        return []
    # What a list settles that is spelled out, a plan reads other keys for where it is not.
    for row, values in itertools.product(rows, (raw, first)):
        config = Config(cls.space.wrap(values), where="adopt", model_type=cls.model_type)
        try:
            row.made(config)
        except (HfkvError, RecursionError):
            continue
        prefix = f"{cls.space.path}." if cls.space.path else ""
        for read in config.reads:
            found.setdefault(read.key.removeprefix(prefix))
    return list(found)


def published(folder: Path | None, model_type: str) -> list[dict[str, Any]]:
    """Published configs of a type."""
    found = []
    for path in sorted(folder.glob("*.json")) if folder is not None else ():
        raw = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(raw, dict) and raw.get("model_type") == model_type:
            found.append(raw)
    return found


def row_of_all(verdicts: Sequence[Verdict], version: str) -> dict[str, Any] | None:
    """The row of a type, by the verdicts on its classes: whose plan it is (``like``) and what
    proved it; None where no one plan is proved for them all with each key that it reads varied."""
    for like in verdicts[0].plans:
        counts = [verdict.plans.get(like, 0) for verdict in verdicts]
        if min(counts) >= _EXACT:
            return {
                "like": like,
                "transformers": version,
                "configs": sum(counts),
                "varied": sorted({key for verdict in verdicts for key in verdict.varied}),
                "fixed": sorted({key for verdict in verdicts for key in verdict.unvaried}),
            }
    return None


def contradiction(
    verdict: Verdict, *, count: int, real: Sequence[Mapping[str, Any]] = (), seed: int = 2
) -> Trial | None:
    """A config that an adopted plan is wrong for, by a larger proof of other random configs."""
    assert verdict.candidate is not None
    cls = Class(verdict.model_type, verdict.name, seed=seed)
    item = Candidate(row=verdict.candidate.row, types=verdict.candidate.types)
    alone = read_by_plans([item.row], cls)
    for trial in cls.trials(count=count, real=real, alone=alone):
        item.hold(trial, verdict.model_type)
        if item.against is not None:
            return item.against
    return None


def again(
    model_type: str, names: Iterable[str], like: str, real: Sequence[Mapping[str, Any]]
) -> bool:
    """Whether the classes of an adopted type still follow the plan: by fewer configs than adopted
    it, and with no other plan tried."""
    return all(
        adopt(model_type, name, count=_FEWER, real=real, without=model_type, only=like).candidate
        for name in names
    )


def adopted(model_type: str, *, count: int, folder: Path | None) -> Made:
    """The row of a type without a hand-written one; what proved it first is as good as what proved
    it again.

    Args:
        count: random configs of each class.
        folder: of published configs.
    """
    real = published(folder, model_type)
    names, row = generating_types()[model_type], stored_rows().get(model_type)
    if row is not None and again(model_type, names, row["like"], real):
        return Made(piece=row)
    verdicts = [
        adopt(model_type, name, count=count, real=real, without=model_type) for name in names
    ]
    return Made(
        piece=row_of_all(verdicts, transformers().__version__),
        notes=[line for verdict in verdicts for line in verdict.lines()],
    )


def left_out(model_type: str, *, count: int, folder: Path | None) -> Made:
    """What is found of a type with a row, as if it had none, and whether a larger proof of what is
    found contradicts it: how many classes it has, how many found a plan, how many a wrong one."""
    real = published(folder, model_type)
    names = generating_types()[model_type]
    lines: list[str] = []
    found = wrong = 0
    for name in names:
        verdict = adopt(model_type, name, count=count, real=real, without=model_type)
        lines += verdict.lines()
        if verdict.candidate is None:
            continue
        found += 1
        against = contradiction(verdict, count=3 * count, real=real)
        if against is not None:
            wrong += 1
            said = {path: stated_at(against.raw, path) for path in against.changed}
            lines.append(f"  WRONG ({against.origin}): {json.dumps(said)[:400]}")
    return Made(piece=[len(names), found, wrong], notes=lines)


def rows_with(pieces: Mapping[str, dict[str, Any] | None]) -> dict[str, str]:
    """The files of adopted rows, with what was found of some types."""
    there = generating_types()
    rows = {**stored_rows(), **pieces}
    return texts({name: row for name, row in rows.items() if row is not None and name in there})


def main() -> None:
    """Adopt what can be, and say of all what came of it."""
    parser = argparse.ArgumentParser(
        prog="python -m hfkv.generate adopt",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("types", nargs="*", metavar="TYPE", help="these alone")
    parser.add_argument("--leave-one-out", action="store_true")
    parser.add_argument("--count", type=int, default=60, help="random configs of a class (60)")
    parser.add_argument("--configs", type=Path, help="a folder of published configs")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (2)")
    parser.add_argument("--limit", type=float, default=900, help="seconds for one type (900)")
    parser.add_argument(
        "--within", type=float, default=math.inf, help="begin nothing after so many seconds"
    )
    asked = parser.parse_args(sys.argv[2:])
    known = ROWS if asked.leave_one_out else FAMILIES
    every = [name for name in generating_types() if (name in known) is asked.leave_one_out]
    # In the order in which they were named, for time may end before all are done.
    types = [name for name in asked.types or every if name in every]
    if strange := sorted({*asked.types} - {*types}):
        which = "a row" if asked.leave_one_out else "no row of its own"
        raise InputError(f"{', '.join(strange)}: no type that generates text and has {which}")
    warm([__name__])
    made_from = [
        [transformers().__version__, asked.count, sources(__name__)],
        ROOT / path_of("adopted.json"),
        *sorted(asked.configs.glob("*.json") if asked.configs else ()),
    ]
    call = left_out if asked.leave_one_out else adopted
    found: dict[str, Made] = {}

    def say(name: str, said: str) -> None:
        lines = found[name].notes if name in found else []
        print("\n".join(lines or [f"{name}: {said}"]), flush=True)

    outcome = run(
        types,
        partial(call, count=asked.count, folder=asked.configs),
        shelf=Shelf(ROOT / "build" / call.__name__),
        mark=lambda _: mark_of(*made_from),
        jobs=asked.jobs,
        limit=asked.limit,
        until=time.monotonic() + asked.within,
        found=found,
        say=say,
    )
    for name in outcome.kept:
        say(name, "as it was found before")
    if outcome.left:
        print(f"no time was left for {', '.join(outcome.left)}")
    pieces = {name: made.piece for name, made in found.items()}
    if asked.leave_one_out:
        failed = sum(len(generating_types()[name]) for name in outcome.failed)
        tried, fits, wrong = map(sum, zip(*pieces.values(), [failed, 0, 0], strict=True))
        print(f"{fits} of {tried} classes found a plan; a larger proof contradicts {wrong} of them")
        return
    applied(ROOT, {path_of(name): text for name, text in rows_with(pieces).items()})
