# ruff: noqa: E501 (tables of patterns read better unbroken)
"""What the steps of a training come to, where a card tells them and the tokens of each.

A size of a corpus and a count of tokens seen are said in the same words often enough. The numbers
of the training itself part them: "20,000 steps, batch 16 x block 512" is 164M tokens, whatever the
corpus holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction

from hfkv.pretraining.words import COUNTED, I

__all__ = ["comes_to", "products"]

_NUMBER = r"(?P<n>[0-9]{1,3}(?:[,_ ][0-9]{3})+(?![0-9])|[0-9]{1,9}(?:\.[0-9]{1,3})?(?![0-9]))\s?(?P<u>[kKM](?!\w)|thousand|million)?"
_UNITS = {"k": 10**3, "thousand": 10**3, "m": 10**6, "million": 10**6}
_STEP = r"(?:steps|iterations|iters|updates)"
#: Steps of the whole training; those of a warm-up, and an interval of some steps, are none.
_STEPS = (
    rf"(?<![\w.,])(?<!every )(?<!each )(?<!first )(?<!last ){_NUMBER}[\s-](?:(?:pre-?training|training|train|optimi[sz]er|gradient|total)\s)?{_STEP}\b(?!\sof (?:warm|decay|anneal)|\s(?:warm|cool|decay|anneal))",
    rf"(?<![A-Za-z]){_STEP}\b[*`_ ]{{0,4}}(?:[:=|]|was|of|\s)[\s*`|~]{{0,6}}{_NUMBER}",
)
_WARMS = re.compile(r"warm-?up|cool-?down|decay|anneal|save|eval|log", re.IGNORECASE)
#: Tokens of one step.
_TOKENS = (
    rf"(?<![\w.,]){_NUMBER}[\s-]?tok(?:en)?s?\s?(?:/|per|a|each|in each)\s?(?:(?:optimi[sz]er|gradient|global|training)\s)?(?:batch|step|update|iteration)",
    rf"\bbatch(?:[ _-]size)?(?:\s\w+){{0,2}}?\W{{0,6}}(?:of|is|was|=|:|\|)?\W{{0,5}}{_NUMBER}[\s-](?:{COUNTED})",
    rf"\btokens[ _](?:per|/)[ _]?(?:step|batch|update)\W{{1,8}}{_NUMBER}",
    rf"{_STEP}\s(?:at|of|[×x*]|with)\s{_NUMBER}\s?{COUNTED}",
)
#: Sequences of one step, and the tokens of each.
_BATCH = (
    rf"\bbatch(?:[ _-]size)?\b[^.\n0-9]{{0,24}}{_NUMBER}(?!\s?tok)",
    rf"{_NUMBER}\s(?:sequences|samples|examples)\s(?:per|a|each)\s?(?:batch|step|update)?",
)
_LENGTH = (
    rf"\b(?:seq(?:uence)?s?[ _-]?(?:len(?:gth)?)?|context(?:[ _-](?:length|window|size))?|block(?:[ _-]size)?|max[ _]length|n_ctx|ctx)\b[^.\n0-9]{{0,24}}{_NUMBER}",
    rf"{_NUMBER}[\s-]tokens?\s(?:context|sequences?|window)",
)
#: Of each kind so many numbers are tried with each other.
_MOST = 8


def products(text: str) -> frozenset[int]:
    """What the steps of a text come to in tokens, by every pair of numbers that could be meant.

    >>> products("20,000 steps, batch size 16, sequence length 512")
    frozenset({163840000})
    """
    if not re.search(_STEP, text, I):
        return frozenset()
    steps = _numbers(_STEPS, text, 500, 5 * 10**6)
    each = _numbers(_TOKENS, text, 1_000, 2 * 10**8)
    if steps:
        each += [
            batch * length
            for batch in _numbers(_BATCH, text, 2, 20_000)
            for length in _numbers(_LENGTH, text, 32, 200_000)
        ]
    return frozenset(int(count * tokens) for count in steps for tokens in each)


def _numbers(patterns: Sequence[str], text: str, least: int, most: int) -> list[Fraction]:
    return sorted({n for p in patterns for n in _in(p, text) if least <= n <= most})[-_MOST:]


def _in(pattern: str, text: str) -> Iterator[Fraction]:
    for match in re.finditer(pattern, text, I):
        if _WARMS.search(text, max(0, match.start() - 16), match.start()):
            continue
        number = Fraction(re.sub("[,_ ]", "", match["n"]))
        yield number * _UNITS.get((match["u"] or "").lower(), 1)


def comes_to(tokens: int, counts: frozenset[int]) -> bool:
    """Whether a number is one of these counts, as round as people write them."""
    return any(50 * abs(tokens - count) <= count for count in counts)
