"""``hfkv kv``."""

from __future__ import annotations

from typing import Any

import click

from hfkv.cli.options import (
    BYTES,
    batch_option,
    chosen_format,
    format_options,
    kv_options,
    source_options,
    tokens_option,
)
from hfkv.cli.output import emit, read_model
from hfkv.cli.strict import require_exact, strict_option


@click.command()
@click.argument("model")
@tokens_option()
@batch_option
@kv_options
@click.option("--layers", "by_layer", is_flag=True, help="What each layer stores.")
@click.option("--fit", type=BYTES, default=None, help="How many tokens a budget holds: 24GiB.")
@click.option("--explain", is_flag=True, help="The arithmetic, with where each number came from.")
@click.option(
    "--basis",
    type=click.Choice(["auto", "live"]),
    default="auto",
    show_default=True,
    help="live: ask the installed transformers, on the meta device; needs hfkv[verify].",
)
@strict_option
@source_options
@format_options
def kv(
    model: str,
    tokens: int,
    batch: int,
    kv_dtype: str,
    encoder_tokens: int | None,
    crosscheck: bool,
    by_layer: bool,
    fit: int | None,
    explain: bool,
    basis: str,
    strict: bool,
    **place: Any,
) -> int:
    """The KV cache of MODEL after --tokens tokens, to the byte.

    \b
      hfkv kv deepseek-ai/DeepSeek-V3 --tokens 128Ki
      hfkv kv google/gemma-3-12b-it --layers
      hfkv kv Qwen/Qwen3-8B --fit 24GiB --batch 4
    """
    from hfkv.render.kv import sheets

    if basis == "live" and fit is not None:
        raise click.UsageError("--fit asks for every length; --basis live answers for one.")
    output = chosen_format()
    loaded = read_model(model, output, **place)
    arguments: dict[str, Any] = {
        "batch": batch,
        "dtype": kv_dtype,
        "encoder_tokens": encoder_tokens,
    }
    if basis == "live":
        from hfkv.live.kv_cache import live_kv_cache

        # The class itself answers, so there is no plan to hold against the checkpoint.
        figure = live_kv_cache(loaded.core, tokens=tokens, **arguments)
    else:
        arguments["crosscheck"] = crosscheck
        figure = loaded.kv_cache(tokens=tokens, **arguments)
    if strict:
        require_exact(figure)
    fits: int | None = None
    if fit is not None:
        fits = figure.curve.fit(fit)
        if fits:
            figure = loaded.kv_cache(tokens=fits, **arguments)
    value = figure.to_json(layers=by_layer)
    if fit is not None:
        value["fit"] = {"budget_bytes": fit, "tokens": fits}
    if explain:
        value["explain"] = figure.explain()
    emit(
        output,
        value,
        sheets=lambda: sheets(figure, by_layer=by_layer, fit=fit, fits=fits, explain=explain),
        # A budget that no number of tokens fills has no largest number: its name is JSON's null.
        quiet=lambda: [str(figure.bytes if fit is None else "unlimited" if fits is None else fits)],
    )
    return 0
