# ruff: noqa: E501 (tables of patterns read better unbroken)
"""The second step, first half: every number in a card that could be a count of tokens."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from hfkv.pretraining.cells import LEAST, lists_properties, read_cell, row_subject
from hfkv.pretraining.labels import counts_tokens, names_data, scale
from hfkv.pretraining.numbers import Quantity, find
from hfkv.pretraining.text import Segment, segments
from hfkv.pretraining.words import COUNTED, IN_TURN

__all__ = ["Found", "candidates"]

#: More candidates than any real card has; a hostile card is cut off here, and told so.
MOST = 400
_LONGEST_SENTENCE = 3_000
_SENTENCE_END = re.compile(
    r"(?<=[a-zA-Z0-9)\]%\"'])(?: )?[.!?](?= +[\"'(\[]?[A-ZÀ-ÞА-Я*#])|[。！？；]|(?<=[a-z])[.](?=[A-Z][a-z])|; |\n"
)
_ABBREVIATION = re.compile(
    r"\b(?:e\.g|i\.e|approx|ca|vs|et al|Fig|No|resp|[Bb]io|[Mm]rd|[Mm]io|mld|tys|bn|млрд|трлн|млн|est|max|min)$"
)
_NAMED = re.compile(r"[A-Za-z0-9]-\Z")
_WORTH = re.compile(rf"{COUNTED}|[0-9] ?(?:G?T\b|tera)|trill|兆|万亿|萬億|万億|조", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A number and where it stands.

    Attributes:
        form: ``prose`` (a sentence), ``column`` (a cell under a header that counts tokens) or
            ``row`` (a cell beside a label that counts tokens).
        text: the sentence or cell; ``start`` and ``end`` are the number in it.
        tokens: its value.
        others: the other quantities of the sentence.
        segment: what it was found in; ``at`` is the sentence's place in it.
        quote, line: the card's own text, white space collapsed, and the number's line.
        label: for a cell, the header above it or the label beside it.
        subject: for a cell, the texts that say whose it is; ``sizes``: the parameters that its
            row or column gives.
    """

    form: str
    text: str
    start: int
    end: int
    tokens: int
    quantity: Quantity
    others: tuple[Quantity, ...]
    segment: Segment
    at: int
    quote: str
    line: int
    label: str = ""
    subject: str = ""
    sizes: tuple[int, ...] = ()

    def is_beside(self, other: Found) -> bool:
        """Whether another number stands in the same sentence."""
        return self.segment is other.segment and self.at == other.at


def candidates(card: str) -> list[Found]:
    """Every number of a card that could count tokens, in the order they stand."""
    breaks = [match.start() for match in re.finditer("\n", card)]
    found: list[Found] = []
    for segment in segments(card):
        found.extend(_in_segment(card, breaks, segment))
        if len(found) >= MOST:
            break
    return sorted(found[:MOST], key=lambda item: (item.line, item.segment.offsets[:1], item.start))


def _quote(card: str, offsets: list[int], start: int, end: int) -> str:
    first, last = offsets[start], min(offsets[end - 1] + 1, len(card))
    # An emphasis that opens right before the sentence and closes within it is quoted whole.
    while first and card[first - 1] in "*_" and card[first - 1] in card[first:last]:
        first -= 1
    return " ".join(card[first:last].split())[:1_000]


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if _ABBREVIATION.search(text, max(start, match.start() - 8), match.start()):
            continue
        yield start, match.end()
        start = match.end()
    yield start, len(text)


def _in_segment(card: str, breaks: list[int], segment: Segment) -> Iterator[Found]:
    text = segment.text

    def made(form: str, begin: int, stop: int, quantity: Quantity, **more: object) -> Found:
        at = segment.offsets[begin + quantity.start]
        first, last = begin, stop
        if last - first > 600:
            first = max(begin, begin + quantity.start - 300)
            last = min(stop, begin + quantity.end + 300)
        values = {"tokens": quantity.value, "others": (), **more}
        return Found(
            form=form,
            text=text[begin:stop],
            start=quantity.start,
            end=quantity.end,
            quantity=quantity,
            segment=segment,
            at=begin,
            quote=_quote(card, segment.offsets, first, last),
            line=bisect.bisect_left(breaks, at) + 1,
            **values,  # type: ignore[arg-type]
        )

    table = segment.table
    if table is not None and (segment.row >= table.heads or lists_properties(table)):
        cell = read_cell(table, segment)
        if cell is not None:
            yield made(
                cell.form,
                0,
                len(text),
                cell.quantity,
                tokens=cell.tokens,
                label=cell.label,
                subject=cell.subject,
                sizes=cell.sizes,
            )
            return
    for begin, stop in _sentences(text):
        stop = min(stop, begin + _LONGEST_SENTENCE)
        sentence = text[begin:stop]
        begin += len(sentence) - len(sentence.lstrip())
        sentence = sentence.strip()
        if not _WORTH.search(sentence):
            continue
        quantities = _shared_scale(sentence, _label_scale(sentence, find(sentence)))
        for quantity in quantities[:60]:
            # The size in a model's name is no candidate at all.
            if quantity.value >= LEAST and not _NAMED.search(sentence, 0, quantity.start):
                others = tuple(other for other in quantities if other is not quantity)
                subject = row_subject(table, segment) if table is not None else ""
                yield made(
                    "prose", begin, begin + len(sentence), quantity, others=others, subject=subject
                )


def _shared_scale(sentence: str, quantities: list[Quantity]) -> tuple[Quantity, ...]:
    """The quantities, where "3 and 8 trillion tokens respectively" and "3 + 8
    trillion" give both the scale."""
    in_turn = IN_TURN.search(sentence)
    if not in_turn and "+" not in sentence:
        return tuple(quantities)
    for at in range(len(quantities) - 1, 0, -1):
        before, behind = quantities[at - 1], quantities[at]
        between = sentence[before.end : behind.start]
        if (
            behind.scaled
            and not before.scaled
            and before.number < 1_000
            and re.fullmatch(
                r"\s?(?:,|and|&|/|、|和|,\sand)\s?" if in_turn else r"\s?\+\s?", between
            )
        ):
            factor = Fraction(behind.value) / behind.number if behind.number else Fraction(0)
            value = before.number * factor
            if value.denominator == 1:
                quantities[at - 1] = replace(
                    before, value=int(value), scaled=True, unit=behind.unit
                )
    return tuple(quantities)


_LABEL = re.compile(r"\W{0,6}(?P<label>[^:：=|\n]{1,70}?)\s?[:：=|]")


def _label_scale(sentence: str, quantities: list[Quantity]) -> list[Quantity]:
    """The quantities, where a field's label sets the scale: "Training tokens (T): 2"."""
    match = _LABEL.match(sentence)
    if match is None or not (counts_tokens(match["label"]) or names_data(match["label"])):
        return quantities
    power = scale(match["label"])
    for at, quantity in enumerate(quantities):
        if power and quantity.start >= match.end():
            value = quantity.number * 10**power
            if not quantity.scaled and value.denominator == 1:
                quantities[at] = replace(
                    quantity, value=int(value), scaled=True, unit=f"10^{power}"
                )
            break
    return quantities
