"""``hfkv rank``."""

from __future__ import annotations

from fractions import Fraction

import click

from hfkv.cli.options import (
    TOKENS,
    capacity_options,
    chosen_format,
    format_options,
    source_options,
    tokens_option,
)
from hfkv.cli.output import emit, waiting


@click.command()
@click.argument("model")
@tokens_option()
@click.option(
    "--target-modules",
    default="all-linear",
    show_default=True,
    metavar="all-linear|default|NAME,NAME|regex:...",
    help="What LoRA adapts; default is PEFT's own mapping.",
)
@click.option("--kv-dtype", default="auto", show_default=True, help="Element type of the cache.")
@click.option("--encoder-tokens", type=TOKENS, default=None, help="Encoder length.")
@click.option("--lora-dtype", default="auto", show_default=True, help="Of the adapter.")
@capacity_options
@source_options
@format_options
def rank(
    model: str,
    tokens: int,
    target_modules: str,
    kv_dtype: str,
    encoder_tokens: int | None,
    lora_dtype: str,
    capacity: str,
    bits_per_token: float,
    revision: str | None,
    source: str,
    token: str | None,
) -> int:
    """Which LoRA ranks of MODEL are worth a look at --tokens tokens.

    \b
      hfkv rank meta-llama/Meta-Llama-3-70B --tokens 100k
      hfkv rank Qwen/Qwen3-8B --tokens 1M --capacity memorization
    """
    from hfkv.comparison.rank import ranks
    from hfkv.model import load
    from hfkv.peft.lora import LoraOptions
    from hfkv.render.rank import sheets

    output = chosen_format()
    if bits_per_token != bits_per_token:
        raise click.BadParameter("expected a number", param_hint="--bits-per-token")
    with waiting(f"reading {model}", output):
        loaded = load(model, revision=revision, source=source, token=token)
    found = ranks(
        loaded,
        tokens=tokens,
        target_modules=LoraOptions.parse_targets(target_modules),
        kv_dtype=kv_dtype,
        encoder_tokens=encoder_tokens,
        lora_dtype=lora_dtype,
        capacity=capacity,
        bits_per_token=Fraction(str(bits_per_token)),
    )
    emit(
        output,
        found.to_json(),
        sheets=lambda: sheets(found),
        quiet=lambda: ["" if found.covers is None else str(found.covers)],
    )
    return 0
