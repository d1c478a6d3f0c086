"""Printing a result in the chosen format, and loading models with a word on stderr meanwhile."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from hfkv.render.formats import Format
from hfkv.render.machine import flatten, to_csv, to_json, to_tsv
from hfkv.render.sheet import Sheet, print_sheets, sheets_to_markdown

__all__ = ["emit", "waiting"]

#: Seconds until a log hears of a slow network, and between its lines.
_FIRST_LINE, _EACH_LINE = 3.0, 5.0


def emit(
    output: Format,
    value: dict[str, Any] | list[dict[str, Any]],
    *,
    sheets: Callable[[], Sequence[Sheet]],
    quiet: Callable[[], Sequence[str]],
    rows: Callable[[], Sequence[dict[str, str]]] | None = None,
) -> None:
    """Print ``value`` (the JSON value of the result) in ``output``.

    Args:
        output: a resolved format, not ``auto``.
        value: what JSON prints; the other forms are made from it or from the callables.
        sheets: tables for reading (human, markdown).
        quiet: the bare figures, one a line.
        rows: flat rows (csv, agent tables); by default the flattened JSON.
    """
    if output is Format.human:
        print_sheets(sheets(), sys.stdout)
        return
    click.echo(_text(output, value, sheets, quiet, rows))


def _text(
    output: Format,
    value: dict[str, Any] | list[dict[str, Any]],
    sheets: Callable[[], Sequence[Sheet]],
    quiet: Callable[[], Sequence[str]],
    rows: Callable[[], Sequence[dict[str, str]]] | None,
) -> str:
    if output is Format.json:
        return to_json(value)
    if output is Format.quiet:
        return "\n".join(quiet())
    if output is Format.markdown:
        return sheets_to_markdown(sheets())
    if output is Format.agent and isinstance(value, dict):
        # As `hf` does: a single object is compact JSON for an agent, a list is a table.
        return to_json(value, indent=None)
    flat = (
        rows()
        if rows is not None
        else [flatten(item) for item in (value if isinstance(value, list) else [value])]
    )
    return to_csv(flat) if output is Format.csv else to_tsv(flat)


@contextmanager
def waiting(what: str, output: Format) -> Iterator[None]:
    """Say on stderr what is being waited for, if it takes a while; never on stdout.

    A person at a terminal sees a line that moves; a log gets a line now and then.
    """
    from hfkv.source.progress import listening

    if output is Format.human and sys.stderr.isatty():
        from hfkv.render.sheet import console

        status = console(sys.stderr).status(what)
        # An answer that comes at once needs no spinner, which would only flicker.
        timer = threading.Timer(0.4, status.start)
        timer.daemon = True
        timer.start()
        try:
            with listening(lambda text: status.update(f"{what}: {text}")):
                yield
        finally:
            timer.cancel()
            status.stop()
        return
    latest = ["waiting"]
    done = threading.Event()
    lines = threading.Thread(target=_tell, args=(what, latest, done), daemon=True)
    lines.start()
    try:
        with listening(lambda text: latest.__setitem__(0, text)):
            yield
    finally:
        done.set()
        lines.join()


def _tell(what: str, latest: list[str], done: threading.Event) -> None:
    """A line on stderr now and then, also while nothing comes in, until ``done``."""
    begin = time.monotonic()
    pause = _FIRST_LINE
    while not done.wait(pause):
        click.echo(f"{what}: {latest[0]}, {time.monotonic() - begin:.0f} s", err=True)
        pause = _EACH_LINE
