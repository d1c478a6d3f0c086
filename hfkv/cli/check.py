"""``hfkv check``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click

from hfkv.check.finding import Finding
from hfkv.check.run import check as run
from hfkv.check.settings import Settings, check_codes, find_settings
from hfkv.render.check import FORMATS, github, human, sarif, summary

config_option = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="A pyproject.toml or hfkv.toml.  [default: the nearest one above]",
)


def shown(settings: Settings, findings: tuple[Finding, ...]) -> list[Finding]:
    """The findings with paths as they are seen from where the command runs."""
    here, root = Path.cwd().resolve(), settings.root.resolve()
    if here == root:
        return list(findings)
    return [
        replace(item, path=Path(os.path.relpath(root / item.path, here)).as_posix())
        for item in findings
    ]


def emit(findings: list[Finding], files: int, output: str, *, quiet: bool) -> None:
    """Print findings in a format; the summary goes to stderr."""
    if output in ("json", "sarif"):
        from hfkv.render.machine import to_json

    if output == "json":
        click.echo(to_json({"findings": [item.to_json() for item in findings], "files": files}))
    elif output == "sarif":
        click.echo(to_json(sarif(findings)))
    elif findings:
        click.echo(github(findings) if output == "github" else human(findings))
    if output == "human" and not quiet:
        click.echo(summary(findings, files), err=True)


def codes(text: str | None, option: str) -> tuple[str, ...] | None:
    """Codes as the command line takes them."""
    if text is None:
        return None
    found = tuple(code.strip().upper() for code in text.split(",") if code.strip())
    check_codes(found, option)
    return found


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--fix", is_flag=True, help="Write the right figures into documents.")
@click.option("--online", is_flag=True, help="Fetch models that are not in hfkv.lock.")
@click.option("--select", metavar="CODES", help="Only these codes, or beginnings: HFKV1,HFKV301.")
@click.option("--ignore", metavar="CODES", help="Not these codes, or beginnings.")
@click.option(
    "--format",
    "output",
    type=click.Choice(FORMATS),
    default="human",
    show_default=True,
    help="Output format.",
)
@click.option("-q", "--quiet", is_flag=True, help="No summary on stderr.")
@config_option
def check(
    files: tuple[Path, ...],
    fix: bool,
    online: bool,
    select: str | None,
    ignore: str | None,
    output: str,
    quiet: bool,
    config: Path | None,
) -> int:
    """Hold what a repository says of models against the models themselves.

    PEFT and training configs, budgets, figures claimed in documents and config.json files: those
    among FILES, or in the whole project. Models come from hfkv.lock, so no network is needed.

    \b
      hfkv check
      hfkv check README.md --fix
      hfkv check --format sarif > hfkv.sarif

    Exit codes: 0 clean, 1 findings, 2 misuse or a configuration that cannot be read.
    """
    settings = find_settings(Path.cwd(), config)
    settings = replace(
        settings,
        select=codes(select, "--select") or settings.select,
        ignore=(*settings.ignore, *(codes(ignore, "--ignore") or ())),
    )
    report = run(settings, files, fix=fix, online=online)
    emit(shown(settings, report.findings), report.files, output, quiet=quiet)
    return 1 if report.findings else 0
