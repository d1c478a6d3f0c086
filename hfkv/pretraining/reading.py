"""Reading a card: the three steps in a row, and what to keep of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hfkv.pretraining.choose import Candidate, Choice
from hfkv.pretraining.metadata import base_models
from hfkv.pretraining.statement import Alternative, Evidence, Pretraining
from hfkv.pretraining.text import readable

__all__ = ["Reading", "read_card"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a card says for one ``model``, and every candidate that was weighed."""

    model: str
    statement: Pretraining
    candidates: tuple[Candidate, ...]


def read_card(
    card: str,
    *,
    model: str,
    parameters: int | None = None,
    active_parameters: int | None = None,
    metadata: Mapping[str, Any] | None = None,
    commit: str | None = None,
) -> Reading:
    """Read what ``card`` says of the tokens that ``model`` saw in pretraining.

    Args:
        card: the text of ``README.md``, with its front matter.
        model: the Hub id (or path) of the model asked about: a family card speaks of several.
        parameters: its parameters, where its name does not give a size.
        active_parameters: those active for a token, where only a part is.
        metadata: what else names its bases (``base_model``); the front matter is read anyhow.
        commit: the commit of the card, for the evidence.
    """
    from hfkv.pretraining.candidates import candidates
    from hfkv.pretraining.choose import choose
    from hfkv.pretraining.classify import classify
    from hfkv.pretraining.identity import identity

    named = (metadata or {}).get("base_model")
    more = named if isinstance(named, (list, tuple)) else [named]
    bases = [name for name, _ in base_models(card)]
    bases += [name for name in more if isinstance(name, str)]
    asked = identity(model, parameters, active_parameters, bases)
    choice = choose([(found, classify(found)) for found in candidates(card)], asked)

    def evidence(item: Candidate) -> Evidence:
        return Evidence(quote=item.found.quote, line=item.found.line, model=model, commit=commit)

    notes = choice.notes
    read = readable(card)
    if read < len(card):
        notes = (*notes, f"only the first {read:,} characters of the card were read")
    if choice.tokens is None:
        statement = Pretraining(reason=choice.reason, notes=notes)
    else:
        alternatives: dict[int, Alternative] = {}
        for item in choice.others:
            alternatives.setdefault(
                item.tokens,
                Alternative(tokens=item.tokens, qualifier=item.qualifier, evidence=evidence(item)),
            )
        statement = Pretraining(
            tokens=choice.tokens,
            qualifier=choice.qualifier,
            basis="stated",
            evidence=tuple(evidence(item) for item in _evident(choice)[:6]),
            alternatives=tuple(list(alternatives.values())[:20]),
            notes=notes,
        )
    return Reading(model=model, statement=statement, candidates=choice.every)


def _evident(choice: Choice) -> list[Candidate]:
    """What the answer stands on, with what else says the same as exactly; sentences first, for
    they tell more than the cell of a table."""
    first = choice.support[0]
    same = [
        item
        for item in choice.every
        if (item.verdict, item.kind) == ("accepted", first.kind)
        and (item.tokens, item.qualifier) == (choice.tokens, choice.qualifier)
        and item.of_base == first.of_base
    ]
    return sorted([*choice.support, *same], key=lambda item: item.found.form != "prose")
