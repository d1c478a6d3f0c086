"""``hfkv rank``."""

from __future__ import annotations

from typing import Any

import click

from hfkv.cli.options import (
    TOKENS,
    capacity_options,
    chosen_format,
    format_options,
    source_options,
    targets_option,
    tokens_option,
)
from hfkv.cli.output import emit, read_model


@click.command()
@click.argument("model")
@tokens_option()
@targets_option
@click.option("--kv-dtype", default="auto", show_default=True, help="Element type of the cache.")
@click.option("--encoder-tokens", type=TOKENS, default=None, help="Encoder length.")
@click.option("--lora-dtype", default="auto", show_default=True, help="Of the adapter.")
@capacity_options
@source_options
@format_options
def rank(
    model: str,
    revision: str | None,
    source: str,
    token: str | None,
    **asked: Any,
) -> int:
    """Which LoRA ranks of MODEL are worth a look at --tokens tokens.

    \b
      hfkv rank meta-llama/Meta-Llama-3-70B --tokens 100k
      hfkv rank Qwen/Qwen3-8B --tokens 1M --capacity memorization
    """
    from hfkv.comparison.rank import ranks
    from hfkv.render.rank import sheets

    output = chosen_format()
    loaded = read_model(model, output, revision=revision, source=source, token=token)
    found = ranks(loaded, **asked)
    emit(
        output,
        found.to_json(),
        sheets=lambda: sheets(found),
        quiet=lambda: ["" if found.covers is None else str(found.covers)],
    )
    return 0
