"""``hfkv architectures``."""

from __future__ import annotations

import click

from hfkv.cli.options import chosen_format, format_options
from hfkv.cli.output import emit
from hfkv.reading import printable


def _known(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """A release whose types were read: of one between two of them nothing is known."""
    if value is None:
        return None
    from hfkv.versions import release, releases

    same = [item for item in releases() if release(item) == release(value)]
    if not same:
        raise click.BadParameter(
            f"the types of transformers {printable(value, 40)} were not recorded; those of "
            f"{', '.join(releases())} were."
        )
    return same[0]


@click.command()
@click.option(
    "--basis",
    type=click.Choice(["exact", "documented"]),
    default=None,
    help="Only those of this basis.",
)
@click.option(
    "--since",
    metavar="VERSION",
    callback=_known,
    help="Only those that came to transformers after this release of it.",
)
@format_options
def architectures(basis: str | None, since: str | None) -> int:
    """Every model_type whose KV cache is known: kinds of layers, basis, source, and LoRA's basis.

    \b
      hfkv architectures
      hfkv architectures --basis documented --format csv
      hfkv architectures --since 5.20.0
    """
    from hfkv.cache.catalogue import architectures as catalogue
    from hfkv.render.architectures import sheets, values
    from hfkv.versions import release

    found = [item for item in catalogue() if basis in (None, item.basis)]
    if since is not None:
        at = release(since)
        found = [item for item in found if item.since is not None and release(item.since) > at]
    emit(
        chosen_format(),
        values(found),
        sheets=lambda: sheets(found, since=since),
        quiet=lambda: [item.model_type for item in found],
        rows=lambda: [
            {**value, "kinds": ", ".join(value["kinds"]), "since": value["since"] or ""}
            for value in values(found)
        ],
    )
    return 0
