"""Make every table of the pinned libraries again, of the pinned releases or of others.

``python -m hfkv.generate all [--transformers VERSION] [--peft VERSION] [TYPE...]`` finds or makes
an environment with those releases, makes there what follows from them, and writes a report of what
is new, has changed, is gone and could not be proved. What was made is kept under ``build/fresh``:
interrupted and begun again, it goes on where it was. Nothing is lost by what fails: the old table
of such a type stays, and the report names it.

Not among them is what is read from configs and cards that people published: ``snapshots``,
``statements``, ``base_dimensions`` and ``reader``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hfkv.errors import HfkvError
from hfkv.generate.committed import committed
from hfkv.generate.environment import python_with, variables
from hfkv.generate.pins import ROOT, pins, told
from hfkv.generate.report import report
from hfkv.generate.step import Step, Wanted
from hfkv.generate.steps import STEPS
from hfkv.generate.warm import warm
from hfkv.generate.work import Made, Outcome, Shelf, applied, mark_of, run, sources

__all__ = ["Asked", "folder_of", "main", "make_all", "one_step"]

#: Seconds that one type may take in one step; the longest of a proof takes a third of it.
LIMIT = 600
NAMES = tuple(step.name for step in STEPS)
#: What a step ends with that was asked for what there is not.
_REFUSED = 64


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a run is asked for.

    Attributes:
        versions: library to the release that tables are made of.
        types: those alone, where any is named.
        steps: those alone.
        jobs: processes at a time.
        limit: seconds that one type may take in one step.
        within: seconds after which nothing more is begun.
        state: where what was made is kept.
    """

    versions: Mapping[str, str]
    types: tuple[str, ...] = ()
    steps: tuple[str, ...] = NAMES
    jobs: int = 2
    limit: float = LIMIT
    within: float = float("inf")
    state: Path = ROOT / "build" / "fresh"


def folder_of(asked: Asked) -> Path:
    """The folder of a run's releases."""
    return asked.state / "_".join(f"{name}-{asked.versions[name]}" for name in asked.versions)


def make_all(asked: Asked) -> tuple[Path, dict[str, Outcome]]:
    """Make the tables; the interpreter that they were made with, and what came of each step.

    Raises:
        HfkvError: the releases cannot be had.
    """
    started = time.monotonic()
    committed()  # without it nothing could be compared; said before an hour has passed
    folder = folder_of(asked)
    folder.mkdir(parents=True, exist_ok=True)
    python = python_with(asked.versions, folder / "env")
    outcomes: dict[str, Outcome] = {}
    for name in NAMES:
        if name not in asked.steps:
            continue
        told_to = {**dataclasses.asdict(asked), "state": str(asked.state), "steps": [name]}
        told_to["within"] = max(0.0, asked.within - (time.monotonic() - started))
        # Each step reads afresh what the ones before it wrote.
        command = [str(python), "-m", "hfkv.generate", "all", "--inside", json.dumps(told_to)]
        process = subprocess.Popen(command, cwd=ROOT, env=variables())
        try:
            code = process.wait()
        except BaseException:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
        if code == _REFUSED:
            raise SystemExit(1)  # it has said why
        if code:
            outcomes[name] = Outcome(failed={name: f"the step ended with {code}"})
        else:
            held = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            outcomes[name] = Outcome(**held)
    return python, outcomes


def one_step(step: Step, asked: Asked, root: Path = ROOT) -> Outcome:
    """Make one step in this process's environment, and write its files."""
    shelf = Shelf(folder_of(asked) / "made" / step.name)
    until = time.monotonic() + asked.within
    made_by = sources(*step.source)
    there = committed() if root == ROOT else {}

    def mark(name: str) -> str:
        old = [there.get(path.as_posix(), "") for path in step.old(name)]
        return mark_of(dict(asked.versions), made_by, old, *step.reads(name))

    found: dict[str, Made] = {}
    whole = Outcome()
    waiting = list(step.parts(Wanted(types=asked.types)))
    asked_for: set[str] = set()
    try:
        while waiting:
            asked_for |= set(waiting)
            came = run(
                waiting,
                step.make,
                shelf=shelf,
                mark=mark,
                jobs=asked.jobs,
                limit=asked.limit,
                until=until,
                found=found,
                say=lambda name, said: print(f"{step.name}: {name}: {said}", flush=True),
            )
            whole = _added(whole, came)
            pieces = [found[name].piece for name in waiting if name in found]
            more = [name for piece in pieces for name in step.then(piece)]
            waiting = [name for name in dict.fromkeys(more) if name not in asked_for]
    finally:
        # What was made so far is written also where this is interrupted.
        for made in found.values():
            applied(root, made.files)
    complete = not asked.types and not whole.failed and not whole.left
    applied(root, step.finish({name: made.piece for name, made in found.items()}, complete))
    return whole


def _added(one: Outcome, other: Outcome) -> Outcome:
    return Outcome(
        made=one.made + other.made,
        kept=one.kept + other.kept,
        failed=one.failed | other.failed,
        left=one.left + other.left,
        notes=one.notes | other.notes,
        seconds=(one.seconds[0] + other.seconds[0], one.seconds[1] + other.seconds[1]),
    )


def _inside(text: str) -> None:
    """Make the one step that this process was started for."""
    import torch

    from hfkv.live.build import pairs, transformers

    told_to = json.loads(text)
    lists = {key: tuple(told_to[key]) for key in ("types", "steps")}
    asked = Asked(**{**told_to, **lists, "state": Path(told_to["state"])})
    torch.set_num_threads(1)
    library = transformers()
    if library.__version__ != asked.versions["transformers"]:
        raise HfkvError(f"transformers {library.__version__} was imported", where="all")
    strange = set(asked.types) - {model_type for model_type, _ in pairs()}
    if strange:
        sys.stderr.write(
            f"Error: transformers {library.__version__} generates text with no type "
            f"{', '.join(sorted(strange))}\n"
        )
        sys.exit(_REFUSED)
    (step,) = (step for step in STEPS if step.name in asked.steps)
    warm(step.source)
    outcome = one_step(step, asked)
    path = folder_of(asked) / f"{step.name}.json"
    path.write_text(json.dumps(dataclasses.asdict(outcome)), encoding="utf-8")
    seconds = outcome.seconds[1]
    print(
        f"{step.name}: {len(outcome.made)} made, {len(outcome.kept)} kept from before, "
        f"{len(outcome.failed)} failed, {len(outcome.left)} left, {seconds:.0f} s",
        flush=True,
    )


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """The options of a run."""
    options = argparse.ArgumentParser(
        prog=f"python -m hfkv.generate {name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("types", nargs="*", metavar="TYPE", help="these alone")
    options.add_argument("--transformers", metavar="VERSION", help="in place of the pinned one")
    options.add_argument("--peft", metavar="VERSION", help="in place of the pinned one")
    options.add_argument("--step", action="append", choices=NAMES, help="this alone; repeatable")
    options.add_argument("--jobs", type=_count, default=2, help="processes at a time (2)")
    options.add_argument("--limit", type=_count, default=LIMIT, help="seconds for one type (600)")
    options.add_argument(
        "--within", type=float, default=float("inf"), help="begin nothing after so many seconds"
    )
    options.add_argument("--state", type=Path, default=Asked.__dataclass_fields__["state"].default)
    options.add_argument("--report", type=Path, help="where the report goes (beside the state)")
    return options


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def asked_of(options: argparse.Namespace) -> Asked:
    """A run as the command line asks for it.

    Raises:
        InputError: a version is none.
    """
    versions = pins()
    for name in ("transformers", "peft"):
        given = getattr(options, name)
        if given is not None:
            versions[name] = told(given)
    return Asked(
        versions=versions,
        types=tuple(options.types),
        steps=tuple(options.step or NAMES),
        jobs=options.jobs,
        limit=options.limit,
        within=options.within,
        state=options.state.absolute(),
    )


def write_report(
    options: argparse.Namespace, asked: Asked, outcomes: Mapping[str, Outcome], **more: Any
) -> Path:
    """Write what came of a run, for a human; where to."""
    path: Path = options.report or folder_of(asked) / "report.md"
    text = report(asked.versions, outcomes, types=asked.types, **more)
    path.write_text(text, encoding="utf-8")
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    given = list(sys.argv[2:] if arguments is None else arguments)
    if given[:1] == ["--inside"]:
        _inside(given[1])
        return
    options = parser("all", __doc__).parse_args(given)
    asked = asked_of(options)
    _, outcomes = make_all(asked)
    print(f"report: {write_report(options, asked, outcomes)}")
