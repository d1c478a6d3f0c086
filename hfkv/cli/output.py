"""Printing a result in the chosen format, and loading models with a word on stderr meanwhile."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Any

import click

from hfkv.render.formats import Format
from hfkv.render.machine import flatten, to_csv, to_json, to_tsv
from hfkv.render.sheet import Sheet, sheets_to_markdown

if TYPE_CHECKING:
    from hfkv.model import Model

__all__ = ["emit", "read_model", "waiting", "warn"]

#: Seconds until a log hears of a slow network, and between its lines.
_FIRST_LINE, _EACH_LINE = 3.0, 5.0
#: Seconds until a terminal shows that something is waited for, and between two frames of it.
_FIRST_FRAME, _EACH_FRAME = 0.4, 0.1
_FRAMES = "|/-\\"


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
        from hfkv.render.terminal import print_sheets

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


def warn(messages: Iterable[str]) -> None:
    """Say on stderr what was asked for and changes nothing."""
    from hfkv.reading import printable

    for message in messages:
        click.echo(f"Warning: {printable(message, 600)}", err=True)


def read_model(model: str, output: Format, **place: Any) -> Model:
    """The model, from the ``place`` that :data:`hfkv.cli.options.source_options` give."""
    from hfkv.model import load

    with waiting(f"reading {model}", output):
        return load(model, **place)


@contextmanager
def waiting(what: str, output: Format) -> Iterator[None]:
    """Say on stderr what is being waited for, if it takes a while; never on stdout.

    A person at a terminal sees a line that moves; a log gets a line now and then.
    """
    from hfkv.source.progress import listening

    latest = [""]
    done = threading.Event()
    tell = _spin if output is Format.human and sys.stderr.isatty() else _tell
    teller = threading.Thread(target=tell, args=(what, latest, done), daemon=True)
    teller.start()
    try:
        with listening(lambda text: latest.__setitem__(0, text)):
            yield
    finally:
        done.set()
        teller.join()


def _tell(what: str, latest: list[str], done: threading.Event) -> None:
    """A line on stderr now and then, also while nothing comes in, until ``done``."""
    begin = time.monotonic()
    pause = _FIRST_LINE
    while not done.wait(pause):
        passed = time.monotonic() - begin
        click.echo(f"{what}: {latest[0] or 'waiting'}, {passed:.0f} s", err=True)
        pause = _EACH_LINE


def _spin(what: str, latest: list[str], done: threading.Event) -> None:
    """One line on a terminal that moves until ``done``, and is then gone."""
    from hfkv.render.terminal import cells, columns_of, fold

    # An answer that comes at once needs no line, which would only flicker.
    pause, frames, width = _FIRST_FRAME, cycle(_FRAMES), 0
    while not done.wait(pause):
        text = f"{next(frames)} {what}" + (f": {latest[0]}" if latest[0] else "")
        line = fold(text, max(columns_of(sys.stderr) - 1, 1))[0]
        # Blanks over what the line before was longer; a console may know no escapes.
        click.echo(f"\r{line}{' ' * (width - cells(line))}", nl=False, err=True)
        pause, width = _EACH_FRAME, cells(line)
    if width:
        click.echo(f"\r{' ' * width}\r", nl=False, err=True)
