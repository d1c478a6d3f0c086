# ruff: noqa: E501 (tables of patterns read better unbroken)
"""The second step, first half: every number in a card that could be a count of tokens."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from hfkv.pretraining.numbers import Quantity, find
from hfkv.pretraining.text import Segment, Table, segments

__all__ = ["Found", "candidates"]

#: More candidates than any real card has; a hostile card is cut off here, and told so.
MOST = 400
_LONGEST_SENTENCE = 3_000
#: No model is pretrained on less; windows, vocabularies and speeds stand below.
_LEAST = 10**7
COUNTED = (
    r"(?:(?:sub)?-?tok(?:en|[eé]n)s?(?:ów|i)?|toki|jetons|"
    r"токен\w{0,4}|토큰|トークン|词元|詞元|标识符|標識符|文本标记)"
)
_SENTENCE_END = re.compile(
    r"(?<=[a-zA-Z0-9)\]%\"'])[.!?](?= +[\"'(\[]?[A-ZÀ-ÞА-Я*#])|[。！？；]|(?<=[a-z])[.](?=[A-Z][a-z])|; |\n"
)
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|approx|ca|vs|et al|Fig|No|resp)$")
_TRAINING = re.compile(
    r"\W{0,4}(?:pre-?)?train(?:ing|ed)?(?:[ -](?:data|budget|corpus|set|size|dataset))",
    re.IGNORECASE,
)
_NAMED = re.compile(r"[A-Za-z0-9]-\Z")
_WORTH = re.compile(rf"{COUNTED}|[0-9] ?(?:G?T\b|tera)|trill|兆|万亿|萬億|万億|조", re.IGNORECASE)
_HEADER = re.compile(
    rf"(?:train|pre-?train|total|seen|预训练|训练|累计|学習|학습|обуч|entra?[iî]n|trainier)"
    rf".{{0,40}}{COUNTED}|{COUNTED}.{{0,12}}(?:train|seen|consumed|processed|预训练|训练)"
    rf"|^(?:#|num(?:ber)?|no\.?|n)?[ ]?(?:of[ ])?{COUNTED}[ ]?(?:count)?(?:[ ]?[(（\[].{{1,16}}[)）\]])?$",
    re.IGNORECASE,
)
_NOT_HEADER = re.compile(
    r"context|length|window|max|vocab|batch|/ ?s\b|per |second|input|output|fine-?tun|sft|unique|"
    r"throughput|speed|latency|generat|上下文|窗口|长度|微调|price|cost|embed|speech|image|"
    r"\btest|valid|eval|warm|avg|average|mean|activated|predict|special|think|reason",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r"[(（\[]\s?(?:in\s)?(?P<u>trillions?|billions?|millions?|[TBM]|万亿|亿|十亿|兆)\s?(?:of\s)?"
    rf"(?:{COUNTED})?\s?[)）\]]|\bin (?P<v>trillions|billions|millions)\b",
    re.IGNORECASE,
)
_UNITS = {"t": 12, "b": 9, "m": 6, "trillion": 12, "billion": 9, "million": 6,
          "万亿": 12, "亿": 8, "十亿": 9, "兆": 12}  # fmt: skip


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
        subject: for a cell, the texts that say whose it is.
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
    last = min(offsets[end - 1] + 1, len(card))
    return " ".join(card[offsets[start] : last].split())[:1_000]


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
    if table is not None and segment.row >= table.heads:
        cell = list(_in_cell(table, segment, made))
        if cell:
            yield from cell
            return
    for begin, stop in _sentences(text):
        stop = min(stop, begin + _LONGEST_SENTENCE)
        sentence = text[begin:stop]
        begin += len(sentence) - len(sentence.lstrip())
        sentence = sentence.strip()
        if not _WORTH.search(sentence):
            continue
        quantities = tuple(find(sentence))
        for quantity in quantities[:60]:
            # The size in a model's name is no candidate at all.
            if quantity.value >= _LEAST and not _NAMED.search(sentence, 0, quantity.start):
                others = tuple(other for other in quantities if other is not quantity)
                subject = _row_subject(table, segment) if table is not None else ""
                yield made(
                    "prose", begin, begin + len(sentence), quantity, others=others, subject=subject
                )


def _row_subject(table: Table, segment: Segment) -> str:
    row = table.rows[segment.row]
    first = next((cell.text for cell in row if cell.text), "")
    return "" if first == segment.text else first


def _in_cell(table: Table, segment: Segment, made: object) -> Iterator[Found]:
    """A cell whose header or label says that it counts tokens, and that holds one number."""
    row = table.rows[segment.row]
    text = segment.text
    quantities = find(text)
    if len(text) > 60 or not quantities or segment.column == 0:
        return
    header = table.header(segment.column)
    label = next((cell.text for cell in row[: segment.column] if cell.text), "")
    rest = (text[: quantities[0].start] + text[quantities[0].end :]).strip(" *~≈><约")
    rest = re.sub(rf"{COUNTED}|\(.{{0,60}}\)", "", rest, flags=re.IGNORECASE).strip()
    if len(rest) > 12 and quantities[0].start > 12:
        return
    for form, name, subject in (
        ("column", header, " | ".join(c.text for c in row[: segment.column] if c.text)),
        ("row", label, header),
    ):
        counts = _HEADER.search(name) or (
            form == "row" and _TRAINING.match(name) and _WORTH.search(text)
        )
        if len(name) > 80 or not counts or _NOT_HEADER.search(name):
            continue
        unit = _UNIT.search(name)
        for quantity in quantities[:1]:
            tokens = quantity.value
            if not quantity.scaled and unit is not None:
                power = _UNITS[(unit["u"] or unit["v"]).lower().removesuffix("s")]
                value: Fraction = quantity.number * 10**power
                tokens = int(value) if value.denominator == 1 else 0
            if tokens >= _LEAST:
                yield made(  # type: ignore[operator]
                    form, 0, len(text), quantity, tokens=tokens, label=name, subject=subject
                )
        return
