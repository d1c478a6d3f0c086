"""Pretraining tokens: what the card says, with its sentence, and never a number it does not say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hfkv.facts import Facts
from hfkv.pretraining.plain_reader import Candidate, candidates, choose
from hfkv.pretraining.plain_statement import Evidence, Pretraining
from hfkv.pretraining.plain_text import front_matter

__all__ = ["Candidate", "Evidence", "Pretraining", "base_models", "explain", "pretraining"]


def pretraining(facts: Facts) -> Pretraining:
    """What the model's card, or the nearest base's card that says it, states."""
    if facts.statement is not None:
        return Pretraining.from_json(facts.statement, where=facts.model)
    if facts.card is None:
        return Pretraining(reason=facts.missing.get("README.md", "there is no model card"))
    own = choose(candidates(facts.card), model=facts.model, commit=facts.commit)
    if own.tokens is not None:
        return own
    for base in facts.lineage:
        found = choose(candidates(base.card), model=base.model, commit=base.commit)
        if found.tokens is not None:
            note = f"stated by the card of its base model {base.model}"
            return replace(found, notes=(note, *found.notes))
    return own


def explain(facts: Facts) -> Sequence[Candidate]:
    """Every candidate in the model's own card, with why it was taken or rejected."""
    return [] if facts.card is None else candidates(facts.card)


def base_models(card: str) -> tuple[tuple[str, str], ...]:
    """The ids that the card's metadata names as bases, each with the relation it states."""
    metadata = front_matter(card)
    value = metadata.get("base_model")
    names = value if isinstance(value, list) else [value]
    relation = metadata.get("base_model_relation")
    kind = relation if isinstance(relation, str) else "base_model"
    return tuple((name, kind) for name in names if isinstance(name, str) and name)
