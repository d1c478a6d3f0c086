"""Printing a result in the chosen format, and loading models with a word on stderr meanwhile."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING, Any

import click

from hfkv.cli.spelling import as_flags
from hfkv.json_value import versioned
from hfkv.reading import printable
from hfkv.render.formats import Format
from hfkv.render.machine import flatten, to_csv, to_json, to_tsv
from hfkv.render.sheet import Sheet, sheets_to_latex, sheets_to_markdown

if TYPE_CHECKING:
    from hfkv.model import Model
    from hfkv.render.tidy import Tidy

__all__ = ["emit", "print_json", "read_model", "say", "say_beside", "waiting", "warn"]

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
    tidy: Callable[[], Tidy] | None = None,
    agent: str = "",
    warnings: Sequence[str] = (),
) -> None:
    """Print ``value`` (the JSON value of the result) in ``output``.

    Every object that is printed as JSON has the version of its schema, and ``warnings`` where
    there are any; they are said on stderr in every format.

    Args:
        output: a resolved format, not ``auto``.
        value: what JSON prints; the other forms are made from it or from the callables.
        sheets: tables for reading (human; markdown and latex where there is no ``tidy``).
        quiet: the bare figures, one a line.
        rows: flat rows (csv, agent tables); by default the flattened JSON.
        agent: the fields of ``value`` that an agent needs, apart by spaces, where they are not the
            columns of a document.
        tidy: the table of fixed columns that stands in every document (csv, markdown, latex).
        warnings: what was asked for and is not in the answer, one sentence each.
    """
    if warnings and isinstance(value, dict):
        value = {**value, "warnings": list(warnings)}
    if output is Format.human:
        from hfkv.render.terminal import print_sheets

        print_sheets([_in_flags(sheet) for sheet in sheets()], sys.stdout)
    elif output is Format.agent and agent and isinstance(value, dict):
        from hfkv.render.tidy import one_row

        click.echo(one_row(value, agent).tsv())
    else:
        click.echo(_text(output, value, sheets, quiet, rows, tidy))
    warn(warnings)


def warn(messages: Iterable[str]) -> None:
    """Say each once on stderr: what was asked for and changes nothing."""
    for message in dict.fromkeys(messages):
        say("Warning", message)


def unheard(
    output: Format,
    *,
    explain: bool = False,
    layers: bool = False,
    method: bool = False,
    cartridge: bool = False,
) -> list[str]:
    """What was asked for that this format has no room for."""
    bare = output is Format.quiet
    found = ["--explain"] if explain and (bare or output in (Format.csv, Format.agent)) else []
    found += ["--layers"] if layers and bare else []
    found += ["--method"] if method and output not in (Format.human, Format.json) else []
    found += ["--cartridge"] if cartridge and (bare or output is Format.agent) else []
    return [f"{name} changes nothing in the format {output.value}" for name in found]


def say_beside(models: Iterable[Model], *, peft: bool = True) -> None:
    """Say on stderr where other releases are installed here than those that the figures of
    these models are of, and differ by more than :data:`hfkv.versions` holds for alike."""
    from hfkv.versions import beside

    # Who asks for an older line knows which release it is.
    asked = [model for model in models if not model.core.line]
    for note in beside([model.model_type for model in asked], peft=peft) if asked else ():
        say("Note", note)


def say(what: str, message: str) -> None:
    """A line on stderr: ``Error: ...``, ``Warning: ...``."""
    click.echo(f"{what}: {printable(_flags(message), 4000)}", err=True)


def _flags(text: str) -> str:
    """The text with arguments as the flags of the command that is run."""
    context = click.get_current_context(silent=True)
    return as_flags(text, None if context is None else context.command)


def _in_flags(sheet: Sheet) -> Sheet:
    return replace(sheet, notes=[_flags(note) for note in sheet.notes])


def print_json(value: dict[str, Any] | list[dict[str, Any]], *, indent: int | None = 2) -> None:
    """Print JSON, the version of its schema in every object; all JSON of a command goes here."""
    click.echo(_json(value, indent))


def _json(value: dict[str, Any] | list[dict[str, Any]], indent: int | None) -> str:
    found = [versioned(item) for item in value] if isinstance(value, list) else versioned(value)
    return to_json(found, indent=indent)


def _text(
    output: Format,
    value: dict[str, Any] | list[dict[str, Any]],
    sheets: Callable[[], Sequence[Sheet]],
    quiet: Callable[[], Sequence[str]],
    rows: Callable[[], Sequence[dict[str, str]]] | None,
    tidy: Callable[[], Tidy] | None,
) -> str:
    if output is Format.json:
        return _json(value, 2)
    if output is Format.quiet:
        return "\n".join(quiet())
    if output is Format.markdown:
        return sheets_to_markdown(sheets()) if tidy is None else tidy().markdown()
    if output is Format.latex:
        return sheets_to_latex(sheets()) if tidy is None else tidy().latex()
    if tidy is not None:
        return tidy().csv() if output is Format.csv else tidy().tsv()
    if rows is None and output is Format.agent and isinstance(value, dict):
        # As `hf` does: what is no table is compact JSON for an agent.
        return _json(value, None)
    flat = (
        rows()
        if rows is not None
        else [flatten(item) for item in (value if isinstance(value, list) else [value])]
    )
    return to_csv(flat) if output is Format.csv else to_tsv(flat)


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
