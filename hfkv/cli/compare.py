"""``hfkv compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hfkv.cli.options import (
    TOKENS,
    batch_option,
    chosen_format,
    format_options,
    kv_options,
    lora_options,
    pretraining_option,
    source_options,
    tokens_option,
    with_pretraining,
)
from hfkv.cli.output import emit, waiting
from hfkv.cli.strict import doubt, strict_option
from hfkv.errors import HfkvError

if TYPE_CHECKING:
    from hfkv.comparison import Comparison


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
@pretraining_option
@strict_option
@source_options
@format_options
def compare(
    models: tuple[str, ...],
    rank: int,
    pretraining_tokens: int | None,
    strict: bool,
    revision: str | None,
    source: str,
    token: str | None,
    **asked: Any,
) -> int:
    """Compare what a token leaves behind in context, in a LoRA adapter and in pretraining.

    \b
      hfkv compare meta-llama/Meta-Llama-3-70B --rank 32
      hfkv compare Qwen/Qwen3-8B google/gemma-3-12b-it --tokens 128Ki --json
    """
    from hfkv.comparison import Comparison, compare_model
    from hfkv.model import load_many
    from hfkv.reading import printable
    from hfkv.render.compare import sheets

    output = chosen_format()
    results: list[Comparison | HfkvError] = []
    with waiting(f"reading {', '.join(models[:3])}", output):
        loaded = load_many(models, revision=revision, source=source, token=token)
    for model in with_pretraining(loaded, pretraining_tokens):
        if isinstance(model, HfkvError):
            results.append(model)
            continue
        results.append(compare_model(model, r=rank, **asked))
    if len(models) == 1 and isinstance(results[0], HfkvError):
        raise results[0]
    found = [item for item in results if isinstance(item, Comparison)]
    emit(
        output,
        [
            _failure(name, item) if isinstance(item, HfkvError) else item.to_json()
            for name, item in zip(models, results, strict=True)
        ],
        sheets=lambda: sheets(found) if found else [],
        quiet=lambda: [_bare(item) for item in results],
    )
    for item in results:
        for reason in [str(item)] if isinstance(item, HfkvError) else _refusals(item):
            click.echo(f"Error: {printable(reason, 4000)}", err=True)
    doubts = [reason for item in found for reason in _doubts(item)] if strict else []
    for reason in doubts:
        click.echo(f"Error: {printable(reason, 4000)}", err=True)
    refused = any(isinstance(item, HfkvError) or _refusals(item) for item in results)
    return int(refused or bool(doubts))


def _failure(name: str, error: HfkvError) -> dict[str, Any]:
    """What stands in the place of a model that could not be read."""
    return {"model": name, "error": {"type": type(error).__name__, "message": str(error)}}


def _refusals(item: Comparison) -> list[str]:
    return [
        f"no {name} figure: {item.reasons[name]}"
        for name in ("kv_cache", "lora", "cartridge")
        if name in item.reasons
    ]


def _doubts(item: Comparison) -> list[str]:
    """What ``--strict`` does not let pass."""
    figures = {"kv_cache": item.kv_cache, "lora": item.lora, "cartridge": item.cartridge}
    return [
        f"{item.model.model}: {name}: {why} (--strict)"
        for name, figure in figures.items()
        if figure is not None and (why := doubt(figure))
    ]


def _bare(item: Comparison | HfkvError) -> str:
    """The ratio; an empty line where there is none, so that lines and models stay together."""
    if isinstance(item, HfkvError):
        return ""
    ratio = item.compression["kv_over_lora"]
    return "" if ratio is None else repr(float(ratio))
