"""What the class itself declares of its embeddings, which PEFT asks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hfkv.facts.config import Config
from hfkv.modules.built import Built
from hfkv.modules.table import Table

__all__ = ["as_declared", "tied_to"]


def as_declared(built: Built, table: Table, config: Config) -> Built:
    """The model with what its class says of ties, and its config of whether there are any.

    Args:
        built: what transformers would build.
        table: of its class.
        config: what the class takes.
    """
    tie = config.get("tie_word_embeddings")
    return replace(
        built,
        to_input=_to_input(built, table),
        no_input=table.input_raises,
        may_tie=tie is not False,
        ties_words=tie is True,
    )


def _to_input(built: Built, table: Table) -> tuple[str, ...] | None:
    """The modules that PEFT takes for tied to the input embedding."""
    if table.exchanged or table.input is None:
        return None if table.exchanged or table.tie_keys else ()
    return tied_to(table.input, built.tied, table.tie_keys)


def tied_to(
    embedding: str, tied: Mapping[str, str], declared: Mapping[str, str]
) -> tuple[str, ...]:
    """The modules whose class declares them tied to an embedding, or to what is the same as it.

    Args:
        embedding: its name.
        tied: parameter to the one that it is the same as.
        declared: the classes' ``_tied_weights_keys``, target to source, by full name.
    """
    weight = f"{embedding}.weight"
    root = tied.get(weight, weight)
    same = {weight, root, *(name for name, source in tied.items() if source == root)}
    found = {target.rpartition(".")[0] for target, source in declared.items() if source in same}
    return tuple(sorted(found))
