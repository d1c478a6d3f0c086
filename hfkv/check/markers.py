"""Markers in documents: where ``<!-- hfkv: ... -->`` and ``<!-- /hfkv -->`` stand, code left out.

A marker inside a code block or a code span is shown, not meant.
"""

from __future__ import annotations

import bisect
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

__all__ = ["Marker", "code_of", "inside", "markers"]

_INDENTED = re.compile(r"^(?: {4}| {0,3}\t).*<!--", re.MULTILINE)
_FENCE = re.compile(r" {0,3}(?P<run>`{3,}|~{3,})")
#: Lines that only a parser can place: a fence in a list or a quotation, or perhaps none; a marker
#: that is indented; a block of HTML other than a comment, in which nothing is code.
_UNCLEAR = re.compile(
    r"(?=[ \t]*(?:[-*+>]|[0-9]{1,9}[.)]|[ \t]{4}|\t).*(?:```|~~~))[^`~]*(?:```|~~~)"
    r"|(?: {4}| {0,3}\t).*<!--| {0,3}<(?!!--)| {0,3}<!--(?!.*-->)"
)
_OPEN = re.compile(r"<!--\s{0,20}hfkv:")
_TICKS = re.compile(r"`+")
#: Longer than any question; what is longer is cut, and then no question that can be read.
_LONGEST = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """One comment that is meant for hfkv.

    Attributes:
        start, end: where the comment is.
        line: its line, counted from 1.
        text: what follows ``hfkv:``; None for the closing one.
        ended: whether the comment has its ``-->``.
    """

    start: int
    end: int
    line: int
    text: str | None
    ended: bool = True


def markers(text: str, *, markdown: bool) -> Iterator[Marker]:
    """The markers of a document in order, comments that ignore findings left out."""
    if "hfkv" not in text:
        return
    code: tuple[tuple[int, int], ...] | None = None
    line, counted = 1, 0
    place = text.find("<!--")
    while place >= 0:
        end = text.find("-->", place + 4)
        ended = end >= 0
        if ended:
            # A comment that was never ended swallows none of those after it.
            place = text.rfind("<!--", place, end)
        body = text[place + 4 : min(end, place + _LONGEST) if ended else place + 60].strip()
        if body.startswith("hfkv:") or body == "/hfkv":
            if code is None:
                code = code_of(text) if markdown else ()
            if not inside(code, place):
                line += text.count("\n", counted, place)
                counted = place
                asked = body[5:].strip() if body != "/hfkv" else None
                if asked is None or not asked.lower().startswith("ignore"):
                    stop = end + 3 if ended else len(text)
                    yield Marker(start=place, end=stop, line=line, text=asked, ended=ended)
                    if not ended:
                        return
        # Where no comment ends any more, only the words can tell that one was meant.
        place = text.find("<!--", end + 3) if ended else _next_open(text, place + 4)


def _next_open(text: str, start: int) -> int:
    match = _OPEN.search(text, start)
    return match.start() if match else -1


def inside(code: Sequence[tuple[int, int]], place: int) -> bool:
    """Whether a place is within one of these ranges, which are in order."""
    at = bisect.bisect_right(code, (place, sys.maxsize)) - 1
    return at >= 0 and place < code[at][1]


@lru_cache(maxsize=4)
def code_of(text: str) -> tuple[tuple[int, int], ...]:
    """Where the code of a Markdown text is, in order: (start, end).

    >>> code_of("a `b` c")
    ((2, 5),)
    """
    if "`" not in text and "~~~" not in text and not _INDENTED.search(text):
        return ()
    quick = _plain_code(text)
    if quick is not None:
        return quick
    # The parser costs more to import than most checks take.
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark")
    tokens: list[Any] = []
    # Line by line as in the text, and with the line ends that the block parser knows.
    plain = text.replace("\r\n", "\n").replace("\r", " ").replace("\0", " ")
    parser.block.parse(plain, parser, {}, tokens)
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    found: list[tuple[int, int]] = []
    for token in tokens:
        if token.map is None:
            continue
        first, last = starts[token.map[0]], min(starts[token.map[1]], len(text))
        if token.type in ("fence", "code_block"):
            found.append((first, last))
        elif token.type == "inline" and "`" in token.content:
            _spans(text, first, last, found)
    return tuple(sorted(found))


def _plain_code(text: str) -> tuple[tuple[int, int], ...] | None:
    """:func:`code_of` where it can be told line by line; None where it takes a parser.

    That is where every fence stands at the margin, no marker is indented as code is, and every
    code span ends on the line it begins on: then lists, quotations and tables change nothing.
    """
    found: list[tuple[int, int]] = []
    fence: tuple[int, str] | None = None
    place = 0
    for whole in text.split("\n"):
        start, place = place, place + len(whole) + 1
        line = whole.rstrip("\r")
        mark = _FENCE.match(line)
        if fence is not None:
            run = mark["run"] if mark else ""
            if run[:1] == fence[1][0] and len(run) >= len(fence[1]):
                if line[mark.end() :].strip(" \t") if mark else True:
                    continue
                found.append((fence[0], place))
                fence = None
            continue
        if _UNCLEAR.match(line) or "\r" in line or "\0" in line:
            return None
        if mark is not None and mark.start("run"):
            return None  # it may belong to a list
        if mark is not None and not (mark["run"][0] == "`" and "`" in line[mark.end() :]):
            fence = (start, mark["run"])
        elif "`" in line and not _spans(text, start, start + len(line), found, whole_line=True):
            return None
    if fence is not None:
        found.append((fence[0], len(text)))
    return tuple(found)


def _spans(
    text: str, first: int, last: int, found: list[tuple[int, int]], *, whole_line: bool = False
) -> bool:
    """The code spans of a paragraph: a run of backticks up to the next run as long.

    Returns:
        Whether every run has its other end; asked of a line, nothing is found unless it is so.
    """
    runs = [(run.start(), len(run.group())) for run in _TICKS.finditer(text, first, last)]
    later: dict[int, list[int]] = {}
    for number, (_, length) in enumerate(runs):
        later.setdefault(length, []).append(number)
    mine: list[tuple[int, int]] = []
    complete = True
    number = 0
    while number < len(runs):
        place, length = runs[number]
        same = later[length]
        after = bisect.bisect_right(same, number)
        if after < len(same) and text[place - 1 : place] != "\\":
            mine.append((place, runs[same[after]][0] + length))
            number = same[after] + 1
        else:
            complete = False
            number += 1
    if complete or not whole_line:
        found += mine
    return complete
