"""The third step: which of the accepted counts is the asked model's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hfkv.pretraining.candidates import Found
from hfkv.pretraining.classify import Verdict
from hfkv.pretraining.identity import Identity
from hfkv.pretraining.sizes import parameter_sizes
from hfkv.pretraining.stages import epochs, merged, one_sum, parts
from hfkv.pretraining.subject import fit

__all__ = ["Candidate", "Choice", "choose"]

#: More tokens than anyone has said to have trained on; more per parameter likewise.
_MOST_TOKENS = 100 * 10**12
_MOST_PER_PARAMETER = 250_000
#: The rank of what a sentence says of the model by its name; rows of tables stand above.
_NAMED_IN_PROSE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A number of the card with its verdict: ``chosen``, ``alternative``, ``accepted`` (it says
    the same, or a part of it), ``rejected``."""

    found: Found
    verdict: str
    why: str
    kind: str
    weight: int
    qualifier: str
    specific: int = 0
    of_base: bool = False
    verb: int = -1

    @property
    def tokens(self) -> int:
        """The number."""
        return self.found.tokens

    def to_json(self) -> dict[str, object]:
        """The value as JSON has it."""
        return {
            "line": self.found.line,
            "tokens": self.found.tokens,
            "verdict": self.verdict,
            "why": self.why,
            "quote": self.found.quote,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The answer: the tokens with the candidates it stands on, and all that were weighed."""

    tokens: int | None
    qualifier: str | None
    support: tuple[Candidate, ...]
    others: tuple[Candidate, ...]
    every: tuple[Candidate, ...]
    notes: tuple[str, ...]
    reason: str | None


def choose(weighed: Sequence[tuple[Found, Verdict]], asked: Identity) -> Choice:
    """Choose among classified candidates for the model asked about."""
    every = _subtuning(_judged(weighed, asked))
    accepted = [item for item in every if item.verdict == "accepted"]
    if not accepted:
        return _none(every, "the card does not state how many tokens it was pretrained on")
    # What is said of the model itself comes before what is said of the one it was made from.
    own = [item for item in accepted if not item.of_base] or accepted
    totals = _with_sums([item for item in own if item.kind == "total"])
    if not totals:
        return _stages(every, _most_specific(own), asked)
    # A slip of the pen ("500 trillion" for 500 billion) loses against what can be true.
    pool = _most_specific([i for i in totals if i.tokens <= _MOST_TOKENS] or totals)
    values: dict[int, list[Candidate]] = {}
    for item in pool:
        values.setdefault(item.tokens, []).append(item)
    best = max(
        values,
        key=lambda value: (
            max(i.weight for i in values[value]),
            len(values[value]),
        ),
    )
    support = values[best]
    support.sort(key=lambda item: (-item.weight, item.found.line))
    # What is said of all models, or of the size, contradicts as well as what is said by name;
    # of rows of a table only those whose name is as near.
    rest = [
        i
        for i in totals
        if i.tokens != best
        and (i in pool or i.specific <= _NAMED_IN_PROSE or i.tokens > _MOST_TOKENS)
    ]
    return _answer(every, best, support, rest, asked, _qualifier(support, totals))


def _judged(weighed: Sequence[tuple[Found, Verdict]], asked: Identity) -> list[Candidate]:
    """Every candidate, those rejected that are said of another model."""
    taken = [pair for pair in weighed if pair[1].taken]
    known = {size for found, _ in taken for *_, size in parameter_sizes(found)}
    every: list[Candidate] = []
    for found, verdict in weighed:
        candidate = Candidate(
            found=found,
            verdict="accepted" if verdict.taken else "rejected",
            why=verdict.why,
            kind=verdict.kind,
            weight=verdict.weight,
            qualifier=verdict.qualifier,
            verb=verdict.verb,
        )
        if verdict.taken:
            whose = fit(found, taken, asked, known)
            if whose.rank is None:
                candidate = replace(candidate, verdict="rejected", why=whose.why)
            else:
                candidate = replace(candidate, specific=whose.rank, of_base=whose.of_base)
        every.append(candidate)
    return every


def _subtuning(every: list[Candidate]) -> list[Candidate]:
    """The candidates, less what is smaller than the fine-tuning that the card speaks of: what a
    model is tuned on is less than what it was pretrained on."""
    tuned = max((item.tokens for item in every if "fine-tuning" in item.why), default=0)
    return [
        replace(item, verdict="rejected", why="less than the fine-tuning that the card speaks of")
        if item.verdict == "accepted"
        and item.tokens <= tuned < 10**12
        and item.found.form == "prose"
        else item
        for item in every
    ]


def _with_sums(totals: list[Candidate]) -> list[Candidate]:
    """The totals, with the parts that one verb trains on made one."""
    left: list[Candidate] = []
    groups: dict[tuple[int, int, int], list[Candidate]] = {}
    for item in totals:
        groups.setdefault((id(item.found.segment), item.found.at, item.verb), []).append(item)
    for items in groups.values():
        together = parts(items)
        if together:
            left.append(merged(together, sum(item.tokens for item in together)))
        else:
            left.extend(items)
    return left


def _most_specific(items: list[Candidate]) -> list[Candidate]:
    """Those said of the asked model by name, else by size, else of all."""
    rank = max(item.specific for item in items)
    return [item for item in items if item.specific == rank]


def _qualifier(support: Sequence[Candidate], totals: Sequence[Candidate]) -> str:
    """The best-supported statement's own qualifier; where it has none and another one as good
    says "about", the number is a round one."""
    best = support[0]
    about = any(
        item.qualifier == "about"
        and item.tokens == best.tokens
        and item.weight >= best.weight
        and item.found.form == "prose"
        for item in totals
    )
    return "about" if best.qualifier == "exact" and about else best.qualifier


def _stages(every: list[Candidate], pool: list[Candidate], asked: Identity) -> Choice:
    stages = one_sum(pool)
    if len(stages) > 1:
        total = sum(item.tokens for item in stages)
        how = merged(stages, total).qualifier
        choice = _answer(every, total, stages, [], asked, how)
        return replace(choice, notes=(*choice.notes, "the sum of the stages that the card prints"))
    best = max(pool, key=lambda item: item.weight)
    support = [item for item in pool if item.tokens == best.tokens]
    rest = [item for item in pool if item.tokens != best.tokens]
    return _answer(every, best.tokens, support, rest, asked, best.qualifier)


def _answer(
    every: list[Candidate],
    tokens: int,
    support: list[Candidate],
    rest: list[Candidate],
    asked: Identity,
    qualifier: str,
) -> Choice:
    notes = []
    if rest:
        counts = ", ".join(f"{value:,}" for value in dict.fromkeys(i.tokens for i in rest))
        notes.append(f"the card also gives {counts} tokens")
    if support[0].of_base:
        notes.append("said of the model that this one was made from")
    if all(item.found.tokens != i.tokens for item in support for i in every):
        notes.append("the sum of the parts that the sentence names")
    several = epochs(support[0])
    if several:
        notes.append(several)
    if tokens > _MOST_TOKENS:
        notes.append("implausible: more tokens than any model is known to have been trained on")
    if asked.sizes and tokens > _MOST_PER_PARAMETER * max(asked.sizes):
        notes.append("implausible: more tokens for each parameter than any model is known to have")
    chosen = {_place(item) for item in support}
    other = {_place(item) for item in rest}
    shown = [
        replace(
            item,
            verdict="chosen"
            if _place(item) in chosen
            else "alternative"
            if _place(item) in other
            else "accepted",
        )
        if item.verdict == "accepted"
        else item
        for item in every
    ]
    return Choice(
        tokens=tokens,
        qualifier=qualifier,
        support=tuple(support),
        others=tuple(rest),
        every=tuple(shown),
        notes=tuple(notes),
        reason=None,
    )


def _place(item: Candidate) -> tuple[int, int, int]:
    return id(item.found.segment), item.found.at, item.found.start


def _none(every: list[Candidate], reason: str) -> Choice:
    return Choice(
        tokens=None,
        qualifier=None,
        support=(),
        others=(),
        every=tuple(every),
        notes=(),
        reason=reason,
    )
