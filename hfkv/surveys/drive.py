"""Batches handed out to a crew, and taken back, until there are no more."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field

from hfkv.errors import HfkvError, NetworkError, SourceError
from hfkv.surveys.budget import Budget
from hfkv.surveys.crews import Crew, LostError
from hfkv.surveys.formats import encode
from hfkv.surveys.rows import Item, failed
from hfkv.surveys.work import Result, Setting

__all__ = ["Progress", "drive"]

#: Times that a batch may be lost with its worker before its models are asked one by one.
_LOSSES = 3
#: Times in a row that a whole batch may find no Hub, and the longest pause before the next try.
_OUTAGES, _PAUSE = 6, 60.0
#: Seconds between two looks at what has changed.
_LOOK = 0.2


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a survey is.

    Attributes:
        total: models, where that is known.
        skipped: models that were written by an earlier run.
        done: models answered by this one; kept: of them as an earlier survey has them.
        errors: models that could not be read, by the kind of error.
        lost: tasks whose worker was lost, and that were given to another.
        budget: requests, and what is left of them.
        waiting: seconds that the Hub's budget makes it wait now.
        begin: by :func:`time.monotonic`.
    """

    total: int | None
    skipped: int = 0
    done: int = 0
    kept: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    budget: Budget = field(default_factory=Budget)
    waiting: float = 0.0
    begin: float = field(default_factory=time.monotonic)

    @property
    def rate(self) -> float:
        """Models a second."""
        return self.done / max(time.monotonic() - self.begin, 1e-9)

    @property
    def left(self) -> float | None:
        """Seconds to the end at this rate; None where that is not known."""
        if self.total is None or not self.done:
            return None
        return max(0, self.total - self.skipped - self.done) / self.rate


@dataclass(slots=True)
class _Piece:
    """Some or all items of a batch, as one task."""

    number: int
    place: int
    items: Sequence[Item]
    losses: int = 0


def drive(
    batches: Iterable[tuple[int, Sequence[Item]]],
    setting: Setting,
    crew: Crew,
    progress: Progress,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> Iterator[tuple[int, list[bytes]]]:
    """Each batch's number and the bodies of its rows, as they are done.

    Raises:
        HfkvError: a worker is not one that can be used, all are gone, or the Hub is.
    """
    left = iter(batches)
    ready: list[_Piece] = []
    out: dict[Future[bytes], _Piece] = {}
    #: By batch, the bodies of its pieces.
    parts: dict[int, dict[int, bytes | None]] = {}
    budget = progress.budget
    ended = False
    outages, resume = 0, 0.0
    try:
        while True:
            progress.waiting = 0.0
            while len(out) < crew.slots:
                if not ready:
                    following = None if ended else next(left, None)
                    if following is None:
                        ended = True
                        break
                    number, items = following
                    parts[number] = {0: None}
                    ready.append(_Piece(number, 0, items))
                pause = max(0.0, resume - time.monotonic())
                if setting.kind == "hub":
                    pause = max(pause, budget.wait(len(ready[-1].items)))
                if pause:
                    progress.waiting = pause
                    break
                piece = ready.pop()
                budget.sent(id(piece), len(piece.items))
                out[crew.submit(setting.task(piece.items))] = piece
            if not out and not ready and ended:
                return
            if out:
                done = wait(out, timeout=_LOOK, return_when=FIRST_COMPLETED).done
            else:
                done = set()
                time.sleep(min(progress.waiting, _LOOK))
            if progress.waiting:
                budget.waited += _LOOK if not done else 0.0
            for future in done:
                piece = out.pop(future)
                budget.back(id(piece))
                try:
                    result = Result.parse(future.result())
                except LostError:
                    progress.lost += 1
                    piece.losses += 1
                    ready += _again(piece, parts[piece.number], setting, progress)
                else:
                    budget.learn(result.models, result.budget)
                    failed_all = sum(result.errors.values()) == result.models
                    if failed_all and result.errors.get("NetworkError", 0) > 1:
                        # Not these models but the Hub: their rows would say nothing of them.
                        outages += 1
                        if outages > _OUTAGES:
                            raise _no_hub(setting)
                        resume = time.monotonic() + min(_PAUSE, 2.0**outages)
                        ready.append(piece)
                        continue
                    outages = 0
                    progress.done += result.models
                    progress.kept += result.kept
                    progress.errors.update(result.errors)
                    parts[piece.number][piece.place] = result.body
                bodies = parts[piece.number]
                if None not in bodies.values():
                    del parts[piece.number]
                    yield piece.number, [body for body in bodies.values() if body is not None]
            tell(progress)
    finally:
        for future in out:
            future.cancel()


def _no_hub(setting: Setting) -> NetworkError:
    return NetworkError(
        f"the Hub at {setting.endpoint} cannot be reached",
        where="survey",
        hint="what was answered is kept: the same command goes on",
    )


def _again(
    piece: _Piece, bodies: dict[int, bytes | None], setting: Setting, progress: Progress
) -> list[_Piece]:
    """What to try after a worker was lost: the same, then one by one; then that one is to blame."""
    if piece.losses < _LOSSES:
        return [piece]
    if len(piece.items) > 1:
        bodies.clear()
        bodies.update(dict.fromkeys(range(len(piece.items))))
        return [_Piece(piece.number, place, [item]) for place, item in enumerate(piece.items)]
    error: HfkvError = SourceError(f"its worker was lost {_LOSSES} times as it was read")
    row = {**failed(piece.items[0], error), "passing": True}
    progress.done += 1
    progress.errors[row["error_type"]] += 1
    bodies[piece.place] = encode([row], setting.encoding)
    return []
