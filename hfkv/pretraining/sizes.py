# ruff: noqa: E501 (tables of patterns read better unbroken)
"""Which parameter sizes a count is said of: those in its labels, else those of its sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hfkv.pretraining.candidates import Found
from hfkv.pretraining.identity import sizes_in
from hfkv.pretraining.numbers import Quantity
from hfkv.pretraining.words import COUNTED, IN_TURN, NOUN, SCALE, I

__all__ = ["associated", "parameter_sizes"]

#: A size is found at ``(start, end, parameters)``; one in a cell's labels stands at -1.
Size = tuple[int, int, int]

_NEAR = 600
_SIZE = r"[\w-]*?\s?[0-9.]+ ?(?:[BM]\b|billion|million)"
_SAID_OF = re.compile(
    rf"^[^.;]{{0,40}}(?:\bfor|\bin the case of|[(])\s?(?:the |our )?{_SIZE}", re.IGNORECASE
)
#: "13T tokens for the 27B", "8T (9B)": the size behind binds closer than any before.
_BOUND = re.compile(
    rf"^\s?(?:\+\s?)?(?:(?:d[ei]\s|d['’])?{COUNTED})?\s?(?:(?:of \w+ )?(?:for|to train|in)\s(?:the |our )?|(?:per (?:il|la|lo)|pour (?:le|la)|para (?:el|la|o|a)|für (?:das|die|den)|voor (?:de|het)|för|för den|til|for den|для)\s|[(（])(?P<size>{_SIZE})",
    I,
)
_NO_SIZE = re.compile(
    r"\s?\+\s?[0-9]|\s?(?:[\w-]+\s){0,2}?(?:hours?|documents?|pages?|steps?|samples?|examples?|images?|words?|lines?|files?|users?|downloads?|pairs?|tweets?|posts?|messages?|sentences?|comments?|reviews?|articles?|abstracts?|papers?|records?|notes?|molecules?|proteins?|compounds?|cells?|clips?|videos?|dialogues?|conversations?|questions?|instructions?|rows?|characters?|people|speakers?|of (?:them|which|these)|vocab\w*|sequences?|encoders?|towers?|projectors?|draft models?)\b",
    I,
)
#: The size of what a model is compared with.
_RIVAL = re.compile(
    r"\b(?:outperform\w*|beat(?:s|ing)?|surpass\w*|match(?:es|ing)?|rival\w*|exceed\w*|than|versus|vs\.?|compared (?:to|with)|comparable (?:to|with)|unlike|from|continu\w* (?:pre-?)?train\w*(?: of)?|adapt\w*|fine-?tun\w+|prun\w+|upcycl\w+|distill\w+|based on|buil(?:t|ding) (?:up)?on|on top of|initiali[sz]ed with)\s[^,.;]{0,24}$",
    I,
)
#: "800B tokens (400B in Czech, 20B code)", "19B (23B with another tokenizer) tokens".
_SHARES = re.compile(
    rf"[0-9]\s?{SCALE}?\+?\s(?:[\w-]+\s){{0,2}}?{COUNTED}\s?[(（][^()（）]*$",
    I,
)
_SHARE = re.compile(
    r"\s(?!(?:and|or|vs)\b|(?:[\w-]+\s)?(?:models?|versions?|variants?|checkpoints?|sizes?|param\w*|instruct|chat|base)\b)[A-Za-z]",
    I,
)


def parameter_sizes(found: Found) -> list[Size]:
    """Sizes in the candidate's scope, those of its labels first."""
    sizes = [(-1, -1, size) for size in found.sizes]
    if not sizes:
        sizes = [(-1, -1, size) for *_, size in sizes_in(found.subject)]
    if found.form == "prose":
        counts = [found.quantity, *found.others]
        # Beyond some lines of one sentence a size is that of something else.
        first = max(0, found.start - _NEAR)
        for start, end, size in sizes_in(found.text[first : found.end + _NEAR]):
            start, end = start + first, end + first
            if found.start <= start < found.end or size > 2 * 10**12:
                continue
            # "On FooWeb-6B, a set of 6B tokens": the size of the data is in their name.
            if size == found.tokens and NOUN.match(found.text, found.end):
                continue
            if _NO_SIZE.match(found.text[end : end + 60]) or _RIVAL.search(
                found.text[max(0, start - 60) : start]
            ):
                continue
            if not _counts_tokens(found.text, start, counts):
                sizes.append((start, end, size))
    return sizes


def _counts_tokens(text: str, start: int, counts: Sequence[Quantity]) -> bool:
    """Whether what looks like a size counts tokens: 600B tokens."""
    for quantity in counts:
        if quantity.start <= start < quantity.end:
            after = text[quantity.end : quantity.end + 100]
            if re.match(r"[\s-]?(?:param|model)", after, I):
                return False
            if _SHARE.match(after) and _SHARES.search(
                text[max(0, quantity.start - 160) : quantity.start]
            ):
                return True
            return bool(
                re.match(
                    rf"\s?(?:[(（][^()（）]{{1,60}}[)）]\s?|(?:[A-Za-z-]+[)）]?\s){{0,4}}?){COUNTED}",
                    after,
                    I,
                )
            )
    return False


def associated(found: Found, sizes: Sequence[Size], training: Sequence[Found]) -> list[int]:
    """The sizes that a count is said of: in its labels, else nearest in its sentence."""
    labels = [size for start, _, size in sizes if start < 0]
    if labels:
        return labels
    rivals = sorted(other.start for other in training if other.is_beside(found))
    counts = [other for other in found.others if NOUN.match(found.text, other.end, other.end + 20)]
    if len(rivals) > 1 or counts:
        bound = _BOUND.match(found.text[found.end : found.end + 60])
        if bound is not None:
            at = found.end + bound.start("size")
            near = [size for start, _, size in sizes if at <= start <= found.end + bound.end()]
            if near:
                return near
    ordered = [size for _, _, size in sizes]
    apart = [size for size in sizes if size[0] >= 0]
    in_turn = IN_TURN.search(found.text) or (
        len(rivals) > 1 and apart and max(end for _, end, _ in apart) < rivals[0]
    )
    if len(ordered) == len(rivals) and found.start in rivals and in_turn:
        return [ordered[rivals.index(found.start)]]
    if len(rivals) <= 1:
        ahead = [size for start, _, size in sizes if start < found.start]
        if ahead or not _SAID_OF.search(found.text[found.end : found.end + 120]):
            return ahead
        return ordered
    if found.start not in rivals:
        rivals = sorted([*rivals, found.start])
    index = rivals.index(found.start)
    previous = rivals[index - 1] if index else -1
    return [size for start, _, size in sizes if previous < start < found.start]
