"""``hfkv plot``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hfkv.cli.options import (
    batch_option,
    kv_options,
    lora_options,
    pretraining_option,
    source_options,
    tokens_option,
    with_pretraining,
)
from hfkv.cli.output import print_json, waiting
from hfkv.cli.rank_options import rule_options
from hfkv.render.formats import Format

if TYPE_CHECKING:
    from hfkv.comparison.rules import Assumed
    from hfkv.source import Source


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
@lora_options
@tokens_option()
@batch_option
@kv_options
@rule_options
@pretraining_option
@source_options
def plot(
    models: tuple[str, ...],
    over: str,
    output: Path | None,
    output_format: str,
    rank: int,
    tokens: int,
    assumed: Assumed,
    pretraining_tokens: int | None,
    revision: str | None,
    source: Source,
    token: str | None,
    **asked: Any,
) -> int:
    """Draw one of the two charts for one or several models, or print its numbers.

    \b
      hfkv plot meta-llama/Meta-Llama-3-70B --over tokens -o tokens.png
      hfkv plot meta-llama/Meta-Llama-3-70B Qwen/Qwen3-8B --over rank -o rank.svg
      hfkv plot meta-llama/Meta-Llama-3-70B --over tokens --format json
    """
    from hfkv.comparison.series import OverRank, OverTokens, over_rank, over_tokens
    from hfkv.errors import HfkvError
    from hfkv.model import Model, load_many

    if output is not None and output_format == "json":
        raise click.UsageError("--format json prints; leave out -o.")
    if output_format != "json":
        from hfkv.render.chart import matplotlib

        matplotlib()  # what cannot be drawn need not be read
    with waiting(f"reading {', '.join(models[:3])}", Format.human):
        found = load_many(models, revision=revision, source=source, token=token)
    for item in found:
        if isinstance(item, HfkvError):
            raise item
    loaded = [
        item for item in with_pretraining(found, pretraining_tokens) if isinstance(item, Model)
    ]
    chart: OverTokens | OverRank
    if over == "tokens":
        chart = over_tokens(loaded, r=rank, **asked)
    else:
        chart = over_rank(loaded, tokens=tokens, assumed=assumed, **asked)
    if output_format == "json":
        print_json(chart.to_json())
        return 0
    from hfkv.render.chart import draw, save

    path = output if output is not None else Path(f"hfkv-over-{over}.png")
    save(draw(chart), path)
    click.echo(str(path))
    return 0
