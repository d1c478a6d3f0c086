"""``hfkv check``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import click

from hfkv.check.baseline import Baseline, dump_baseline, read_baseline
from hfkv.check.codes import CODES
from hfkv.check.finding import Finding
from hfkv.check.run import Report, Seen
from hfkv.check.run import check as run
from hfkv.check.settings import Settings, check_codes, find_settings
from hfkv.cli.options import line_option
from hfkv.errors import InputError
from hfkv.reading import printable
from hfkv.release_lines import line_of
from hfkv.render.check import (
    FORMATS,
    diff,
    explain,
    github,
    human,
    listing,
    sarif,
    step_summary,
    summary,
)

config_option = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="A pyproject.toml or hfkv.toml.  [default: the nearest one above]",
)
#: Seconds until a scan says where it is, and between its lines.
_FIRST, _EACH = 1.0, 0.2


def shown(settings: Settings, findings: Sequence[Finding]) -> list[Finding]:
    """The findings with paths as they are seen from where the command runs."""
    here, root = Path.cwd().resolve(), settings.root.resolve()
    if here == root:
        return list(findings)
    return [
        replace(item, path=Path(os.path.relpath(root / item.path, here)).as_posix())
        for item in findings
    ]


def emit(findings: list[Finding], report: Report, output: str, *, quiet: bool) -> None:
    """Print findings in a format; the summary goes to stderr."""
    line = summary(findings, report.files, report.seen, report.passed)
    if output == "json":
        from hfkv.cli.output import print_json

        value = {"findings": [item.to_json() for item in findings], "files": report.files}
        print_json({**value, "read": _read(report.seen)})
    elif output == "sarif":
        from hfkv.render.machine import to_json

        click.echo(to_json(sarif(findings)))
    elif findings:
        click.echo(github(findings) if output == "github" else human(findings))
    page = os.environ.get("GITHUB_STEP_SUMMARY") if output == "github" else None
    if page and not quiet:
        with open(page, "a", encoding="utf-8") as file:
            file.write(step_summary(findings, line))
    if output == "human" and not quiet:
        click.echo(line, err=True)


def _read(seen: Sequence[Seen]) -> dict[str, int]:
    """What was read, in numbers."""
    return {
        "configs": sum(item.kind not in ("", "claims") for item in seen),
        "claims": sum(item.kind == "claims" for item in seen),
        "unrecognised": sum(not item.kind for item in seen),
    }


def codes(text: str | None, option: str) -> tuple[str, ...] | None:
    """Codes as the command line takes them."""
    if text is None:
        return None
    found = tuple(code.strip().upper() for code in text.split(",") if code.strip())
    check_codes(found, option)
    return found


def _watch() -> tuple[Callable[[int, str], None] | None, Callable[[], None]]:
    """What says on a terminal where a long scan is, and what takes that line away again."""
    if not sys.stderr.isatty():
        return None, lambda: None
    begin = time.monotonic()
    last = 0.0

    def watch(files: int, path: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - begin > _FIRST and now - last > _EACH:
            last = now
            text = f"{files:,} files seen, at {printable(path, 60)}"
            click.echo(f"\r\x1b[2K{text}", err=True, nl=False)

    def clear() -> None:
        if last:
            click.echo("\r\x1b[2K", err=True, nl=False)

    return watch, clear


def _explained(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is None or context.resilient_parsing:
        return
    code = value.upper()
    if code not in CODES:
        raise click.BadParameter(f"there is no code {printable(value, 40)}; they are in CHECK.md.")
    click.echo(explain(code))
    context.exit()


def _baseline(settings: Settings, named: Path | None, update: bool) -> tuple[Path | None, Baseline]:
    """Where the baseline is, and what it lets pass."""
    path = named or (settings.root / settings.baseline if settings.baseline else None)
    if update:
        if path is None:
            raise click.UsageError("Give --baseline FILE, or set `baseline` in the configuration.")
        return path, Baseline()
    if path is not None and not path.is_file():
        raise InputError(
            "there is no such file",
            where=f"--baseline {path}",
            hint="write it with --update-baseline",
        )
    return path, Baseline() if path is None else read_baseline(path)


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--fix", is_flag=True, help="Write the right figures into documents.")
@click.option("--diff", "only_diff", is_flag=True, help="Show what --fix would change.")
@click.option("--online", is_flag=True, help="Fetch models that are not in hfkv.lock.")
@click.option("--select", metavar="CODES", help="Only these codes, or beginnings: HFKV1,HFKV301.")
@click.option("--ignore", metavar="CODES", help="Not these codes, or beginnings.")
@click.option("--strict", is_flag=True, help="Notes fail as findings do.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even if there are findings.")
@click.option(
    "--baseline",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Let the findings in this file pass.",
)
@click.option("--update-baseline", is_flag=True, help="Write the findings to the baseline.")
@click.option("--show-files", is_flag=True, help="List what was read: file, kind and base model.")
@click.option(
    "--explain",
    metavar="CODE",
    default=None,
    is_eager=True,
    expose_value=False,
    callback=_explained,
    help="Say what a code means and what to do, and exit.",
)
@click.option(
    "--format",
    "output",
    type=click.Choice(FORMATS),
    default="human",
    show_default=True,
    help="Output format.",
)
@click.option("-q", "--quiet", is_flag=True, help="No notes and no summary.")
@line_option
@config_option
def check(
    files: tuple[Path, ...],
    fix: bool,
    only_diff: bool,
    online: bool,
    select: str | None,
    ignore: str | None,
    strict: bool,
    exit_zero: bool,
    baseline: Path | None,
    update_baseline: bool,
    show_files: bool,
    output: str,
    quiet: bool,
    transformers: str | None,
    config: Path | None,
) -> int:
    """Hold what a repository says of models against the models themselves.

    PEFT and training configs, scripts and notebooks, budgets, figures claimed in documents and
    config.json files: those among FILES, or in the whole project. Models come from hfkv.lock, so
    no network is needed. What cannot be judged is a note, and fails nothing.

    \b
      hfkv check
      hfkv check README.md --fix
      hfkv check --explain HFKV101
      hfkv check --format sarif > hfkv.sarif

    Exit codes: 0 clean, 1 findings, 2 misuse or a configuration that cannot be read.
    """
    if fix and only_diff:
        raise click.UsageError("Give only one of --fix and --diff.")
    settings = find_settings(Path.cwd(), config)
    settings = replace(
        settings,
        select=codes(select, "--select") or settings.select,
        ignore=(*settings.ignore, *(codes(ignore, "--ignore") or ())),
        transformers=settings.transformers if transformers is None else line_of(transformers),
    )
    path, passing = _baseline(settings, baseline, update_baseline)
    watch, clear = _watch()
    try:
        report = run(
            settings,
            files,
            fix=fix or only_diff,
            write=fix,
            online=online,
            baseline=passing,
            watch=watch,
        )
    finally:
        clear()
    if update_baseline and path is not None:
        from hfkv.check.rewrite import replace_file

        kept = [item for item in report.findings if not item.note]
        replace_file(path, dump_baseline(kept).encode())
        click.echo(f"{printable(str(path))}: {len(kept):,} findings written", err=True)
        return 0
    if only_diff:
        if report.changes:
            click.echo(diff(report.changes))
        return 1 if report.changes and not exit_zero else 0
    if show_files and report.seen:
        # Formats for programs have stdout to themselves.
        click.echo(listing(report.seen), err=output != "human")
    strict = strict or settings.strict
    findings = shown(settings, report.findings)
    if quiet and not strict and output == "human":
        findings = [item for item in findings if not item.note]
    emit(findings, report, output, quiet=quiet)
    failing = [item for item in report.findings if strict or not item.note]
    return 1 if failing and not exit_zero else 0
