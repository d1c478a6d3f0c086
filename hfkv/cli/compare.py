"""``hfkv compare``."""

from __future__ import annotations

from typing import Any

import click

from hfkv.cli.options import (
    TOKENS,
    batch_option,
    chosen_format,
    format_options,
    kv_options,
    lora_options,
    source_options,
    tokens_option,
)
from hfkv.cli.output import emit, waiting


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@lora_options
@tokens_option()
@batch_option
@kv_options
@click.option(
    "--cartridge",
    type=TOKENS,
    default=None,
    metavar="TOKENS",
    help="Also compare a PEFT cartridge: a trained KV cache of so many virtual tokens.",
)
@source_options
@format_options
def compare(
    models: tuple[str, ...],
    rank: int,
    target_modules: str,
    lora_dtype: str,
    tokens: int,
    batch: int,
    kv_dtype: str,
    encoder_tokens: int | None,
    crosscheck: bool,
    cartridge: int | None,
    revision: str | None,
    source: str,
    token: str | None,
) -> int:
    """Compare what a token leaves behind in context, in a LoRA adapter and in pretraining.

    \b
      hfkv compare meta-llama/Meta-Llama-3-70B --rank 32
      hfkv compare Qwen/Qwen3-8B google/gemma-3-12b-it --tokens 128Ki --json
    """
    from hfkv.comparison import Comparison, compare_model
    from hfkv.errors import HfkvError
    from hfkv.lora import LoraOptions
    from hfkv.model import load_many
    from hfkv.reading import printable
    from hfkv.render.compare import sheets

    output = chosen_format()
    targets = LoraOptions.parse_targets(target_modules)
    results: list[Comparison] = []
    failures: list[tuple[str, HfkvError]] = []
    with waiting(f"reading {', '.join(models[:3])}", output):
        loaded = load_many(models, revision=revision, source=source, token=token)
    for name, model in zip(models, loaded, strict=True):
        if isinstance(model, HfkvError):
            failures.append((name, model))
            continue
        results.append(
            compare_model(
                model,
                tokens=tokens,
                batch=batch,
                r=rank,
                target_modules=targets,
                kv_dtype=kv_dtype,
                lora_dtype=lora_dtype,
                encoder_tokens=encoder_tokens,
                crosscheck=crosscheck,
                cartridge=cartridge,
            )
        )
    if len(models) == 1 and failures:
        raise failures[0][1]
    if results:
        value: list[dict[str, Any]] = [item.to_json() for item in results]
        emit(
            output,
            value,
            sheets=lambda: sheets(results),
            quiet=lambda: [_bare(item) for item in results],
        )
    for _, error in failures:
        click.echo(f"Error: {printable(str(error), 4000)}", err=True)
    figures = ("kv_cache", "lora", "cartridge")
    refused = [item for item in results if any(name in item.reasons for name in figures)]
    for item in refused:
        for name in figures:
            if name in item.reasons:
                reason = printable(item.reasons[name], 4000)
                click.echo(f"Error: no {name} figure: {reason}", err=True)
    return 1 if failures or refused else 0


def _bare(item: Any) -> str:
    ratio = item.compression["kv_over_lora"]
    return "" if ratio is None else repr(float(ratio))
