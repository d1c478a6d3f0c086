"""``hfkv verify --log``: an engine's start-up log against hfkv's rules for that engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hfkv.cli.output import emit
from hfkv.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from hfkv.engines import Engine
    from hfkv.model import Model
    from hfkv.render.formats import Format

__all__ = ["verify_log"]


def verify_log(model: Model, path: Path, engine: Engine | None, output: Format) -> int:
    """The exit code: 0 where every number of the log agrees, else 1."""
    from hfkv.comparison.start_log import hold_against
    from hfkv.engines.start_log import MOST_BYTES, parse_log
    from hfkv.render.origin import with_origin
    from hfkv.render.start_log import sheets, tidy

    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise NotFoundError("no such file", where=str(path)) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from None
    log = parse_log(data, where=str(path))
    if engine is not None and engine.name != log.engine:
        raise click.UsageError(f"{path} is a log of {log.engine}, and --engine says {engine.name}.")
    found = hold_against(model, log, engine)
    emit(
        output,
        with_origin(model, found.to_json()),
        sheets=lambda: sheets(found),
        quiet=lambda: ["agrees" if found.agree else "differs"],
        tidy=lambda: tidy(found),
    )
    return 0 if found.agree else 1
