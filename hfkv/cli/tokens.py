"""``hfkv tokens``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hfkv.cli.options import chosen_format, format_options, source_options
from hfkv.cli.output import emit, read_model

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

    Exits 0 also where the card does not state it: that is the answer.
    """
    from hfkv.render.tokens import sheets

    output = chosen_format()
    loaded = read_model(model, output, **place)
    statement = loaded.pretraining
    value = {**statement.to_json(), "model": loaded.model}
    if explain:
        value["candidates"] = _candidates(loaded)
    emit(
        output,
        value,
        sheets=lambda: sheets(loaded, statement, value.get("candidates")),
        quiet=lambda: ["" if statement.tokens is None else str(statement.tokens)],
    )
    return 0


def _candidates(loaded: Model) -> list[dict[str, object]]:
    """Every candidate of every card that was consulted, each with whose card it stands in."""
    from hfkv.pretraining import explain

    return [
        {"model": reading.model, **candidate.to_json()}
        for reading in explain(loaded.core)
        for candidate in reading.candidates
    ]
