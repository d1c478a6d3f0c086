"""Counts that add up: the stages of a training, and the parts of what one verb trains on."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from hfkv.pretraining.candidates import Found
from hfkv.pretraining.words import COUNTED, TRAIN_WORD, I

__all__ = ["epochs", "numbered", "parts", "plus", "repeated"]

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
#: How many epochs, or times what, a count comes to.
_TIMES = re.compile(
    r"(?<![0-9.,])(?P<n>[0-9]{1,2}(?:[.,][0-9]{1,2})?)\s?(?:epochs?|passes|repetitions|époques?|passages?|épocas?|Epochen|epochen|epok\w*|epoche|эпох\w*|个?epochs?|轮|エポック|에폭)|[x×]\s?(?P<x>[0-9]{1,2}(?:\.[0-9])?)\b"
    r"|\b(?P<word>two|three|four|five) (?:epochs|passes)",
    I,
)
#: "N tokens each", "N tokens, two passes": what one pass reads.
_OF_EACH = re.compile(
    rf"\s?{COUNTED}(?:\s(?:each|per (?:epoch|pass))\b"
    r"|,\s(?:for\s|over\s)?(?:two|three|four|five|[2-9])\s(?:full\s)?(?:passes|epochs)\b)",
    I,
)
_SPELLED = {"two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0}


def numbered(found: Found) -> str:
    """Which stage a count is said of: its number, or its word; "" where it is no stage's.

    The last one named before the number counts: "after stage 1 ..., stage 2 uses N tokens".
    """
    behind = found.text[found.end : found.end + 60] if found.form == "prose" else ""
    stage = _STAGE.search(behind[:40])
    if stage is None or not re.match(rf"\s?(?:{COUNTED})?\s?[(（]", behind, I):
        # Not "N tokens (stage 1)", said right behind the number.
        ahead = found.subject if found.form != "prose" else found.text[: found.start]
        stage = next(iter([*_STAGE.finditer(ahead)][::-1]), None) or _STAGE.search(behind)
    return "" if stage is None else _name(stage)


def _name(stage: re.Match[str]) -> str:
    name = (stage["n"] or stage["word"] or stage["cjk"] or stage["kind"] or "stage").lower()
    return _ORDER.get(name, name)


def parts(items: Sequence[Found]) -> bool:
    """Whether one verb trains on each: "1T tokens of text and 200B tokens of code"."""
    for previous, item in itertools.pairwise(items):
        between = item.text[previous.end : item.start]
        if (
            not item.is_beside(previous)
            or "prose" not in (item.form, previous.form)
            or not 0 < len(between) <= 100
            or re.search(r"[.;:()。；]", between)
            or not re.search(COUNTED, between, I)
            or TRAIN_WORD.search(between)
            or not _JOINED.search(between)
        ):
            return False
    last = items[-1]
    return bool(_AND.search(last.text[: last.start]))


def plus(first: Found, second: Found) -> bool:
    """Whether two numbers are the terms of a sum that is not worked out: "2T + 300B tokens"."""
    between = first.text[first.end : second.start]
    return (
        first.is_beside(second)
        and first.form == second.form == "prose"
        and bool(re.fullmatch(rf"\s?(?:{COUNTED})?\s?\+\s?[~≈]?", between, I))
    )


def epochs(found: Found) -> str:
    """What the sentence of a count says of epochs; "" where it says nothing of several."""
    match = _MORE_EPOCHS.search(found.text)
    if match is None or found.form != "prose":
        return ""
    return (
        f"the card speaks of {match['n']} epochs: whether the count includes them it does not say"
    )


def repeated(found: Sequence[Found]) -> Iterator[tuple[Found, str]]:
    """The numbers that another one is a printed number of epochs of."""
    for item in found:
        if item.form == "prose" and _OF_EACH.match(item.text[item.end :]):
            yield item, "part:one of several epochs"
        near = item.text[max(0, item.start - 80) : item.end + 80]
        for match in _TIMES.finditer(near):
            word = match["word"]
            epochs = (
                _SPELLED[word.lower()]
                if word
                else float((match["n"] or match["x"]).replace(",", "."))
            )
            # Of little more than one epoch only a close product tells one count from the other.
            near_by = min(1 / 40, (epochs - 1) / 4)
            for other in found:
                if abs(epochs * other.tokens - item.tokens) < near_by * item.tokens:
                    yield other, "part:one of several epochs"
