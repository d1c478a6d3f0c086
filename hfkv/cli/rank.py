"""``hfkv rank``."""

from __future__ import annotations

from typing import Any

import click

from hfkv.cli.options import (
    TOKENS,
    chosen_format,
    format_options,
    line_option,
    source_options,
    targets_option,
    tokens_option,
)
from hfkv.cli.output import emit, read_model, say_beside, unheard
from hfkv.cli.rank_options import rule_options


@click.command()
@click.argument("model")
@tokens_option()
@targets_option
@click.option("--kv-dtype", default="auto", show_default=True, help="Element type of the cache.")
@click.option("--encoder-tokens", type=TOKENS, default=None, help="Encoder length.")
@click.option("--lora-dtype", default="auto", show_default=True, help="Of the adapter.")
@rule_options
@click.option("--explain", is_flag=True, help="How each rule comes to its rank.")
@line_option
@source_options
@format_options
def rank(
    model: str,
    explain: bool,
    revision: str | None,
    source: str,
    token: str | None,
    transformers: str | None,
    **asked: Any,
) -> int:
    """Which LoRA ranks of MODEL are worth a look at --tokens tokens, by several rules.

    \b
      hfkv rank meta-llama/Meta-Llama-3-70B --tokens 100k
      hfkv rank Qwen/Qwen3-8B --max-bytes 1GB --max-share 0.5% -q
      hfkv rank Qwen/Qwen3-8B --tokens 1M --data notes.txt --compressor xz

    No rule is exact: each is printed with its source and with what it assumes. -q prints the
    largest rank within --max-share and --max-bytes.
    """
    from hfkv.comparison.rank import ranks
    from hfkv.render import rank as render
    from hfkv.render.origin import with_origin

    output = chosen_format()
    loaded = read_model(
        model, output, revision=revision, source=source, token=token, transformers=transformers
    )
    found = ranks(loaded, **asked)
    say_beside([loaded])
    value = with_origin(loaded, found.to_json())
    if explain:
        value["explain"] = render.explain(found)
    emit(
        output,
        value,
        sheets=lambda: render.sheets(loaded, found, explain_it=explain),
        quiet=lambda: ["" if found.largest is None else str(found.largest)],
        tidy=lambda: render.tidy(loaded, found, value),
        warnings=[*unheard(output, explain=explain), *found.warnings],
    )
    return 0
