"""``hfkv tokens``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hfkv.cli.options import chosen_format, format_options, source_options
from hfkv.cli.output import emit, read_model, unheard
from hfkv.errors import SourceError
from hfkv.render.formats import Format

if TYPE_CHECKING:
    from hfkv.model import Model


@click.command()
@click.argument("model")
@click.option("--explain", is_flag=True, help="Show every candidate and why it was taken or not.")
@source_options
@format_options
def tokens(model: str, explain: bool, **place: Any) -> int:
    """How many tokens MODEL saw in pretraining, quoted from its card with file and line.

    \b
      hfkv tokens meta-llama/Meta-Llama-3-70B
      hfkv tokens Qwen/Qwen2.5-7B --explain

    Where no file of it can be had, what was read of it before is the answer. Exits 0 also where
    it is unclear or no count was found: that is the answer.
    """
    from hfkv.render.origin import with_origin
    from hfkv.render.tokens import sheets, tidy

    output = chosen_format()
    try:
        loaded = read_model(model, output, **place)
    except SourceError as error:
        loaded = _by_id(model, error, **place)
    statement = loaded.pretraining
    value = with_origin(loaded, {**statement.to_json(), "model": loaded.model})
    if explain:
        value["candidates"] = _candidates(loaded)
    emit(
        output,
        value,
        sheets=lambda: sheets(loaded, statement, value.get("candidates")),
        warnings=unheard(output, explain=explain and output is Format.quiet),
        tidy=lambda: tidy(loaded, statement, value, value.get("candidates")),
        quiet=lambda: ["" if statement.tokens is None else str(statement.tokens)],
    )
    return 0


def _by_id(
    model: str, error: SourceError, *, revision: str | None, source: str, token: str | None
) -> Model:
    """The model by its id alone, where something was read of it, and neither another revision nor
    a place to look in was asked for; else the error."""
    from hfkv.facts import Facts
    from hfkv.model import Model
    from hfkv.pretraining.answer import line_of_copy
    from hfkv.source.reference import plainly

    model, named = plainly(model, revision)
    if named not in (None, "main") or source not in ("auto", "hub") or line_of_copy(model) is None:
        raise error
    note = f"no file of it was read ({error.what}): what was read of it before is the answer"
    return Model(
        Facts(
            model=model,
            source="statements",
            missing={"README.md": str(error)},
            notes=(note,),
        )
    )


def _candidates(loaded: Model) -> list[dict[str, object]]:
    """Every candidate of every card that was consulted, each with whose card it stands in."""
    from hfkv.pretraining import explain

    return [
        {"model": reading.model, **candidate.to_json()}
        for reading in explain(loaded.core)
        for candidate in reading.candidates
    ]
