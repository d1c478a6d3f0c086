"""``hfkv architectures``."""

from __future__ import annotations

import click

from hfkv.cli.options import chosen_format, format_options
from hfkv.cli.output import emit


@click.command()
@click.option(
    "--basis",
    type=click.Choice(["exact", "documented"]),
    default=None,
    help="Only those of this basis.",
)
@format_options
def architectures(basis: str | None) -> int:
    """Every model_type whose KV cache is known: kinds of layers, basis, source, and LoRA's basis.

    \b
      hfkv architectures
      hfkv architectures --basis documented --format csv
    """
    from hfkv.cache.catalogue import architectures as catalogue
    from hfkv.render.architectures import sheets, values

    found = [item for item in catalogue() if basis in (None, item.basis)]
    emit(
        chosen_format(),
        values(found),
        sheets=lambda: sheets(found),
        quiet=lambda: [item.model_type for item in found],
        rows=lambda: [{**value, "kinds": ", ".join(value["kinds"])} for value in values(found)],
    )
    return 0
