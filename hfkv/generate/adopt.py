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
import random
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hfkv.cache.conventions import Sequences
from hfkv.cache.conventions.transformers import TRANSFORMERS
from hfkv.cache.plan import Plan
from hfkv.cache.registry import ADOPTED, FAMILIES, ROWS, plan
from hfkv.cache.row import Delegated, Row
from hfkv.dtypes import torch_name
from hfkv.errors import HfkvError, UnsupportedError
from hfkv.facts.config import Config
from hfkv.generate.adopt_trials import ENCODER, FEW_LENGTHS, Class, Held, Trial
from hfkv.generate.adopted import DATA, stored_rows, texts
from hfkv.release_lines import stated_at

__all__ = [
    "Candidate",
    "Verdict",
    "adopt",
    "again",
    "candidates",
    "main",
    "published",
    "read_by_plans",
    "renewed",
    "row_of_all",
    "tensors_of",
]

#: Fewer configs than these prove nothing, and fewer than those no row.
_ENOUGH = 12
_EXACT = 40
#: How many configs are looked at for one under which plans differ, and how many of these the class
#: is asked about.
_LOOKED = 1500
_ASKED = 60
#: Random configs that a plan is held against once more under another release.
_FEWER = 15


@dataclass(slots=True)
class Candidate:
    """A plan that may be a type's.

    Attributes:
        row: the row that makes it.
        types: those whose row it is.
        agreed, refused: how many configs it gave what the class kept, and how many it refused.
        against: the first config that it contradicts; None where none does.
        origins: of the configs that it agreed with.
        fixed: keys that it reads and that no config varied.
    """

    row: Row
    types: tuple[str, ...]
    agreed: int = 0
    refused: int = 0
    against: Trial | None = None
    origins: set[str] = field(default_factory=set)
    fixed: tuple[str, ...] = ()

    def hold(self, trial: Trial, model_type: str) -> None:
        """Hold it against what the class kept."""
        said = answer(self.row, trial, model_type, trial.held)
        if said is None:
            self.refused += 1
        elif said == [_filled(layers) for layers in trial.held.values()]:
            self.agreed += 1
            self.origins.add(trial.origin)
        elif self.against is None or len(trial.changed) < len(self.against.changed):
            self.against = trial

    @property
    def proved(self) -> bool:
        """Whether it may be adopted."""
        enough = self.agreed >= max(_ENOUGH, self.refused)
        return self.against is None and enough and {"default", "whole"} <= self.origins


def answer(row: Row, trial: Trial, model_type: str, lengths: Iterable[int]) -> list[Held] | None:
    """What a row says that a config's class keeps at each length; None where it refuses."""
    try:
        return [_filled(planned(row, trial, model_type, tokens)) for tokens in lengths]
    except (HfkvError, RecursionError):
        return None


def _filled(layers: Held) -> Held:
    """The layers up to the last that holds something: how many empty ones a class made room for is
    nothing that it keeps."""
    last = max((number for number, layer in enumerate(layers, 1) if layer), default=0)
    return layers[:last]


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


def candidates(without: str | None = None) -> list[Candidate]:
    """Each distinct exact plan of the registry, the one that most types share first; of its types
    those first for which it was written.

    Args:
        without: a type whose own row does not count.
    """
    found: dict[tuple[Any, ...], tuple[Row, list[str]]] = {}
    for model_type in (*FAMILIES, *ADOPTED):
        row = ROWS[model_type]
        if row.basis != "exact" or model_type == without:
            continue
        key = (row.rule, row.inner, row.as_type)
        found.setdefault(key, (row, []))[1].append(model_type)
    by_number = sorted(found.values(), key=lambda item: -len(item[1]))
    return [Candidate(row=row, types=tuple(types)) for row, types in by_number]


def planned(row: Row, trial: Trial, model_type: str, tokens: int) -> Held:
    """What a row says of a config.

    Raises:
        HfkvError: it does not know, or is of a model that does not attend as this one does.
    """
    made = row.made(Config(trial.raw, where="adopt", model_type=model_type))
    if isinstance(made, Delegated):
        if made.config.model_type == model_type:
            # A decoder is no part of itself: its plan is what is looked for.
            raise UnsupportedError("the config names no other", where="adopt")
        inner = plan(made.config)
        made = inner if made.then is None else made.then(inner)
    return tensors_of(made, tokens, trial.encoder)


def tensors_of(made: Plan, tokens: int, encoder: int | None) -> Held:
    """What each layer of a plan holds, beside an encoder's output of that length."""
    encoder = encoder if made.crosses else None
    stored = Sequences(tokens=tokens, batch=1, dtype="BF16", encoder_tokens=encoder)
    return [
        [(item.name, item.shape, torch_name(item.dtype)) for item in layer.tensors]
        for layer in TRANSFORMERS.layers(made, stored)
    ]


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


def renewed(
    stored: Mapping[str, dict[str, Any]], verdicts: Mapping[str, Sequence[Verdict]], version: str
) -> dict[str, dict[str, Any]]:
    """The rows after the classes of some types were asked: of each the one that it had, if that
    holds of them all, else the one that was found, and none where none was."""
    rows = dict(stored)
    for model_type, of_all in verdicts.items():
        old = rows.pop(model_type, None)
        holds = old is not None and all(old["like"] in verdict.plans for verdict in of_all)
        row = old if holds else row_of_all(of_all, version)
        if row is not None:
            rows[model_type] = row
    return rows


def again(
    model_type: str, names: Iterable[str], like: str, real: Sequence[Mapping[str, Any]]
) -> bool:
    """Whether the classes of an adopted type still follow the plan: by fewer configs than adopted
    it, and with no other plan tried."""
    return all(
        adopt(model_type, name, count=_FEWER, real=real, without=model_type, only=like).candidate
        for name in names
    )


def main() -> None:
    """Adopt what can be, and say of all what came of it."""
    from hfkv.live.build import pairs, transformers

    parser = argparse.ArgumentParser(prog="python -m hfkv.generate adopt", description=__doc__)
    parser.add_argument("types", nargs="*", metavar="TYPE")
    parser.add_argument("--leave-one-out", action="store_true")
    parser.add_argument("--count", type=int, default=60, help="random configs of each class")
    parser.add_argument("--configs", type=Path, help="a folder of published configs")
    parser.add_argument("--seconds", type=float, help="begin with no class after so many")
    asked = parser.parse_args(sys.argv[2:])
    start, version = time.monotonic(), transformers().__version__
    verdicts: dict[str, list[Verdict]] = {}
    found = tried = wrong = 0
    known = ROWS if asked.leave_one_out else FAMILIES
    every = [pair for pair in pairs() if (pair[0] in known) is asked.leave_one_out]
    if asked.types:
        # In the order in which they were named, for time may end before all are done.
        every = [pair for name in asked.types for pair in every if pair[0] == name]
    for model_type, name in every:
        if asked.seconds is not None and time.monotonic() - start > asked.seconds:
            print(f"no time was left for {model_type} and what follows")
            break
        real = published(asked.configs, model_type)
        verdict = adopt(model_type, name, count=asked.count, real=real, without=model_type)
        print("\n".join(verdict.lines()), flush=True)
        verdicts.setdefault(model_type, []).append(verdict)
        tried += 1
        found += verdict.candidate is not None
        if asked.leave_one_out and verdict.candidate is not None:
            against = contradiction(verdict, count=3 * asked.count, real=real)
            if against is not None:
                wrong += 1
                said = {path: stated_at(against.raw, path) for path in against.changed}
                print(f"  WRONG ({against.origin}): {json.dumps(said)[:400]}", flush=True)
    print(f"{found} of {tried} classes found a plan; a larger proof contradicts {wrong} of them")
    if not asked.leave_one_out:
        names = [model_type for model_type, _ in every]
        whole = {name: of for name, of in verdicts.items() if len(of) == names.count(name)}
        for name, text in texts(renewed(stored_rows(), whole, version)).items():
            (DATA / name).write_text(text, encoding="utf-8")
