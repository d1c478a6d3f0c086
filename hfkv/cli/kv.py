"""``hfkv kv``."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from hfkv.cli.engine_options import (
    ALL,
    BUDGET,
    budget_of,
    chosen_engine,
    engine_name,
    engine_options,
    no_budget,
)
from hfkv.cli.options import (
    batch_option,
    chosen_format,
    format_options,
    kv_options,
    line_option,
    no_line,
    source_options,
    tokens_option,
)
from hfkv.cli.output import emit, read_model, say_beside, unheard
from hfkv.cli.strict import require_exact, strict_option


@click.command()
@click.argument("model")
@tokens_option()
@batch_option
@kv_options
@click.option("--layers", "by_layer", is_flag=True, help="What each layer stores.")
@click.option(
    "--fit", type=BUDGET, default=None, help="How many tokens a budget holds: 24GiB, 2x80GB."
)
@click.option("--gpus", type=click.IntRange(min=1), default=None, help="GPUs of such a budget.")
@engine_options(every=True)
@click.option("--explain", is_flag=True, help="The arithmetic, with where each number came from.")
@click.option(
    "--basis",
    type=click.Choice(["auto", "live"]),
    default="auto",
    show_default=True,
    help="live: ask the installed transformers, on the meta device; needs hfkv[verify].",
)
@strict_option
@line_option
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
    fit: Any,
    gpus: int | None,
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
      hfkv kv openai/gpt-oss-20b --engine vllm --fit 2x80GB --tp 2
      hfkv kv google/gemma-3-12b-it --engine all
    """
    from hfkv.render.kv import CACHE_ALONE, sheets, tidy
    from hfkv.render.origin import with_origin

    budget = budget_of(fit, gpus)
    if basis == "live" and budget is not None:
        raise click.UsageError("--fit asks for every length; --basis live answers for one.")
    if basis == "live":
        no_line(place["transformers"])
    if budget is None:
        no_budget()
    output = chosen_format()
    context = click.get_current_context()
    typed = context.get_parameter_source("tokens") is not ParameterSource.DEFAULT
    everyone = engine_name() == ALL
    engine = None if everyone else chosen_engine(kv_dtype)
    if everyone or engine is not None:
        from hfkv.cli.engine_kv import show, show_all

        if basis == "live":
            raise click.UsageError("--engine goes without --basis live.")
        if place["transformers"] is not None:
            raise click.UsageError(
                "--transformers is of its own cache; an engine allocates as its own release does."
            )
        given = {"--fit": budget is not None, "--layers": by_layer, "--strict": strict}
        for name, is_given in given.items():
            if everyone and is_given:
                raise click.UsageError(f"{name} is for one engine, not for --engine all.")
        if engine and not typed:
            tokens = engine.own_length or tokens
        if engine and context.get_parameter_source("batch") is ParameterSource.DEFAULT:
            batch = engine.own_batch or batch
        shared: dict[str, Any] = {
            "tokens": tokens,
            "batch": batch,
            "encoder_tokens": encoder_tokens,
            "crosscheck": crosscheck,
        }
        loaded = read_model(model, output, **place)
        if engine is None:
            return show_all(loaded, output, kv_dtype=kv_dtype, **shared)
        return show(
            loaded,
            engine,
            output,
            budget=budget,
            typed=typed,
            by_layer=by_layer,
            explain=explain,
            strict=strict,
            **shared,
        )
    if budget is not None and typed:
        # As `Model.fit` refuses them: an engine plans for a longest request, a cache object not.
        raise click.UsageError("--fit asks how many tokens fit; --tokens goes with --engine there.")
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
        say_beside([loaded], peft=False)
    fits: int | None = None
    if budget is not None:
        fits = figure.curve.fit(budget.bytes)
        if fits:
            figure = loaded.kv_cache(tokens=fits, **arguments)
    if strict:
        require_exact(figure)
    value = with_origin(loaded, figure.to_json(layers=by_layer))
    if budget is not None:
        value["fit"] = {
            "budget": budget.text,
            "budget_bytes": budget.bytes,
            "tokens": fits,
        }
        value["notes"] = [*value["notes"], CACHE_ALONE]
    if explain:
        value["explain"] = figure.explain()
    emit(
        output,
        value,
        sheets=lambda: sheets(
            loaded,
            figure,
            by_layer=by_layer,
            fit=budget,
            fits=fits,
            explain=explain,
        ),
        # A budget that no number of tokens fills has no largest number: its name is JSON's null.
        quiet=lambda: [
            str(figure.bytes if budget is None else "unlimited" if fits is None else fits)
        ],
        tidy=lambda: tidy(loaded, figure, value, by_layer=by_layer),
        warnings=unheard(output, explain=explain, layers=by_layer),
    )
    return 0
