"""Pretraining tokens: what the card says, with its sentence, and never a number it does not say.

Three steps, each pure and testable alone: ``numbers`` is the grammar of counts, ``candidates`` and
``classify`` find each number and judge it by the words around it, ``choose`` says which of the
accepted ones is the asked model's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hfkv.pretraining.metadata import base_models
from hfkv.pretraining.statement import Alternative, Evidence, Pretraining

if TYPE_CHECKING:
    from hfkv.facts import Facts
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
    readings = explain(facts)
    for number, reading in enumerate(readings):
        if reading.statement.tokens is None:
            continue
        if facts.card is not None and number == 0:
            return reading.statement
        note = f"stated by the card of its base model {reading.model}"
        return replace(reading.statement, notes=(note, *reading.statement.notes))
    from hfkv.pretraining.published import published

    # A base's figure is the fine-tune's too, by the same rule as for cards.
    for model in (facts.model, *(base.model for base in facts.lineage[:_STEPS])):
        elsewhere = published(model)
        if elsewhere is not None:
            return elsewhere
    if facts.card is None:
        return Pretraining(reason=facts.missing.get("README.md", "there is no model card"))
    own = readings[0].statement
    return replace(own, notes=(*own.notes, *_unread(facts)))


def explain(facts: Facts) -> tuple[Reading, ...]:
    """The reading of each card that was consulted, the model's own first, with every candidate
    and why it was taken or rejected; its bases' follow until one of them states a count."""
    from hfkv.pretraining.reading import read_card

    readings: list[Reading] = []
    if facts.card is not None:
        readings.append(
            read_card(
                facts.card, model=facts.model, parameters=_parameters(facts), commit=facts.commit
            )
        )
    for base in facts.lineage[:_STEPS]:
        if readings and readings[-1].statement.tokens is not None:
            break
        # A fine-tune has the size of its base, where the base's name does not give one.
        readings.append(
            read_card(
                base.card,
                model=base.model,
                parameters=base.parameters or _parameters(facts),
                commit=base.commit,
            )
        )
    return tuple(readings)


def _parameters(facts: Facts) -> int | None:
    """The model's parameters as its header counts them; None where they are packed, and a
    count of elements is none of parameters."""
    return None if "quantization_config" in (facts.config or {}) else facts.parameters


def _unread(facts: Facts) -> tuple[str, ...]:
    """What a reader can do where a card is silent and names bases whose cards were not read."""
    if facts.card is None or facts.lineage:
        return ()
    bases = [name for name, _ in base_models(facts.card)]
    if len(bases) > 1:
        return ("its card names several base models, and none of them alone says what it saw",)
    return tuple(f"its card names the base model {name}: hfkv tokens {name}" for name in bases)
