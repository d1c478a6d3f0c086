"""``hfkv plot``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from hfkv.cli.engine_options import chosen_engine, engine_options, no_budget, refusing
from hfkv.cli.options import (
    batch_option,
    kv_options,
    line_option,
    lora_options,
    pretraining_option,
    source_options,
    tokens_option,
)
from hfkv.cli.output import print_json, say_beside, waiting
from hfkv.cli.rank_options import rule_options
from hfkv.render.formats import Format

if TYPE_CHECKING:
    from hfkv.render.chart import StyleName
    from hfkv.source import Source

    _Size = click.ParamType[tuple[float, float]]
else:  # older releases of click have no such subscript
    _Size = click.ParamType


class _Inches(_Size):
    """A width and a height, as ``8.4x5.4``."""

    name = "WIDTHxHEIGHT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        try:
            width, height = (float(edge) for edge in str(value).lower().split("x"))
        except ValueError:
            self.fail(f"{value!r} is not a width and a height such as 8.4x5.4", param, ctx)
        return width, height


SIZE = _Inches()


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option(
    "--over",
    type=click.Choice(["tokens", "rank"]),
    required=True,
    help="tokens: bytes per token against tokens. rank: compression against the LoRA rank.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="FILE.png, .svg or .pdf.  [default: hfkv-over-tokens.png or hfkv-over-rank.png]",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["chart", "json"]),
    default="chart",
    show_default=True,
    help="json prints the numbers that the chart is drawn from.",
)
@click.option(
    "--style",
    type=click.Choice(["light", "dark"]),
    default="light",
    show_default=True,
    help="Dark for slides and dark pages.",
)
@click.option("--size", type=SIZE, default=None, help="Inches.  [default: 8.4x5.4]")
@click.option("--title/--no-title", default=True, help="None in a paper: the caption says it.")
@lora_options
@tokens_option()
@batch_option
@kv_options
@engine_options()
@rule_options
@pretraining_option
@line_option
@source_options
def plot(
    models: tuple[str, ...],
    over: Literal["tokens", "rank"],
    output: Path | None,
    output_format: str,
    style: StyleName,
    size: tuple[float, float] | None,
    title: bool,
    rank: int,
    revision: str | None,
    source: Source,
    token: str | None,
    transformers: str | None,
    **asked: Any,
) -> int:
    """Draw one of the two charts for one or several models, or print its numbers.

    \b
      hfkv plot meta-llama/Meta-Llama-3-70B --over tokens -o tokens.png
      hfkv plot meta-llama/Meta-Llama-3-70B Qwen/Qwen3-8B --over rank -o rank.svg
      hfkv plot meta-llama/Meta-Llama-3-70B --over tokens --style dark --no-title
      hfkv plot meta-llama/Meta-Llama-3-70B --over tokens --format json

    In Python it is hfkv.plot(...), which returns a matplotlib figure.
    """
    from hfkv.comparison.side_by_side import loaded
    from hfkv.errors import HfkvError
    from hfkv.model import Model
    from hfkv.render.chart import chart_of, draw, matplotlib, save

    if output is not None and output_format == "json":
        raise click.UsageError("--format json prints; leave out -o.")
    no_budget()
    if output_format != "json":
        matplotlib()  # what cannot be drawn need not be read
    with waiting(f"reading {', '.join(models[:3])}", Format.human):
        found = loaded(
            models, revision=revision, source=source, token=token, transformers=transformers
        )
    for item in found:
        if isinstance(item, HfkvError):
            raise item
    read = [item for item in found if isinstance(item, Model)]
    engine = chosen_engine(asked["kv_dtype"])
    if engine is not None:
        asked.update(engine=engine, kv_dtype="auto")
    with refusing() if engine is not None else nullcontext():
        chart = chart_of(read, over=over, r=rank, **asked)
    say_beside(read)
    if output_format == "json":
        line = transformers is not None
        print_json({**({"versions": dict(read[0].versions)} if line else {}), **chart.to_json()})
        return 0
    path = output if output is not None else Path(f"hfkv-over-{over}.png")
    save(draw(chart, style=style, size=size, title=title), path)
    click.echo(str(path))
    return 0
