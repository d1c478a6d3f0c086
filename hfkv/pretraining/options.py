"""What a card's answer could be: each of its numbers, each sum of stages, or none."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from hfkv.pretraining.around import around
from hfkv.pretraining.candidates import Found, candidates
from hfkv.pretraining.features import described, rounds
from hfkv.pretraining.identity import Identity
from hfkv.pretraining.page import page
from hfkv.pretraining.qualifiers import of_label, qualifier
from hfkv.pretraining.stages import numbered, parts, plus
from hfkv.pretraining.what import label_of

__all__ = ["Option", "options"]

#: The sum of more stages than anyone trains in is none.
_MOST_STAGES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One possible answer.

    Attributes:
        tokens: the count; None for "the card does not state it".
        qualifier: exact, at_least, about or up_to.
        support: the number it stands on, or the stages that it adds up.
        features: what holds of it, by name.
    """

    tokens: int | None
    qualifier: str | None
    support: tuple[Found, ...]
    features: frozenset[str]


def options(card: str, asked: Identity) -> list[Option]:
    """Every possible answer of a card for the model asked about; the last is that it has none."""
    found = candidates(card)
    whole = page(card, asked)
    lists = described(found, whole)
    single = [
        Option(
            tokens=item.tokens,
            qualifier=_qualifier(item),
            support=(item,),
            features=frozenset(names),
        )
        for item, names in zip(found, lists, strict=True)
    ]
    # "9,940,492,288 tokens (~9.94B)" gives one count: its rounding is no other answer.
    exact = {option.tokens for option in single if option.features >= _ROUNDED}
    single = [
        option
        for option in single
        if "among:a rounding of another" not in option.features
        or not any(rounds(option.tokens or 0, count or 0) for count in exact)
    ]
    single = [_as_exact(option, single) for option in single]
    sums = list(_sums(single))
    stages = {id(item) for option in sums for item in option.support}
    result = [
        replace(option, features=option.features | {"part:one of several"})
        if id(option.support[0]) in stages
        else option
        for option in single
    ]
    result += sums
    clean = {option.tokens for option in result if "among:clean" in option.features}
    nothing = {
        "none",
        f"none:clean {min(4, len(clean))}",
        f"none:numbers {min(3, len(found) // 3)}",
    }
    return [
        *(replace(option, features=option.features | _words(option)) for option in result),
        Option(tokens=None, qualifier=None, support=(), features=frozenset(nothing)),
    ]


def _words(option: Option) -> set[str]:
    return {word for found in option.support for word in around(found)}


def _qualifier(found: Found) -> str:
    how = qualifier(found.text, found.start, found.end)
    return how if how != "exact" else of_label(label_of(found))


def _sums(single: Sequence[Option]) -> Iterator[Option]:
    """The sums of what looks like the stages of one training, or the parts of one corpus."""
    terms = [
        option
        for option in single
        if "what:counts training" in option.features and not option.features & _NO_TERM
    ]
    groups: dict[tuple[object, ...], list[Option]] = {}
    for option in terms:
        segment = option.support[0].segment
        table = segment.table
        near = ("segment", id(segment)) if table is None else ("table", id(table))
        groups.setdefault(near, []).append(option)
        groups.setdefault(("heading", segment.headings), []).append(option)
        groups.setdefault(("page",), []).append(option)
    done: set[int] = set()
    for key, group in groups.items():
        kind = key[0]
        for word, members in _stages(group):
            total = sum(option.tokens or 0 for option in members)
            # A total and its parts are no stages of a greater one.
            if total in done or any(2 * (option.tokens or 0) == total for option in members):
                continue
            done.add(total)
            hows = {option.qualifier for option in members}
            shared = frozenset.intersection(*(option.features for option in members))
            any_of = frozenset.union(*(option.features for option in members))
            yield Option(
                tokens=total,
                qualifier=hows.pop() if len(hows) == 1 else "about",
                support=tuple(option.support[0] for option in members),
                features=frozenset(
                    {"sum", f"sum:{word}", f"sum:of a {kind}", f"sum:of {min(4, len(members))}"}
                    | {f"sum:some {name}" for name in any_of & _DOUBTS}
                    | {name for name in shared if name.startswith(("who:", "what:heading"))}
                ),
            )


def _as_exact(option: Option, others: Sequence[Option]) -> Option:
    """A rounding as the one count of the card's training that it is a rounding of, whatever
    else stands beside that."""
    if "among:a rounding of another" not in option.features:
        return option
    exact = {
        other.tokens
        for other in others
        if other.features >= _EXACT
        and "what:objection" not in other.features
        and rounds(option.tokens or 0, other.tokens or 0)
    }
    return replace(option, tokens=exact.pop()) if len(exact) == 1 else option


#: What is said of another count of its sentence adds to none.
_NO_TERM = frozenset(
    (
        "among:a rounding of another",
        "what:a part of the count before it",
        "what:a size, for what it was trained on follows",
        "what:ahead: a plan",
        "what:behind: a parameter count",
        "what:drawn from it",
        "what:the end of a range",
    )
)
_ROUNDED = frozenset(("among:said again, rounded", "among:clean"))
_EXACT = frozenset(("among:said again, rounded", "what:counts training", "what:no scale"))
_DOUBTS = frozenset(("who:contradicted", "what:objection", "what:tuning", "part:total"))


def _stages(group: Sequence[Option]) -> Iterator[tuple[str, list[Option]]]:
    """What of a group could be added up, and by what sign."""
    most = max((option.tokens or 0 for option in group), default=0)
    group = [
        option
        for option in group
        # Beside 1.6T what is just "1B" is a size, and no stage.
        if "what:a letter without tokens" not in option.features
        or 500 * (option.tokens or 0) >= most
    ]
    named: dict[str, Option] = {}
    contradicted = False
    for option in group:
        begins = "part:the first stage" in option.features
        name = "first" if begins else numbered(option.support[0])
        if not name:
            continue
        if name in named and named[name].tokens != option.tokens:
            contradicted = True
        named.setdefault(name, option)
    if not contradicted and 2 <= len(named) <= _MOST_STAGES:
        yield "numbered", list(named.values())
    values = {option.tokens: option for option in reversed(group)}
    distinct = sorted(values.values(), key=lambda option: group.index(option))
    added = [option for option in distinct if "part:stage" in option.features]
    if added and 2 <= len(distinct) <= 4:
        yield ("all stages" if len(added) == len(distinct) else "whole and stages"), distinct
    for first, second in itertools.pairwise(distinct):
        if parts([first.support[0], second.support[0]]):
            yield "parts", [first, second]
        elif plus(first.support[0], second.support[0]):
            yield "with a plus", [first, second]
