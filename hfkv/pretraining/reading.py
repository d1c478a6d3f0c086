"""Reading a card: every possible answer with its probability, and which of them is given."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hfkv.pretraining.candidates import Found
from hfkv.pretraining.fitted import WORD, fit
from hfkv.pretraining.identity import identity
from hfkv.pretraining.metadata import base_models
from hfkv.pretraining.options import Option, options
from hfkv.pretraining.stages import epochs
from hfkv.pretraining.statement import Alternative, Evidence, Possible, Pretraining
from hfkv.pretraining.text import readable

__all__ = ["Candidate", "Reading", "read_card", "said_how"]

#: More tokens than anyone has said to have trained on; more per parameter likewise.
_MOST_TOKENS = 100 * 10**12
_MOST_PER_PARAMETER = 250_000
#: Of less probable numbers nothing is said.
_LEAST_SHOWN = 0.005
#: Numbers that an unclear answer shows.
_MOST_SHOWN = 3
#: Features that say where a number stands, how large it is, or what other features say.
_UNTOLD = re.compile(
    rf"{WORD}|among:|sum|part:whole|what:(?:prose|row|column|objection|doubt|counts training)$"
    r"|who:(?:no rivals|names none|names it|nearest name is it|contradicted|prose |table )"
)
#: Another number is worth a note from here on.
_LEAST_ALTERNATIVE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A possible answer with its probability, and what spoke for it and against it.

    ``verdict`` is ``chosen`` (the answer stands on it), ``possible`` or ``rejected``.
    """

    option: Option
    probability: float
    verdict: str
    grounds: tuple[str, ...]
    doubts: tuple[str, ...]

    @property
    def tokens(self) -> int:
        """The count."""
        return self.option.tokens or 0

    @property
    def support(self) -> tuple[Found, ...]:
        """Where it stands: one number of the card, or the stages that it adds up."""
        return self.option.support

    @property
    def why(self) -> str:
        """What spoke for and against it, in a line."""
        parts = [f"for: {', '.join(self.grounds)}"] if self.grounds else []
        parts += [f"against: {', '.join(self.doubts)}"] if self.doubts else []
        return "; ".join(parts)

    def to_json(self) -> dict[str, object]:
        """The value as JSON has it."""
        first = self.support[0]
        return {
            "line": first.line,
            "tokens": self.tokens,
            "verdict": self.verdict,
            "probability": round(self.probability, 4),
            "why": self.why,
            "for": list(self.grounds),
            "against": list(self.doubts),
            "quote": first.quote,
        }


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
    named = (metadata or {}).get("base_model")
    more = named if isinstance(named, (list, tuple)) else [named]
    bases = [name for name, _ in base_models(card)]
    bases += [name for name in more if isinstance(name, str)]
    asked = identity(model, parameters, active_parameters, bases)
    answers = options(card, asked)
    shares = fit().probabilities([option.features for option in answers])
    notes = []
    read = readable(card)
    if read < len(card):
        notes.append(f"only the first {read:,} characters of the card were read")

    def evidence(option: Option) -> tuple[Evidence, ...]:
        return tuple(
            Evidence(quote=found.quote, line=found.line, model=model, commit=commit)
            for found in option.support
        )

    values = _values(answers, shares)
    ranked = sorted(values, key=lambda tokens: -values[tokens][0])
    silent = shares[-1]
    best = ranked[0] if ranked else 0
    if ranked and values[best][0] >= fit().given:
        statement = _given(best, values, evidence, notes, asked.sizes)
        kept = {best}
    elif not ranked or silent >= fit().silent:
        statement = Pretraining(
            reason="the card does not state how many tokens it was pretrained on",
            notes=tuple(notes),
        )
        kept = set()
    else:
        shown = [tokens for tokens in ranked if values[tokens][0] >= _LEAST_SHOWN][:_MOST_SHOWN]
        statement = Pretraining(
            basis="unclear",
            possible=tuple(
                Possible(
                    tokens=tokens,
                    qualifier=_qualifier(values[tokens][1]),
                    probability=round(values[tokens][0], 3),
                    why=_doubt(values[tokens][1][0]),
                    evidence=evidence(values[tokens][1][0]),
                )
                for tokens in shown
            ),
            reason="the card does not say it clearly enough to give a count",
            notes=tuple(notes),
        )
        kept = set()
    possible = {item.tokens for item in statement.possible}
    return Reading(
        model=model,
        statement=statement,
        candidates=tuple(
            Candidate(
                option=option,
                probability=share,
                verdict="chosen"
                if option.tokens in kept
                else "possible"
                if option.tokens in possible
                else "rejected",
                grounds=tuple(fit().spoken(option.features, against=False)),
                doubts=tuple(fit().spoken(option.features, against=True)),
            )
            for option, share in zip(answers, shares, strict=True)
            if option.tokens is not None
        ),
    )


def _values(
    answers: Sequence[Option], shares: Sequence[float]
) -> dict[int, tuple[float, list[Option]]]:
    """Each count that could be the answer: its probability, and what it stands on, best first."""
    found: dict[int, list[tuple[float, int]]] = {}
    for number, (option, share) in enumerate(zip(answers, shares, strict=True)):
        if option.tokens is not None:
            found.setdefault(option.tokens, []).append((-share, number))
    return {
        tokens: (-sum(share for share, _ in items), [answers[at] for _, at in sorted(items)])
        for tokens, items in found.items()
    }


def _given(
    tokens: int,
    values: Mapping[int, tuple[float, list[Option]]],
    evidence: Any,
    notes: list[str],
    sizes: Sequence[int],
) -> Pretraining:
    support = values[tokens][1]
    rest = [
        other
        for other in sorted(values, key=lambda other: -values[other][0])
        if other != tokens and values[other][0] >= _LEAST_ALTERNATIVE
    ]
    if rest:
        counts = ", ".join(f"{value:,}" for value in rest)
        notes = [*notes, f"the card also gives {counts} tokens"]
    best = support[0]
    if len(best.support) > 1:
        kind = "parts that the sentence names" if "sum:parts" in best.features else "stages"
        notes = [*notes, f"the sum of the {kind}, which the card does not print"]
    several = epochs(best.support[0])
    notes += [several] if several else []
    if tokens > _MOST_TOKENS:
        notes.append("implausible: more tokens than any model is known to have been trained on")
    if sizes and tokens > _MOST_PER_PARAMETER * max(sizes):
        notes.append("implausible: more tokens for each parameter than any model is known to have")
    return Pretraining(
        tokens=tokens,
        qualifier=_qualifier(support),
        basis="stated",
        evidence=_evidence(support, evidence),
        alternatives=tuple(
            Alternative(
                tokens=other,
                qualifier=_qualifier(values[other][1]),
                evidence=evidence(values[other][1][0])[0],
            )
            for other in rest[:20]
        ),
        notes=tuple(notes),
    )


def _evidence(support: Sequence[Option], evidence: Any) -> tuple[Evidence, ...]:
    """What the answer stands on; sentences first, for they tell more than the cell of a table."""
    clean = [option for option in support if "among:clean" in option.features]
    kept = [support[0], *(option for option in clean if option is not support[0])]
    kept.sort(key=lambda option: option.support[0].form != "prose")
    found = dict.fromkeys(item for option in kept for item in evidence(option))
    return tuple(found)[:6]


def _qualifier(support: Sequence[Option]) -> str:
    return said_how([(option.qualifier, option.features) for option in support])


def said_how(support: Sequence[tuple[str | None, Collection[str]]]) -> str:
    """The qualifier of a count, by those of what it stands on and their features, best first: the
    best one's own; where it has none and another clean one, or one that pretrains on it, says
    "about", the number is a round one."""
    best = support[0][0] or "exact"
    about = any(
        how == "about"
        and "what:prose" in features
        and not {"among:clean", "what:pretrained on it"}.isdisjoint(features)
        for how, features in support
    )
    return "about" if best == "exact" and about else best


def _doubt(option: Option) -> str:
    """Why a number is in doubt: what spoke loudest against it, of the features that a reader of
    the card would name."""
    told = [name for name in option.features if not _UNTOLD.match(name)]
    doubts = fit().spoken(told, against=True, most=3)
    return ", ".join(name.partition(":")[2] for name in doubts) or "others stand beside it"
