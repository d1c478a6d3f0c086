"""``hfkv verify``."""

from __future__ import annotations

import click

from hfkv.cli.options import (
    batch_option,
    chosen_format,
    format_options,
    kv_options,
    source_options,
    tokens_option,
)
from hfkv.cli.output import emit, waiting


@click.command()
@click.argument("model")
@tokens_option(default=None)
@batch_option
@kv_options
@source_options
@format_options
def verify(
    model: str,
    tokens: int | None,
    batch: int,
    kv_dtype: str,
    encoder_tokens: int | None,
    crosscheck: bool,
    revision: str | None,
    source: str,
    token: str | None,
) -> int:
    """MODEL's KV cache by hfkv and by the installed transformers, side by side.

    \b
      hfkv verify google/gemma-3-12b-it
      hfkv verify Qwen/Qwen3-8B --tokens 32Ki --json

    The model is built on the meta device: no weights are read, no code from a
    repository is run. Needs the extra: pip install 'hfkv[verify]'. By default
    --tokens is beyond the longest window, at least 1,000. Exits 1 where the two
    differ.
    """
    from hfkv.live.verify import verify as check
    from hfkv.model import load
    from hfkv.render.verify import sheets

    output = chosen_format()
    with waiting(f"reading {model}", output):
        loaded = load(model, revision=revision, source=source, token=token)
    with waiting(f"building {model} on the meta device", output):
        found = check(
            loaded.core,
            tokens=tokens,
            batch=batch,
            dtype=kv_dtype,
            encoder_tokens=encoder_tokens,
            crosscheck=crosscheck,
        )
    emit(
        output,
        found.to_json(),
        sheets=lambda: sheets(found),
        quiet=lambda: [str(found.live.bytes)],
    )
    return 1 if found.agree is False else 0
