# ruff: noqa: E501 (tables of patterns read better unbroken)
"""Which part of the training a number is: the whole, a stage, or a term of a sum."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from hfkv.pretraining.candidates import Found
from hfkv.pretraining.identity import sizes_in
from hfkv.pretraining.stages import numbered
from hfkv.pretraining.what import LATER_FIELD, STAGE_LABEL, SUM_ROW, named
from hfkv.pretraining.words import COUNTED, IN_TURN, SCALE, TRAIN, I

__all__ = ["first_stages", "goes_on", "part", "printed_sums"]

_ADDED = re.compile(
    r"\b(?:additional(?:ly)?|extra|further|more(?! than)|another|continu\w+|mid-?train\w*|followed by|plus|"
    r"(?:stage|phase|step) ?-?(?:[0-9]|I{1,3}|one|two|three|four)|(?:first|second|third|fourth|"
    r"final|last|initial|subsequent) (?:\w+ )?(?:stage|phase|step)|first (?:pre-?)?train|during (?:this|the|that) [\w -]{0,30}(?:period|stage|phase)|anneal\w*|cool-?down|decay|second|then)\b"
    r"|阶段|继续|额外|追加|増分|段階",
    I,
)
#: "In two phases: 5T tokens of web and 1T tokens of code".
_IN_STAGES = re.compile(
    r"\b(?:two|three|four|five|several|multiple|[2-5])\s(?:\w+\s){0,2}?(?:stages|phases|steps)\b", I
)
_LATER = frozenset(("2", "3", "4", "final", "last"))
_CONTINUED = re.compile(
    r"\bCPT\b|continu\w*[ -](?:\w+ )?(?:pre-?)?train|\bcontinu(?:ed|es|ing) (?:it )?(?:for|with|on)\b|further (?:pre-?)?train|additional|on top of|initiali[sz]ed (?:from|with)|start(?:ing|s|ed)? from|adapt(?:ed|ation)|warm-start|继续|増分|継続|追加|增量|二次预训练|more tokens|extra",
    I,
)
_COUNT = re.compile(rf"[0-9]\s?{SCALE}?\+?\s(?:[\w-]+\s){{0,3}}?{COUNTED}", I)
_TOTAL = re.compile(
    r"\b(?:total(?:l?ing|s|l?ed)?|i\.e|that is|amounting to|overall|altogether|cumulative\w*|in all|headline|combined|across (?:all|both))\b|训练总|总\s?(?:token|词元)|累计|总共|共计|合计|総計|合計|总",
    I,
)
_TOTAL_BEHIND = re.compile(
    r"^[^,;.，。0-9]{0,40}\b(?:in total|total\b|altogether|overall|across (?:all|both))", I
)


def part(found: Found, *, grown: bool = False) -> Iterator[str]:
    """Which part of the training the number is; ``grown``: of a model that grew from others."""
    if found.form != "prose":
        table = found.segment.table
        if SUM_ROW.match(found.subject):
            yield "part:row of a sum"
        elif STAGE_LABEL.match(found.subject) or (table and STAGE_LABEL.match(table.header(0))):
            yield "part:stage"
        elif grown and (found.sizes or sizes_in(found.subject)):
            # The training of each size is a stage of that of the last.
            yield from ("part:stage", "part:one of its stages")
        else:
            yield "part:total"
        return
    before = found.text[max(0, found.start - 110) : found.start]
    after = found.text[found.end : found.end + 60]
    if _CONTINUED.search(found.text[max(0, found.start - 160) : found.end + 160]):
        yield "part:continued"
    # What was said of an earlier count is not said of this one.
    lead = _COUNT.split(before)[-1]
    if numbered(found) in _LATER:
        yield "part:a later stage"
    staged = _IN_STAGES.search(found.text[: found.start])
    if staged and ":" in found.text[staged.end() : found.start]:
        yield from ("part:stage", "part:one of its stages")
    elif _TOTAL.search(before[-60:]) or _TOTAL_BEHIND.search(after):
        yield "part:total"
    elif _ADDED.search(lead) or _ADDED.search(after[:40].split(",")[0]):
        yield "part:stage"
    else:
        yield "part:whole"


#: The last training that is spoken of before a number goes on from another.
_GOES_ON = re.compile(
    rf"(?:\bCPT\b|continu\w*[ -](?:\w+ )?(?:pre-?)?train\w*|further (?:pre-?)?train\w*|(?:继续|增量)预训练|継続事前学習)(?:(?!{TRAIN})[^;])*$",
    I,
)


def goes_on(found: Found) -> bool:
    """Whether a sentence says plainly that the number was trained on top of another training."""
    return found.form == "prose" and bool(
        _GOES_ON.search(_COUNT.split(found.text[: found.start])[-1])
    )


#: A field that names the first stage of a training, where another names a later one.
_FIRST_FIELD = re.compile(
    r"^\W*(?:(?:base|general|initial|main|standard|stable)\s)?pre-?training(?:\s(?:stage|phase))?\W*$",
    I,
)


def first_stages(found: Sequence[Found]) -> Iterator[Found]:
    """The numbers of a field "Pre-training" beside one of a later stage: the stages of a list."""
    fields = [(item, named(item)) for item in found if item.form == "prose"]
    later = {item.segment.headings for item, label in fields if LATER_FIELD.match(label)}
    return (
        item
        for item, label in fields
        if item.segment.headings in later and _FIRST_FIELD.match(label)
    )


def printed_sums(found: Sequence[Found]) -> Iterator[tuple[Found, str]]:
    """The numbers of a paragraph that add up to another one of it, and that one."""
    groups: dict[int, list[Found]] = {}
    for item in found:
        groups.setdefault(id(item.segment.table or item.segment), []).append(item)
    for items in groups.values():
        # The counts of models of several sizes add up to another's by chance alone.
        several = [
            item
            for item in items
            if (item.form == "prose" and not IN_TURN.search(item.text))
            or (item.form != "prose" and not item.sizes and not sizes_in(item.subject))
        ][:10]
        for count in (2, 3, 4):
            for terms in itertools.combinations(several, count):
                total = sum(item.tokens for item in terms)
                for item in several:
                    if item.tokens == total and len({term.tokens for term in terms}) == count:
                        yield item, "part:a printed sum"
                        yield from ((term, "part:a term of a printed sum") for term in terms)
