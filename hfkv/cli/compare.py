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
from hfkv.cli.output import emit, waiting, warn
from hfkv.errors import HfkvError

if TYPE_CHECKING:
    from hfkv.comparison import Comparison
    from hfkv.comparison.methods import Entry


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
@click.option(
    "--method",
    default=None,
    metavar="NAME[:SIZE],...",
    help="Also PEFT's other methods: ia3,vera,lora:32; with --match-bytes at equal bytes.",
)
@click.option(
    "--match-bytes",
    is_flag=True,
    help="Each --method at its largest size that has no more bytes than LoRA at --rank.",
)
@pretraining_option
@source_options
@format_options
def compare(
    models: tuple[str, ...],
    rank: int,
    method: str | None,
    match_bytes: bool,
    pretraining_tokens: int | None,
    revision: str | None,
    source: str,
    token: str | None,
    **asked: Any,
) -> int:
    """Compare what a token leaves behind in context, in a LoRA adapter and in pretraining.

    \b
      hfkv compare meta-llama/Meta-Llama-3-70B --rank 32
      hfkv compare Qwen/Qwen3-8B google/gemma-3-12b-it --tokens 128Ki --json
      hfkv compare Qwen/Qwen3-8B --method ia3,vera,oft,lora:8 --match-bytes
    """
    from hfkv.comparison import Comparison, compare_model
    from hfkv.model import load_many
    from hfkv.reading import printable
    from hfkv.render.compare import sheets
    from hfkv.render.methods import sheet

    output = chosen_format()
    if match_bytes and method is None:
        raise click.UsageError("--match-bytes goes with --method.")
    wanted = _wanted(method)
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
    warn(text for item in found if item.lora is not None for text in item.lora.warnings)
    beside = [_beside(item, wanted, rank, match_bytes, asked) for item in found] if wanted else []
    also = dict(zip(map(id, found), beside, strict=False))
    emit(
        output,
        [
            _failure(name, item)
            if isinstance(item, HfkvError)
            else item.to_json() | _listed(also.get(id(item)))
            for name, item in zip(models, results, strict=True)
        ],
        sheets=lambda: [
            *(sheets(found) if found else []),
            *(
                sheet(item.model.model, entries, limit=limit)
                for item, (entries, limit) in zip(found, beside, strict=False)
            ),
        ],
        quiet=lambda: [_bare(item) for item in results],
    )
    for item in results:
        for reason in [str(item)] if isinstance(item, HfkvError) else _refusals(item):
            click.echo(f"Error: {printable(reason, 4000)}", err=True)
    return int(any(isinstance(item, HfkvError) or _refusals(item) for item in results))


def _wanted(method: str | None) -> list[tuple[str, int | None]]:
    from hfkv.comparison.methods import parse_methods

    try:
        return [] if method is None else parse_methods(method)
    except HfkvError as error:
        raise click.UsageError(str(error)) from None


def _beside(
    item: Comparison,
    wanted: list[tuple[str, int | None]],
    rank: int,
    match: bool,
    asked: dict[str, Any],
) -> tuple[list[Entry], int | None]:
    """The other methods, and the bytes that they are held to."""
    from hfkv.comparison.methods import methods

    limit = item.lora.bytes if match and item.lora is not None else None
    entries = methods(
        item.model,
        wanted,
        target_modules=asked["target_modules"],
        r=rank,
        dtype=asked["lora_dtype"],
        match_bytes=limit,
    )
    return entries, limit


def _listed(beside: tuple[list[Entry], int | None] | None) -> dict[str, Any]:
    return {} if beside is None else {"methods": [entry.to_json() for entry in beside[0]]}


def _failure(name: str, error: HfkvError) -> dict[str, Any]:
    """What stands in the place of a model that could not be read."""
    return {"model": name, "error": {"type": type(error).__name__, "message": str(error)}}


def _refusals(item: Comparison) -> list[str]:
    return [
        f"no {name} figure: {item.reasons[name]}"
        for name in ("kv_cache", "lora", "cartridge")
        if name in item.reasons
    ]


def _bare(item: Comparison | HfkvError) -> str:
    """The ratio; an empty line where there is none, so that lines and models stay together."""
    if isinstance(item, HfkvError):
        return ""
    ratio = item.compression["kv_over_lora"]
    return "" if ratio is None else repr(float(ratio))
