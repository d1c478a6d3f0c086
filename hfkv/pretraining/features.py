# ruff: noqa: E501 (tables of patterns read better unbroken)
"""What speaks for and against a candidate, by name: each feature answers one question.

``what:`` what the number counts (``what.py``); ``who:`` which model it is said of (``who.py``);
``part:`` which part of the training (``part.py``); ``among:`` how it stands among the card's other
numbers (here). A feature holds or it does not. What each is worth is fitted
(``hfkv/data/reader.json``) and stands nowhere in the code; one that does not help on cards of
owners the fit has not seen has no place.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hfkv.pretraining.candidates import Found
from hfkv.pretraining.labels import says_seen
from hfkv.pretraining.page import Page, words
from hfkv.pretraining.part import first_stages, part, printed_sums
from hfkv.pretraining.stages import repeated
from hfkv.pretraining.what import label_of, what
from hfkv.pretraining.who import standings, who
from hfkv.pretraining.words import COUNTED, SCALE, SEEN, TRAIN_WORD, I

__all__ = ["GENERAL", "described", "rounds"]

#: What a rare feature is a kind of; the kind holds too, and is what a few cards can teach.
GENERAL: dict[str, frozenset[str]] = {
    "who:contradicted": frozenset(
        ("who:under a heading of others", "who:its name counts another number of the card", "who:another version", "who:another size", "who:family without its version", "who:a model that", "who:a size, its own not known", "who:a sibling", "who:under another size", "who:one of its variants", "who:the finished model, and this is a checkpoint",
         "who:its base, which was gone on from", "who:another was trained", "who:names another model only", "who:behind another's name",
         "who:another thing was trained", "who:a table of other sizes")
    ),
    "what:objection": frozenset(
        ("what:drawn from it", "who:what it goes with was trained", "who:beside its own name in a row", "who:another's, under its own name", "what:a corpus, and less was read of it", "what:a corpus, and the steps come to another count", "part:one of several epochs", "what:too little for pretraining", "what:denied", "part:a term of a printed sum",
         "what:a size, for what it was trained on follows", "what:a term of a sum or a product",
         "what:a row of data", "what:a cell of another thing", "what:a moment of training", "what:ahead: a plan",
         "what:ahead: a supposition", "what:ahead: another model in a comparison",
         "what:ahead: another quantity", "what:ahead: what a method needs", "what:ahead: a context length",
         "what:behind: a context length", "what:behind: a parameter count",
         "what:behind: a part of the training", "what:behind: a speed or a price",
         "what:behind: a share of the pretraining, not the whole", "what:behind: no tokens",
         "what:behind: a comparison with another amount", "what:behind: a plan",
         "what:behind: tokens of sound", "what:part of a name")
    ),
    "what:doubt": frozenset(
        ("what:a letter without tokens", "what:a total beside what was seen", "what:a table that weighs data", "part:one of its stages", "part:a later stage", "what:the end of a range",
         "what:a part of the count before it", "what:a part of the total behind it", "what:a part of the total seen", "what:a corpus, and more was read of it", "what:one of a list of checkpoints",
         "what:ahead: fine-tuning", "what:ahead: a part of the training",
         "what:behind: a share of the whole", "what:behind: fine-tuning",
         "what:behind: a corpus after filtering", "what:one of the parts of a field")
    ),
    "what:tuning": frozenset(
        ("what:under tuning", "what:field of tuning", "what:behind: fine-tuning", "what:ahead: fine-tuning",
         "what:as little as tuning", "what:no more than the tuning")
    ),
}  # fmt: skip


def described(found: Sequence[Found], page: Page) -> list[set[str]]:
    """The features of every candidate of a card, in order."""
    lists = [{*what(item, page), *part(item, grown=page.grown)} for item in found]
    place = {id(item): names for item, names in zip(found, lists, strict=True)}
    labels = [(item, label_of(item)) for item in found if item.form != "column"]
    _tell_parts(found, place, labels)
    _tell_whose(found, place, page)
    for names, standing in zip(lists, standings(found, page.asked, lists), strict=True):
        names.add(standing)
        _generalize(names)
        if "what:counts training" in names and not names & _UNCLEAN:
            names.add("among:clean")
    _tell_corpora(found, place, labels, page)
    _tell_places(found, place, page)
    return lists


#: The features of each candidate, by its identity.
Place = Mapping[int, set[str]]
#: Candidates that stand in a field or row, with its label.
Labels = Sequence[tuple[Found, str]]


def _tell_parts(found: Sequence[Found], place: Place, labels: Labels) -> None:
    """Add which candidates are parts of others, or of a whole that the card sums up."""
    # The tokens of checkpoints on the way add up by chance.
    stages = [
        item
        for item in found
        if "what:one of a list of checkpoints" not in place[id(item)]
        or "checkpoints" not in item.text.lower()
    ]
    for item, name in (*printed_sums(stages), *repeated(found)):
        place[id(item)].add(name)
    for item in first_stages(found):
        place[id(item)].discard("part:whole")
        place[id(item)].update(("part:stage", "part:the first stage"))
    for item in _summed(found, place):
        place[id(item)].add("what:a part of the total behind it")
    for item in _parts_of_what_was_seen(found, labels):
        place[id(item)].add("what:a part of the total seen")
    for item in _unseen(found, labels):
        place[id(item)].add("what:a total beside what was seen")
    for item in found:
        _generalize(place[id(item)])


def _tell_whose(found: Sequence[Found], place: Place, page: Page) -> None:
    """Add whose each candidate is, beside what else of training its sentence counts."""
    training = [
        item
        for item in found
        if "what:counts training" in place[id(item)] and not place[id(item)] & _SIZES
    ]
    first: dict[tuple[int, int], int] = {}
    for item in training:
        if item.form == "prose":
            first.setdefault((id(item.segment), item.at), item.start)
    tuned = max((item.tokens for item in found if "what:tuning" in place[id(item)]), default=0)
    for item in found:
        names = place[id(item)]
        names.update(who(item, page, training))
        if names & _ANOTHERS and words(" ".join(item.segment.headings)) & page.words:
            # A card that calls its model by its name does not mean it by another.
            names.add("who:another's, under its own name")
        if "what:tuning" not in names and item.tokens <= tuned < 10**12:
            names.add("what:no more than the tuning")
        start = first.get((id(item.segment), item.at), item.start)
        if item.form == "prose" and start != item.start:
            names.add(
                "among:behind another of its sentence"
                if start < item.start
                else "among:ahead of another"
            )
    if any(names >= _TOLD_BY_NAME and not names & _SIZES for names in place.values()):
        for item in found:
            if "who:its name counts another" in place[id(item)]:
                place[id(item)].add("who:its name counts another number of the card")
    so_far = [item for item in found if "who:this checkpoint" in place[id(item)]]
    for item in so_far:
        # What is told behind it, "and a final phase", comes on top.
        place[id(item)].difference_update(("part:a later stage", "part:stage", "what:doubt"))
        place[id(item)].add("part:whole")
    reached = max((item.tokens for item in so_far), default=0)
    for item in found:
        if reached and 20 * item.tokens > 21 * reached:
            place[id(item)].add("who:the finished model, and this is a checkpoint")


def _tell_corpora(found: Sequence[Found], place: Place, labels: Labels, page: Page) -> None:
    """Add which candidates are sizes of a corpus, or a base's count, by what others tell."""
    for items, name in (
        (_outread(found, place), "what:a corpus, and more was read of it"),
        (_outnumbers(found, place, page), "what:a corpus, and the steps come to another count"),
        (_less_was_read_of(found, place, labels), "what:a corpus, and less was read of it"),
        (_gone_on_from(found, place), "who:its base, which was gone on from"),
    ):
        # Said again elsewhere, a size of a corpus is as much one.
        sizes = {item.tokens for item in items}
        for item in found:
            if item.tokens in sizes:
                place[id(item)].add(name)
    for item in found:
        names = place[id(item)]
        _generalize(names)
        if names & _UNCLEAN:
            names.discard("among:clean")


def _tell_places(found: Sequence[Found], place: Place, page: Page) -> None:
    """Add how each candidate stands among the card's other numbers."""
    values = Counter(item.tokens for item in found)
    clean = {item.tokens for item in found if "among:clean" in place[id(item)]}
    # "393,216,000 (393.2M)" is one count, and the one written out is it.
    rounded = list(_roundings(values))
    short, long = {a for a, _ in rounded}, {b for _, b in rounded}
    clean -= {a for a, b in rounded if b in clean}
    for item in found:
        if item.tokens in short:
            place[id(item)].add("among:a rounding of another")
        elif item.tokens in long:
            place[id(item)].add("among:said again, rounded")
    for item in found:
        place[id(item)].update(_among(item, page, values, clean, place[id(item)]))


def _unseen(found: Sequence[Found], labels: Labels) -> Iterator[Found]:
    """The counts that a list gives beside the tokens seen, as "Total tokens" and "Tokens seen",
    and the size of a set beside what was read of it: "a 100B token subset (11B tokens seen)"."""
    for item in found:
        behind = item.text[item.end : item.end + 120] if item.form == "prose" else ""
        if _OF_WHICH_SEEN.match(behind) and not _SEEN.match(behind):
            yield item
    seen = {item.segment.headings for item, label in labels if says_seen(label)}
    yield from (
        item
        for item, label in labels
        if label
        and item.segment.headings in seen
        and not says_seen(label)
        and not TRAIN_WORD.search(label)
    )


def _summed(found: Sequence[Found], place: Place) -> Iterator[Found]:
    """The counts that their sentence sums up: "1T tokens of text and 200B of code, totaling"."""
    for item, other in itertools.permutations(found, 2):
        if (
            item.is_beside(other)
            and item.form == other.form == "prose"
            and item.end < other.start
            and item.tokens < other.tokens
            and "part:total" in place[id(other)]
            and "part:total" not in place[id(item)]
            and "what:counts training" in place[id(other)]
            and "what:corpus trained on" not in place[id(other)]
            and re.match(rf"\s?(?:[\w-]+\s){{0,2}}?{COUNTED}", item.text[item.end :], I)
        ):
            yield item


def _parts_of_what_was_seen(found: Sequence[Found], labels: Labels) -> Iterator[Found]:
    """The counts of a text that make up, roundly, what a field gives as the total seen: "on 360B
    tokens, then on 41B more", and "Total tokens seen: 400B"."""
    prose = [item for item in found if item.form == "prose"]
    for total in {item.tokens for item, label in labels if _totals_what_was_seen(label)}:
        lesser = sorted({item.tokens for item in prose if item.tokens < total})[-12:]
        terms = {
            term
            for pair in itertools.combinations(lesser, 2)
            if 50 * abs(sum(pair) - total) <= total and 50 * min(pair) > total
            for term in pair
        }
        yield from (item for item in prose if item.tokens in terms)


def _totals_what_was_seen(label: str) -> bool:
    return says_seen(label) and bool(re.search(r"\btotal\b", label, I))


_SEEN = re.compile(rf"\s?{COUNTED}\s{SEEN}\b", I)
#: "100B token subset of FooWeb (11B tokens processed)"
_OF_WHICH_SEEN = re.compile(
    rf"[\s-]?{COUNTED}[^.;()]{{0,80}}\([^()]{{0,20}}[0-9]\s?{SCALE}?\s{COUNTED}\s(?:were\s)?{SEEN}\s?[),]",
    I,
)


def _outnumbers(found: Sequence[Found], place: Place, page: Page) -> Iterator[Found]:
    """The sizes of what was trained on, where the steps that the card tells come to less; and the
    sums of tables of data, where they come to more, for it was read again."""
    most = max(page.steps, default=0)
    for item in found:
        names, tokens = place[id(item)], item.tokens
        if ("what:corpus trained on" in names and 5 * most < 4 * tokens < 200 * most) or (
            "part:row of a sum" in names and 5 * tokens < 4 * most < 200 * tokens
        ):
            yield item


def _read(found: Sequence[Found], place: Place) -> list[Found]:
    """The counts of what was trained on that are no size of a corpus."""
    return [
        item
        for item in found
        if "among:clean" in place[id(item)] and "what:corpus trained on" not in place[id(item)]
    ]


def _outread(found: Sequence[Found], place: Place) -> Iterator[Found]:
    """The sizes of what was trained on, where the card counts more tokens of training than those:
    "pretrained on 240B training tokens", and "on our 58B token collection"."""
    read = _read(found, place)
    for item in found:
        if "what:corpus trained on" in place[id(item)] and any(
            5 * item.tokens < 4 * other.tokens
            # In one sentence what stands behind another count is another part of the data.
            and (not other.is_beside(item) or other.start > item.end)
            for other in read
        ):
            yield item


#: "Trained on 80B tokens, using a curated dataset of 600B tokens".
_OUT_OF = re.compile(
    r"\b(?:using|from|out of)\s(?:an?|the|our)\s(?:[\w-]+\s){0,4}?(?:data-?\s?set|corpus|collection|pool|mix(?:ture)?|library|archive)\b[^.;]*$",
    re.IGNORECASE,
)


def _less_was_read_of(found: Sequence[Found], place: Place, labels: Labels) -> Iterator[Found]:
    """The sizes of what was trained on, where a field or a sentence counts fewer tokens seen:
    "Tokens consumed: 40M", and "trained on a 49B-token corpus"."""
    seen = [item.tokens for item, label in labels if says_seen(label)]
    seen += [
        item.tokens for item in found if item.form == "prose" and _SEEN.match(item.text, item.end)
    ]
    fewest = min(seen, default=None)
    read = _read(found, place)
    for item in found:
        if "what:corpus trained on" not in place[id(item)]:
            continue
        if (fewest and 5 * fewest < 4 * item.tokens) or any(
            other.is_beside(item)
            and other.end < item.start
            and 5 * other.tokens < 4 * item.tokens
            and _OUT_OF.search(item.text, other.end, item.start)
            for other in read
        ):
            yield item


def _gone_on_from(found: Sequence[Found], place: Place) -> Iterator[Found]:
    """The counts of a base, where the card says on how many tokens the model went on from it."""
    if any(
        {"among:clean", "part:continued"} <= names and "who:its base was trained" not in names
        for names in place.values()
    ):
        yield from (item for item in found if "who:its base was trained" in place[id(item)])


def _generalize(names: set[str]) -> None:
    """Add the kinds of the features."""
    names.update([general for general, kinds in GENERAL.items() if names & kinds])


_UNCLEAN = frozenset(
    ("what:objection", "what:doubt", "what:under tuning", "what:as little as tuning", "what:no more than the tuning", "what:field of tuning", "who:contradicted", "who:table worse +", "who:table worse 0", "who:table worse -")
)  # fmt: skip

#: What another model saw, by its name.
_ANOTHERS = frozenset(
    ("who:another was trained", "who:names another model only", "who:behind another's name")
)
#: What the name of the model counts, and its card as tokens.
_TOLD_BY_NAME = frozenset(
    ("who:its name counts it", "what:counts training", "what:tokens right behind")
)
#: What is the size of a model, and no count of tokens at all.
_SIZES = frozenset(
    ("what:behind: a parameter count", "what:a size, for what it was trained on follows")
)


def _bucket(prefix: str, value: float, edges: Sequence[float]) -> str:
    for edge in edges:
        if value < edge:
            return f"{prefix} <{edge:g}"
    return f"{prefix} >={edges[-1]:g}"


def _roundings(values: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Each number that is a rounding of another, with that one."""
    counts = sorted(values)
    for at, one in enumerate(counts):
        for other in itertools.islice(counts, at + 1, None):
            if 50 * other > 52 * one:
                break
            yield from (pair for pair in ((one, other), (other, one)) if rounds(*pair))


def rounds(short: int, long: int) -> bool:
    """Whether a number is another one with fewer of its digits.

    >>> rounds(9_940_000_000, 9_940_492_288), rounds(10**12, 14 * 10**11)
    (True, False)
    """
    digits = len(str(short).rstrip("0"))
    unit = 10 ** (len(str(short)) - digits)
    return digits < len(str(long).rstrip("0")) and 50 * abs(short - long) <= min(25 * unit, long)


def _among(
    found: Found, page: Page, values: Counter[int], clean: set[int], names: set[str]
) -> Iterator[str]:
    """How the number stands among the card's others."""
    if not page.asked.sizes or found.tokens >= 10**12:
        # What is few tokens, the model's own size says better, where it is known.
        yield "among:" + _bucket("log", math.log10(found.tokens), (7, 8, 9, 10, 11, 12, 12.6, 13.6))
    if values[found.tokens] > 1:
        yield "among:repeated"
    if clean:
        largest = max(clean)
        if "among:clean" in names:
            yield f"among:clean, of {min(4, len(clean))}"
        if found.tokens == largest:
            yield "among:largest"
        elif found.tokens > largest:
            yield "among:above the clean"
        else:
            yield "among:" + _bucket("share", found.tokens / largest, (0.03, 0.3, 0.7))
    if any(
        found.tokens < 2 * other and other < 2 * found.tokens for other in clean - {found.tokens}
    ):
        yield "among:close to another"
    terms = sorted(clean - {found.tokens}, reverse=True)[:12]
    if any(
        found.tokens in (a + b, *(a + b + c for c in terms[y + 1 :]))
        for x, a in enumerate(terms)
        for y, b in enumerate(terms[x + 1 :], x + 1)
    ):
        yield "among:a sum of others"
    if page.asked.sizes:
        share = found.tokens / max(page.asked.sizes)
        if "part:continued" in names and share < 10:
            # A base goes on on less than it began with.
            yield "among:few tokens/parameter, but continued"
        else:
            yield "among:" + _bucket("tokens/parameter", share, (0.3, 2, 10, 60, 600, 30_000))
