"""``hfkv cache``."""

from __future__ import annotations

import click

from hfkv.cli.options import chosen_format, format_options
from hfkv.cli.output import emit


@click.command()
@click.argument("model", required=False)
@click.option("--clear", is_flag=True, help="Remove the entries, of MODEL or all, and say which.")
@format_options
def cache(model: str | None, clear: bool) -> int:
    """Show or clear what hfkv keeps of models it has read: by commit, in $HF_HOME/hfkv.

    \b
      hfkv cache
      hfkv cache --clear meta-llama/Meta-Llama-3-70B

    Only this store: what hf downloads is `hf cache`'s. It can be removed at any time.
    """
    from hfkv.errors import NotFoundError
    from hfkv.render.cache import sheets, to_json
    from hfkv.source.store import Store

    store = Store()
    output = chosen_format()
    entries = store.clear(model) if clear else store.entries()
    entries = [entry for entry in entries if model is None or entry.model == model]
    if model is not None and not entries:
        raise NotFoundError("the store has nothing of it", where=model, hint="hfkv cache lists it")
    emit(
        output,
        to_json(store.folder, entries, cleared=clear),
        sheets=lambda: sheets(store.folder, entries, cleared=clear),
        quiet=lambda: [f"{entry.model} {entry.commit}" for entry in entries],
        rows=lambda: [
            {key: str(value) for key, value in row.items() if key != "revisions"}
            for row in to_json(store.folder, entries, cleared=clear)["entries"]
        ],
    )
    return 0
