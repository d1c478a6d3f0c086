"""How far a survey is: a line that moves on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from hfkv.render.formats import Format
from hfkv.render.survey import counts, span

if TYPE_CHECKING:
    from types import TracebackType

    from hfkv.surveys.drive import Progress

__all__ = ["Teller", "sentence"]

#: Seconds between two frames on a terminal; until the first line of a log, and between its lines.
_FRAME, _FIRST, _EACH = 0.2, 3.0, 10.0
_WIDTH = 20


class Teller:
    """Tells on stderr; nothing where figures alone were asked for."""

    def __init__(self, chosen: Format) -> None:
        self._silent = chosen is Format.quiet
        self._moves = chosen is Format.human and sys.stderr.isatty()
        self._next = time.monotonic() + (_FRAME if self._moves else _FIRST)
        self._cells = 0

    def __enter__(self) -> Teller:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if self._silent or now < self._next:
            return
        self._next = now + (_FRAME if self._moves else _EACH)
        if not self._moves:
            click.echo(sentence(progress), err=True)
            return
        from hfkv.render.terminal import cells, columns_of, fold

        line = fold(bar(progress) + sentence(progress), max(columns_of(sys.stderr) - 1, 1))[0]
        click.echo(f"\r{line}{' ' * (self._cells - cells(line))}", nl=False, err=True)
        self._cells = cells(line)

    def close(self) -> None:
        """Leave nothing of the line that moved."""
        if self._cells:
            click.echo(f"\r{' ' * self._cells}\r", nl=False, err=True)
            self._cells = 0


def bar(progress: Progress) -> str:
    """``[####    ] ``; nothing where the end is not known."""
    if not progress.total:
        return ""
    full = min(_WIDTH, _WIDTH * (progress.skipped + progress.done) // progress.total)
    return f"[{'#' * full}{' ' * (_WIDTH - full)}] "


def sentence(progress: Progress) -> str:
    """How far it is, how fast, how long still, and what could not be read."""
    done = progress.skipped + progress.done
    parts = [f"{done:,}" + (f" of {progress.total:,}" if progress.total else "") + " models"]
    if progress.done:
        parts.append(f"{progress.rate:,.1f}/s")
    if progress.left is not None:
        parts.append(f"{span(progress.left)} left")
    if progress.waiting > 1:
        parts.append(f"the Hub is left alone for {span(progress.waiting)}")
    if progress.lost:
        parts.append(f"{progress.lost} tasks lost with their workers, given to others")
    if progress.errors:
        parts.append(f"not read: {counts(dict(progress.errors.most_common(3)))}")
    return ", ".join(parts)
