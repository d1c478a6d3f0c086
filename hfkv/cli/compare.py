"""``hfkv compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hfkv.cli.engine_options import chosen_engine, engine_options, no_budget
from hfkv.cli.methods import Beside, method_options, others
from hfkv.cli.options import (
    TOKENS,
    batch_option,
    chosen_format,
    format_options,
    kv_options,
    line_option,
    lora_options,
    pretraining_option,
    source_options,
    tokens_option,
    with_pretraining,
)
from hfkv.cli.output import emit, say, say_beside, unheard, waiting
from hfkv.cli.strict import doubt, refusal, strict_option
from hfkv.errors import HfkvError
from hfkv.reading import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hfkv.comparison import Comparison
    from hfkv.render.sheet import Sheet
    from hfkv.render.tidy import Tidy
    from hfkv.source import Source


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@lora_options
@tokens_option()
@batch_option
@kv_options
@engine_options()
@click.option(
    "--cartridge",
    type=TOKENS,
    default=None,
    metavar="TOKENS",
    help="Also compare a PEFT cartridge: a trained KV cache of so many virtual tokens.",
)
@method_options
@pretraining_option
@click.option(
    "--sort",
    type=click.Choice(["kv", "lora", "ratio", "break-even", "parameters", "name"]),
    default=None,
    help="Order several models by a figure, the largest first, or by name.",
)
@click.option("--explain", is_flag=True, help="The arithmetic, with where each number came from.")
@strict_option
@line_option
@source_options
@format_options
def compare(
    models: tuple[str, ...],
    rank: int,
    method: str | None,
    match_bytes: bool,
    pretraining_tokens: int | None,
    sort: str | None,
    explain: bool,
    strict: bool,
    revision: str | None,
    source: Source,
    token: str | None,
    transformers: str | None,
    **asked: Any,
) -> int:
    """Compare what a token leaves behind in context, in a LoRA adapter and in pretraining.

    \b
      hfkv compare meta-llama/Meta-Llama-3-70B --rank 32
      hfkv compare Qwen/Qwen3-8B google/gemma-3-12b-it --tokens 128Ki --json
      hfkv compare Qwen/Qwen3-8B Qwen/Qwen3-14B Qwen/Qwen3-32B --sort ratio
      hfkv compare Qwen/Qwen3-8B --method ia3,vera,oft,lora:8 --match-bytes
    """
    from hfkv.comparison import Comparison, compare_model
    from hfkv.comparison.ordering import ordered
    from hfkv.model import load_many
    from hfkv.render.compare import sheets

    output = chosen_format()
    no_budget()
    asked["engine"] = chosen_engine(asked["kv_dtype"])
    if asked["engine"] is not None:
        asked["kv_dtype"] = "auto"
    results: list[tuple[str, Comparison | HfkvError]] = []
    with waiting(f"reading {', '.join(models[:3])}", output):
        loaded = load_many(
            models, revision=revision, source=source, token=token, transformers=transformers
        )
    for name, model in zip(models, with_pretraining(loaded, pretraining_tokens), strict=True):
        if isinstance(model, HfkvError):
            results.append((name, model))
            continue
        results.append((name, compare_model(model, r=rank, **asked)))
    beside = others([item for _, item in results], method, match_bytes, rank, asked)
    if strict:
        results = [(name, _strictly(item, beside)) for name, item in results]
    if len(models) == 1 and isinstance(results[0][1], HfkvError):
        raise results[0][1]
    if sort is not None:
        found = ordered([item for _, item in results if isinstance(item, Comparison)], sort)
        failed = [(name, item) for name, item in results if isinstance(item, HfkvError)]
        results = [*((item.model.model, item) for item in found), *failed]
    say_beside(item.model for _, item in results if isinstance(item, Comparison))
    shown = [beside[id(item)] for _, item in results if id(item) in beside]

    def tables() -> list[Sheet]:
        if len(results) == 1:
            made = next(sheets(item) for _, item in results if isinstance(item, Comparison))
        else:
            from hfkv.render.compare_many import sheets as many

            made = many(results, sort=sort)
        if explain:
            made += [_explained(item) for _, item in results if isinstance(item, Comparison)]
        return [*made, *(item.sheet() for item in shown)]

    def columns() -> Tidy:
        from hfkv.render.compare_columns import tidy

        return tidy(results, explain=explain)

    emit(
        output,
        [
            _failure(name, item)
            if isinstance(item, HfkvError)
            else _value(item, explain) | (beside[id(item)].to_json() if beside else {})
            for name, item in results
        ],
        sheets=tables,
        quiet=lambda: [_bare(name, item, len(results) > 1) for name, item in results],
        tidy=columns,
        warnings=[
            *unheard(
                output,
                explain=explain,
                method=bool(beside),
                cartridge=asked["cartridge"] is not None,
            ),
            *_unused(results),
            *(text for item in shown for text in item.warnings),
        ],
    )
    for _, item in results:
        for reason in [str(item)] if isinstance(item, HfkvError) else _refusals(item):
            say("Error", reason)
    compared = [item for _, item in results if not isinstance(item, HfkvError)]
    return int(len(compared) < len(results) or any(map(_refusals, compared)))


def _unused(results: Sequence[tuple[str, Comparison | HfkvError]]) -> list[str]:
    """What was asked of the adapters and PEFT does nothing with."""
    found = [item.lora for _, item in results if not isinstance(item, HfkvError)]
    return [text for lora in found if lora is not None for text in lora.warnings]


def _value(item: Comparison, explain: bool) -> dict[str, Any]:
    return {**item.to_json(), "explain": item.explain()} if explain else item.to_json()


def _explained(item: Comparison) -> Sheet:
    from hfkv.render.explained import explained

    return explained(item.explain(), f"How the figures of {item.model.model} are computed")


def _failure(name: str, error: HfkvError) -> dict[str, Any]:
    """What stands in the place of a model that could not be read."""
    return {"model": name, "error": {"type": type(error).__name__, "message": str(error)}}


def _refusals(item: Comparison) -> list[str]:
    return [
        f"no {name} figure: {item.reasons[name]}"
        for name in ("kv_cache", "lora", "cartridge")
        if name in item.reasons
    ]


def _strictly(item: Comparison | HfkvError, beside: Mapping[int, Beside]) -> Comparison | HfkvError:
    """With ``--strict``: the error in the place of a comparison with a figure that is in doubt."""
    if isinstance(item, HfkvError):
        return item
    figures: list[tuple[str, Any]] = [
        ("kv_cache", item.kv_cache),
        ("lora", item.lora),
        ("cartridge", item.cartridge),
    ]
    if id(item) in beside:
        figures += [(entry.method, entry.figure) for entry in beside[id(item)].entries]
    found = (
        f"{name}: {why}"
        for name, figure in figures
        if figure is not None and (why := doubt(figure))
    )
    doubts = "; ".join(found)
    return refusal(doubts, item.model.model) if doubts else item


def _bare(name: str, item: Comparison | HfkvError, several: bool) -> str:
    """The ratio, of several models behind the name and a tab; nothing where there is none."""
    ratio = None if isinstance(item, HfkvError) else item.compression["kv_over_lora"]
    figure = "" if ratio is None else repr(float(ratio))
    return f"{printable(name)}\t{figure}" if several else figure
