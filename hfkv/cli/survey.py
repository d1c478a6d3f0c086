"""``hfkv survey``, and ``hfkv survey show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hfkv.cli.options import TOKENS, batch_option, chosen_format, format_options
from hfkv.cli.output import emit, print_json, waiting, warn
from hfkv.cli.survey_options import list_options, question_options, table_options, work_options
from hfkv.render.formats import Format

if TYPE_CHECKING:
    from hfkv.surveys.asked import Asked
    from hfkv.surveys.output import Output
    from hfkv.surveys.question import Question
    from hfkv.surveys.run import Done


class _Survey(click.Command):
    """``show`` is a command of its own; all else is what is surveyed."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        if args[:1] == ["show"]:
            return show.make_context(f"{info_name} show", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=_Survey)
@click.argument("ids", required=False)
@click.option(
    "-o",
    "--output",
    "out",
    default=None,
    metavar="FILE|DIR",
    help="FILE.parquet, FILE.jsonl, or a directory: a data set of the Hub.",
)
@table_options
@list_options
@question_options
@click.option(
    "--tokens",
    type=TOKENS,
    default=100_000,
    show_default=True,
    help="Tokens in each sequence: 100000, 100k, 1M, 128Ki.",
)
@batch_option
@work_options
@click.option("--update", is_flag=True, help="Ask again for what has changed, or may have passed.")
@click.option("--dry-run", is_flag=True, help="Only say how many requests, and how long.")
@format_options
def survey(
    ids: str | None,
    out: str | None,
    cards: str | None,
    configs: str | None,
    author: tuple[str, ...],
    filters: tuple[str, ...],
    search: str | None,
    sort: str | None,
    limit: int | None,
    source: str,
    token: str | None,
    on: str | None,
    workers: int | None,
    update: bool,
    dry_run: bool,
    **asked_of_each: Any,
) -> int:
    """The figures of many models as one table, a row each; it goes on where it was ended.

    \b
      hfkv survey ids.txt -o survey.parquet
      hfkv survey --author Qwen --author google --limit 500 -o qwen.parquet
      hfkv survey --cards model_cards.parquet -o tokens.parquet
      hfkv survey --configs configs/ -o configs.jsonl
      hfkv survey show survey.parquet --by year

    IDS is a file with an id on each line, a JSONL or Parquet table of them, or - for stdin. What
    could not be read is a row that says why. Exits 0 when every model is in the table.
    """
    from hfkv.surveys.output import Output
    from hfkv.surveys.plan import plan

    chosen = chosen_format()
    wanted = None if out is None else Output.of(out)
    if wanted is None and not dry_run:
        raise click.UsageError("Missing option '-o' / '--output'.")
    listing = {"authors": author, "filters": filters, "search": search, "sort": sort}
    question, columns = _question(asked_of_each)
    with waiting("reading the list", chosen):
        asked = _asked(ids, cards, configs, columns, listing, limit, token, wanted)
    click.get_current_context().call_on_close(asked.close)
    if dry_run:
        found = plan(asked, source=source, token=token)
        from hfkv.render.survey import plan_sheets

        emit(
            chosen,
            found.to_json(),
            sheets=lambda: plan_sheets(found),
            quiet=lambda: [str(sum(found.requests.values()))],
        )
        return 0
    assert wanted is not None
    done = _written(asked, question, wanted, chosen, source, update, on, workers, token)
    _say(done, wanted, chosen)
    return 0


def _question(given: dict[str, Any]) -> tuple[Question, Any]:
    from hfkv.surveys.asked import Columns
    from hfkv.surveys.question import Question

    names = ("id", "card", "config", "header", "created")
    columns = Columns(**{name: given.pop(f"{name}_column") for name in names})
    return Question(**given), columns


def _asked(
    ids: str | None,
    cards: str | None,
    configs: str | None,
    columns: Any,
    listing: dict[str, Any],
    limit: int | None,
    token: str | None,
    output: Output | None,
) -> Asked:
    """What is asked about: one list, table or query."""
    import json

    from hfkv.surveys.api import asked_of
    from hfkv.surveys.asked import of_items

    query = {name: value for name, value in listing.items() if value}
    if not query:
        if (ids, cards, configs) == (None, None, None):
            ways = "IDS, --author (or --filter, --search, --sort), --cards or --configs"
            raise click.UsageError(f"Give {ways}.")
        if limit is not None:
            raise click.UsageError("--limit goes with the Hub's own list: --author, --search...")
        return asked_of(ids, cards, configs, columns)
    if (ids, cards, configs) != (None, None, None):
        raise click.UsageError("--author, --filter, --search and --sort are a list of their own.")
    what = json.dumps({**query, "limit": limit})
    if output is not None and output.begun() is not None and output.asked.exists():
        # The list is as it was when this was begun.
        return of_items([], kind="hub", what=what, listed=True)
    from hfkv.source.listing import list_models

    return of_items(
        list_models(**listing, limit=limit, token=token), kind="hub", what=what, listed=True
    )


def _written(
    asked: Asked,
    question: Question,
    output: Output,
    chosen: Format,
    source: str,
    update: bool,
    on: str | None,
    workers: int | None,
    token: str | None,
) -> Done:
    from hfkv.cli.survey_progress import Teller
    from hfkv.surveys.hire import crew
    from hfkv.surveys.run import BATCH, write

    if on is not None:
        import logging

        # Dask logs tracebacks of what an error of ours says in one line.
        logging.disable(logging.CRITICAL)
    few = asked.total is not None and asked.total <= 2 * BATCH["hub"]
    if workers is None and on is None and few:
        workers = 1  # they are read before another process has started
    with Teller(chosen) as teller:
        try:
            return write(
                asked,
                question,
                output,
                lambda: crew(on, workers, token),
                source=source,
                update=update,
                tell=teller,
            )
        except KeyboardInterrupt:
            teller.close()
            click.echo(
                f"Stopped. What was answered is kept in {output.parts}: the same command goes on.",
                err=True,
            )
            raise


def _say(done: Done, output: Output, chosen: Format) -> None:
    from hfkv.render.survey import done_sheets, done_value

    value = done_value(done, str(output.path))
    if chosen is Format.json:
        print_json(value, indent=None)
        warn([output.changed] if output.changed else [])
        return
    emit(
        chosen,
        value,
        sheets=lambda: done_sheets(value),
        quiet=lambda: [str(value["rows"])],
        warnings=[output.changed] if output.changed else [],
    )


@click.command()
@click.argument("survey", metavar="FILE|DIR")
@click.option(
    "--by",
    type=click.Choice(["model_type", "year", "size", "author"]),
    default="model_type",
    show_default=True,
    help="What the models of a line have in common.",
)
@click.option(
    "--sort",
    type=click.Choice(["models", "name", "refused", "context", "parameters", "stated"]),
    default="models",
    show_default=True,
    help="All but names the largest first.",
)
@click.option(
    "--most", type=click.IntRange(min=1), default=20, show_default=True, help="Lines to show."
)
@click.option(
    "--chart",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Also draw it: FILE.png, .svg or .pdf.",
)
@click.option(
    "--style", type=click.Choice(["light", "dark"]), default="light", help="Of the chart."
)
@format_options
def show(survey: str, by: str, sort: str, most: int, chart: Path | None, style: Any) -> int:
    """A survey at a glance: medians of each group, what could not be read, what was refused.

    \b
      hfkv survey show survey.parquet --by size
      hfkv survey show survey.parquet --by year --chart survey.svg

    The chart has bytes per token in context against parameters, pretraining tokens per parameter
    over the years, and the types of models that refused a figure.
    """
    import os

    from hfkv.render.survey import summary_sheets
    from hfkv.surveys.summary import summarize

    path = Path(os.path.expanduser(survey))
    if not path.exists():
        from hfkv.errors import NotFoundError

        hint = ""
        if path.with_name(f"{path.name}.parts").exists():
            hint = "it is not done: the same command as before goes on"
        raise NotFoundError("no such survey", where=survey, hint=hint)
    found = summarize(path, by=by, sort=sort)
    if chart is not None:
        from hfkv.render.chart import save
        from hfkv.render.chart.of_survey import draw_survey

        save(draw_survey(found, style=style), chart)
    emit(
        chosen_format(),
        found.to_json(),
        sheets=lambda: summary_sheets(found, most),
        quiet=lambda: [f"{group.name}\t{group.models}" for group in found.groups],
        rows=lambda: [
            {name: "" if value is None else str(value) for name, value in group.to_json().items()}
            for group in found.groups
        ],
    )
    return 0
