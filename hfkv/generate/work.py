"""Make the parts of a table, each in a process of its own, and keep what was made.

What is made is kept in a folder with a mark of all that it was made from (the releases, the source
that made it, what it read): asked for again under the same mark, it is taken from there. So a run
that was interrupted goes on where it was, and a part that fails, runs out of time or takes its
process with it costs no other.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from hfkv.generate.pins import ROOT

__all__ = ["Made", "Outcome", "Shelf", "applied", "mark_of", "run", "sources"]


@dataclass(slots=True)
class Made:
    """What came of one part.

    Attributes:
        files: path within the checkout to text; None for a file that is to go.
        piece: what the table of all parts has of this one, as JSON.
        notes: what a human should know of it, a line each.
    """

    files: Mapping[str, str | None] = field(default_factory=dict)
    piece: Any = None
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """What came of all parts of a step.

    Attributes:
        made: parts that were made now.
        kept: those that had been made before.
        failed: part to why there is nothing new of it.
        left: parts that no time was left for.
        notes: part to its notes.
        seconds: of processor time that the parts made now took, and of the step by the clock.
    """

    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)
    seconds: tuple[float, float] = (0.0, 0.0)


class Shelf:
    """Where what was made is kept: a file for each part."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def get(self, name: str, mark: str) -> tuple[Made, float] | None:
        """What was made of a part under a mark, and how long that took."""
        try:
            held = json.loads(self._path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if held["mark"] != mark:
            return None
        return Made(files=held["files"], piece=held["piece"], notes=held["notes"]), held["seconds"]

    def put(self, name: str, mark: str, made: Made, seconds: float) -> None:
        """Keep it; a file is there whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        value = {"mark": mark, "seconds": round(seconds, 2)}
        value |= {"files": made.files, "piece": made.piece, "notes": made.notes}
        rough = self.folder / f"{name}.{os.getpid()}.part"
        rough.write_text(json.dumps(value), encoding="utf-8")
        rough.replace(self._path(name))


def run(
    parts: Iterable[str],
    make: Callable[[str], Made],
    *,
    shelf: Shelf,
    mark: Callable[[str], str],
    jobs: int,
    limit: float,
    until: float,
    found: dict[str, Made],
    say: Callable[[str, str], None],
) -> Outcome:
    """Make each part that is not on the shelf.

    Args:
        make: of one part, in a process that is forked from this one: what is imported here need
            not be imported again.
        mark: of one part.
        jobs: how many processes at a time.
        limit: seconds after which the process of a part is ended.
        until: by the monotonic clock, when no further part is begun.
        found: gets what there is of each part, also where this is interrupted.
        say: told of each part that was made or failed, and how that went.
    """
    start = time.monotonic()
    outcome, spent = Outcome(), 0.0
    waiting: list[tuple[str, str]] = []
    for name in parts:
        wanted = mark(name)
        held = shelf.get(name, wanted)
        if held is None:
            waiting.append((name, wanted))
        else:
            found[name] = held[0]
            outcome.kept.append(name)
    waiting.reverse()
    running: dict[Any, tuple[str, str, Any, float]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs and time.monotonic() < until:
                name, wanted = waiting.pop()
                process = get_context("fork").Process(
                    target=_child, args=(name, wanted, make, shelf), daemon=True
                )
                process.start()
                running[process.sentinel] = (name, wanted, process, time.monotonic())
            if not running:
                break
            oldest = min(begun for *_, begun in running.values())
            ready = wait(list(running), timeout=max(0.05, oldest + limit - time.monotonic()))
            now = time.monotonic()
            for sentinel, (name, wanted, process, begun) in list(running.items()):
                late = sentinel not in ready
                if late and now - begun < limit:
                    continue
                if late:
                    process.kill()
                process.join()
                del running[sentinel]
                held = shelf.get(name, wanted)
                if held is not None:
                    found[name] = held[0]
                    spent += held[1]
                    outcome.made.append(name)
                    say(name, f"made in {now - begun:.0f} s")
                else:
                    why = (
                        f"not done in {limit:.0f} s" if late else _last_words(shelf, name, process)
                    )
                    outcome.failed[name] = why
                    say(name, f"FAILED, {why}")
    finally:
        for _, _, process, _ in running.values():
            process.kill()
    outcome.left = [name for name, _ in reversed(waiting)]
    outcome.notes = {name: made.notes for name, made in sorted(found.items()) if made.notes}
    outcome.seconds = (round(spent, 1), round(time.monotonic() - start, 1))
    return outcome


def _child(name: str, mark: str, make: Callable[[str], Made], shelf: Shelf) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who began it ends it
    shelf.folder.mkdir(parents=True, exist_ok=True)
    # What libraries print of each model is for whoever looks into it.
    with (shelf.folder / f"{name}.log").open("w", encoding="utf-8") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
        sys.stdout = sys.stderr = log
        try:
            shelf.put(name, mark, make(name), time.process_time())
        except BaseException:
            traceback.print_exc()
            log.flush()
            os._exit(1)
    with contextlib.suppress(OSError):
        (shelf.folder / f"{name}.log").unlink()
    os._exit(0)


def _last_words(shelf: Shelf, name: str, process: Any) -> str:
    """Why a process made nothing: the line in which its error is told."""
    if process.exitcode is not None and process.exitcode < 0:
        return f"ended by signal {-process.exitcode}"
    with contextlib.suppress(OSError):
        text = (shelf.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        _, _, trace = text.rpartition("Traceback (most recent call last):")
        for line in trace.splitlines():
            # The frames are indented; what follows them is the error, of one line or more.
            if line and not line.startswith(" "):
                return line[:300]
    return f"ended with {process.exitcode}"


def mark_of(*things: Any) -> str:
    """A mark of values and of the contents of files (paths)."""
    digest = hashlib.sha256()
    for thing in things:
        if isinstance(thing, Path):
            said = thing.read_bytes() if thing.is_file() else b"none"
        else:
            said = json.dumps(thing, sort_keys=True).encode()
        digest.update(hashlib.sha256(said).digest())
    return digest.hexdigest()[:32]


@cache
def sources(*modules: str) -> str:
    """A mark of the source of modules and of all that they import of this checkout."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = _place(name)
        if name in found or path is None:
            continue
        found[name] = path
        waiting += _imported(path)
    return mark_of(*(found[name] for name in sorted(found)))


def _place(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    places = (path.with_suffix(".py"), path / "__init__.py")
    return next((place for place in places if place.is_file()), None)


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name for name in names if name.split(".")[0] in ("hfkv", "tests"))


def applied(root: Path, files: Mapping[str, str | None]) -> list[str]:
    """Write files into a checkout, those alone that are not as they should be; which they were."""
    changed = []
    for name, text in files.items():
        path = root / name
        there = path.read_text(encoding="utf-8") if path.is_file() else None
        if there == text:
            continue
        changed.append(name)
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
    return changed
