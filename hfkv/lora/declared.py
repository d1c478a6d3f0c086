"""What the class itself declares of its embeddings, which PEFT asks it."""

from __future__ import annotations

from dataclasses import replace

from hfkv.facts.config import Config
from hfkv.lora.built import Built
from hfkv.lora.table import Table

__all__ = ["as_declared"]


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
    weight = f"{table.input}.weight"
    root = built.tied.get(weight, weight)
    same = {weight, root, *(name for name, source in built.tied.items() if source == root)}
    found = {
        target.rpartition(".")[0] for target, source in table.tie_keys.items() if source in same
    }
    return tuple(sorted(found))
