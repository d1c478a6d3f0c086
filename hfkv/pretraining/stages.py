"""Counts that add up: the stages of a training, and the parts of what one verb trains on."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hfkv.pretraining.words import COUNTED, TRAIN_WORD, I

if TYPE_CHECKING:
    from hfkv.pretraining.choose import Candidate

__all__ = ["epochs", "numbered", "one_sum", "parts"]

_STAGE = re.compile(
    r"\b(?P<word>first|second|third|fourth|final|last|initial)\s(?:[\w-]+\s){0,2}?(?:stage|phase|period)"
    r"|第(?P<cjk>[一二三四1-9])(?:个|個)?(?:阶段|段階|ステージ)"
    r"|(?:\bstage|\bphase|阶段|段階|ステージ)\s?-?\s?(?P<n>[0-9]|I{1,3}V?|one|two|three|four)?\b"
    r"|\b(?P<kind>anneal|cool-?down|mid-?train)",
    re.IGNORECASE,
)
_ORDER = {"one": "1", "i": "1", "first": "1", "initial": "1", "一": "1",
          "two": "2", "ii": "2", "second": "2", "二": "2",
          "three": "3", "iii": "3", "third": "3", "三": "3",
          "four": "4", "iv": "4", "fourth": "4", "四": "4"}  # fmt: skip
_JOINED = re.compile(
    r"(?:,|\band|\bplus|\+|&|as well as|以及|和)\s?(?:about |around |another |over |~)?$", I
)
_AND = re.compile(
    r"(?:\band|\bplus|\+|&|as well as|以及|和)\s?(?:about |around |another |over |~)?$", I
)
_MORE_EPOCHS = re.compile(
    r"\b(?P<n>[2-9]|1[0-9]|two|three|four|five|several|multiple)\s(?:full\s)?(?:epochs?|passes)\b",
    re.IGNORECASE,
)


def numbered(item: Candidate) -> str:
    """Which stage a count is said of: its number, or its word; "" where it is no stage's.

    The last one named before the number counts: "after stage 1 ..., stage 2 uses N tokens".
    """
    found = item.found
    text = found.subject if found.form != "prose" else found.text[: found.start]
    last = _STAGE.search(found.text[found.end : found.end + 40]) if found.form == "prose" else None
    if last is not None and re.match(
        rf"\s?(?:{COUNTED})?\s?[(（]", found.text[found.end : found.end + 40], I
    ):
        # "N tokens (stage 1)": said right behind the number.
        return _name(last)
    last = None
    for match in _STAGE.finditer(text):
        last = match
    if last is None and found.form == "prose":
        last = _STAGE.search(found.text[found.end : found.end + 60])
    if last is None:
        return ""
    return _name(last)


def _name(stage: re.Match[str]) -> str:
    name = (stage["n"] or stage["word"] or stage["cjk"] or stage["kind"] or "stage").lower()
    return _ORDER.get(name, name)


def one_sum(items: Sequence[Candidate]) -> list[Candidate]:
    """The items once each, where all are stages that a card prints; else nothing.

    A stage told twice, in two languages or two places, is one stage.
    """
    stages: dict[tuple[int, str], Candidate] = {}
    for item in items:
        name = numbered(item)
        if not name:
            return []
        stages.setdefault((item.tokens, name), item)
    names = {name for _, name in stages}
    # Two counts for one stage are a contradiction, and no sum.
    return list(stages.values()) if len(stages) == len(names) <= 8 else []


def parts(items: Sequence[Candidate]) -> list[Candidate]:
    """The items, where one verb trains on each ("1T tokens of text and 200B tokens of code");
    else nothing."""
    items = sorted(items, key=lambda item: item.found.start)
    if not 2 <= len(items) <= 6:
        return []
    first = items[0].found
    for previous, item in itertools.pairwise(items):
        found = item.found
        if found.segment is not first.segment or found.at != first.at or found.form != "prose":
            return []
        between = found.text[previous.found.end : found.start]
        if (
            item.verb < 0
            or item.verb != items[0].verb
            or len(between) > 100
            or re.search(r"[.;:()。；]", between)
            or not re.search(COUNTED, between, I)
            or TRAIN_WORD.search(between)
            or not _JOINED.search(between)
        ):
            return []
    last = items[-1].found
    return items if _AND.search(last.text[: last.start]) else []


def merged(items: Sequence[Candidate], tokens: int) -> Candidate:
    """The first of the items with the sum of all."""
    hows = {item.qualifier for item in items}
    how = hows.pop() if len(hows) == 1 else "about"
    return replace(items[0], found=replace(items[0].found, tokens=tokens), qualifier=how)


def epochs(item: Candidate) -> str:
    """What the sentence of a count says of epochs; "" where it says nothing of several."""
    match = _MORE_EPOCHS.search(item.found.text)
    if match is None or item.found.form != "prose":
        return ""
    return (
        f"the card speaks of {match['n']} epochs: whether the count includes them it does not say"
    )
