"""Pretraining tokens: what a model saw, with the sentence that says so, and never a bare guess.

``numbers`` is the grammar of counts; ``candidates`` finds each number of a card; ``features`` says
what speaks for and against it; ``fitted`` weighs that; ``reading`` gives a count, leaves it
unclear or says that none is stated. ``statements`` is what somebody read, by Hub id, and
``answer`` puts card, statements and bases together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hfkv.pretraining.metadata import base_models
from hfkv.pretraining.statement import Alternative, Evidence, Possible, Pretraining, given

if TYPE_CHECKING:
    from hfkv.facts import Facts
    from hfkv.pretraining.reading import Reading, read_card

__all__ = [
    "Alternative",
    "Evidence",
    "Possible",
    "Pretraining",
    "Reading",
    "base_models",
    "explain",
    "given",
    "pretraining",
    "read_card",
]


def __getattr__(name: str) -> Any:
    # The reader compiles many expressions; a recorded statement needs none of them.
    if name in ("Reading", "read_card"):
        from hfkv.pretraining import reading

        return getattr(reading, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def pretraining(facts: Facts) -> Pretraining:
    """What is known of the model's pretraining: see :func:`hfkv.pretraining.answer.pretraining`.

    Raises:
        RecordError: the recorded statement is damaged.
    """
    if facts.statement is not None:
        recorded = Pretraining.from_json(facts.statement, where=facts.model)
        if recorded.tokens is not None:
            return recorded
    from hfkv.pretraining.answer import pretraining as answered

    return answered(facts)


def explain(facts: Facts) -> tuple[Reading, ...]:
    """The reading of each card that was consulted, the model's own first, with every candidate
    and what spoke for and against it; its bases' follow until one of them states a count."""
    from hfkv.pretraining.answer import explain as explained

    return explained(facts)
