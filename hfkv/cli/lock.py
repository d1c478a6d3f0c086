"""``hfkv lock``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hfkv.check.run import Report
from hfkv.check.settings import find_settings
from hfkv.cli.check import config_option, emit, shown
from hfkv.render.check import FORMATS

if TYPE_CHECKING:
    from hfkv.source import Source

_ALL = "all models"


@click.command()
@click.option(
    "--upgrade",
    metavar="[MODEL]",
    is_flag=False,
    flag_value=_ALL,
    default=None,
    help="Fetch anew: every model, or the one that is named.",
)
@click.option("--check", "only_check", is_flag=True, help="Only say whether it is up to date.")
@click.option(
    "--outdated", is_flag=True, help="Only say which models moved on since; asks the Hub."
)
@click.option(
    "--source",
    type=click.Choice(["auto", "hub", "cache", "snapshot"]),
    default="auto",
    show_default=True,
    help="Where to read from; auto tries them in this order.",
)
@click.option("--token", default=None, help="Hub token; by default the stored one or HF_TOKEN.")
@click.option(
    "--format",
    "output",
    type=click.Choice(FORMATS),
    default="human",
    show_default=True,
    help="Output format of --check.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say only what failed.")
@config_option
def lock(
    upgrade: str | None,
    only_check: bool,
    outdated: bool,
    source: Source,
    token: str | None,
    output: str,
    quiet: bool,
    config: Path | None,
) -> int:
    """Write hfkv.lock: the shapes of every model that the project's checks name.

    Config fields, a compact tensor table and what the card says of pretraining, at one commit
    each: text, a few KB per model. `hfkv check` then needs no network.

    \b
      hfkv lock
      hfkv lock --upgrade Qwen/Qwen3-8B
      hfkv lock --check
      hfkv lock --outdated

    Exit codes: 0 up to date or written, 1 not, 2 misuse or a configuration that cannot be read.
    """
    from hfkv.check.locking import check_lock, outdated_models
    from hfkv.check.locking import lock as run

    settings = find_settings(Path.cwd(), config)
    if sum((only_check, outdated, upgrade is not None)) > 1:
        raise click.UsageError("Give only one of --check, --outdated and --upgrade.")
    if only_check:
        findings = shown(settings, check_lock(settings))
        emit(findings, Report(findings=tuple(findings), files=1), output, quiet=True)
        return 1 if findings else 0
    from hfkv.model import Model, load

    def fetch(model: str, revision: str | None) -> Model:
        return load(model, revision=revision, source=source, token=token)

    if outdated:
        moved = outdated_models(settings, fetch)
        for model, what in moved.items():
            click.echo(f"{model}: {what}")
        if not quiet:
            count = len(moved) or "no"
            click.echo(f"{settings.lock}: {count} models are outdated", err=True)
        return 1 if moved else 0
    everything = upgrade == _ALL
    done = run(settings, fetch, upgrade=None if everything else upgrade, everything=everything)
    for model, change in done.changes.items():
        if change.startswith("failed"):
            click.echo(f"Error: {model}: {change.removeprefix('failed: ')}", err=True)
        elif change != "unchanged" and not quiet:
            click.echo(f"{model}: {change}")
    if not quiet:
        count = len(done.changes) - done.failed
        state = "written" if done.written else "already up to date"
        click.echo(f"{settings.lock}: {state}, {count} models", err=True)
    return 1 if done.failed else 0
