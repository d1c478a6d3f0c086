"""The words around a number, each a feature of its own.

The named features ask what their authors thought of; what a fit makes of the words themselves
still says something where a card is put in a way that no one thought of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hfkv.pretraining.candidates import Found
from hfkv.pretraining.fitted import WORD
from hfkv.pretraining.what import label_of

__all__ = ["around"]

_PARTS = re.compile(r"[^\W\d_]+|[0-9][0-9.,]*|[%()~<>+:/=]")
#: Scripts that put no space between words: pairs of signs stand for them.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]")
#: How many words ahead of a number and behind it are looked at, and how many of them are near.
_AHEAD, _NEAR_AHEAD = 14, 3
_BEHIND, _NEAR_BEHIND = 10, 4


def around(found: Found) -> Iterator[str]:
    """The words of the sentence about a number, of its label and of the headings above it."""
    ahead = _words(found.text[max(0, found.start - 160) : found.start])
    behind = _words(found.text[found.end : found.end + 120])
    for side, words, near in (
        ("ahead", ahead[::-1][:_AHEAD], _NEAR_AHEAD),
        ("behind", behind[:_BEHIND], _NEAR_BEHIND),
    ):
        for at, word in enumerate(words):
            yield f"{WORD}{side} {word}"
            if at < near:
                yield f"{WORD}near {side} {word}"
            if not at:
                yield f"{WORD}next {side} {word}"
    *upper, last = found.segment.headings or ("",)
    for place, text in (("heading", last), ("above", " ".join(upper)), ("label", label_of(found))):
        yield from (f"{WORD}{place} {word}" for word in _words(text))


def _words(text: str) -> list[str]:
    """The words of a text in lower case, a number as ``#``.

    >>> _words("On 1.4T tokens (训练数据)")
    ['on', '#', 't', 'tokens', '(', '训练', '练数', '数据', ')']
    """
    words: list[str] = []
    for part in _PARTS.findall(text):
        if part[0].isdigit():
            words.append("#")
        elif _UNSPACED.search(part):
            words.extend(part[at : at + 2] for at in range(max(1, len(part) - 1)))
        else:
            words.append(part.lower())
    return words
