"""Pretraining tokens: what the card says, with its sentence, and never a number it does not say.

Three steps, each pure and testable alone: ``numbers`` is the grammar of counts, ``candidates`` and
``classify`` find each number and judge it by the words around it, ``choose`` says which of the
accepted ones is the asked model's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hfkv.pretraining.metadata import base_models
from hfkv.pretraining.statement import Alternative, Evidence, Pretraining

if TYPE_CHECKING:
    from hfkv.facts import Facts
    from hfkv.pretraining.choose import Candidate
    from hfkv.pretraining.reading import Reading, read_card

__all__ = [
    "Alternative",
    "Evidence",
    "Pretraining",
    "Reading",
    "base_models",
    "explain",
    "pretraining",
    "read_card",
]


def __getattr__(name: str) -> Any:
    # The reader compiles many expressions; a recorded statement needs none of them.
    if name in ("Reading", "read_card"):
        from hfkv.pretraining import reading

        return getattr(reading, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


#: A chain of bases longer than any real one.
_STEPS = 8


def pretraining(facts: Facts) -> Pretraining:
    """What the model's card states, or else the nearest base's card, or else its developer.

    A recorded statement (of a snapshot or a lock) is returned as it was recorded.

    Raises:
        RecordError: the recorded statement is damaged.
    """
    if facts.statement is not None:
        return Pretraining.from_json(facts.statement, where=facts.model)
    from hfkv.pretraining.reading import read_card

    if facts.card is None:
        own = Pretraining(reason=facts.missing.get("README.md", "there is no model card"))
    else:
        own = read_card(
            facts.card, model=facts.model, parameters=facts.parameters, commit=facts.commit
        ).statement
    if own.tokens is not None:
        return own
    for base in facts.lineage[:_STEPS]:
        found = read_card(
            base.card, model=base.model, parameters=base.parameters, commit=base.commit
        ).statement
        if found.tokens is not None:
            note = f"stated by the card of its base model {base.model}"
            return replace(found, notes=(note, *found.notes))
    from hfkv.pretraining.published import published

    # A base's figure is the fine-tune's too, by the same rule as for cards.
    for model in (facts.model, *(base.model for base in facts.lineage[:_STEPS])):
        elsewhere = published(model)
        if elsewhere is not None:
            return elsewhere
    return own


def explain(facts: Facts) -> Sequence[Candidate]:
    """Every candidate in the model's own card, with why it was taken or rejected."""
    if facts.card is None:
        return ()
    from hfkv.pretraining.reading import read_card

    return read_card(facts.card, model=facts.model, parameters=facts.parameters).candidates
