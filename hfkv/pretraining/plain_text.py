"""A model card as sentences and fields with their lines, by a real Markdown parser."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Sentence", "front_matter", "sentences"]

#: A card is prose; past this it is read no further, so that time stays bounded.
LARGEST_CARD = 4_000_000
_LARGEST_FRONT = 64_000
#: A sentence longer than this is a list or a table gone wrong, not a statement.
_LONGEST = 1_000
_FRONT = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)
_END = re.compile(r"(?<=[.!?。！？])\s+(?=[^a-z])|\n{2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A piece of the card: its text, normalised for reading, and its first line, from 1."""

    text: str
    line: int
    heading: str = ""


def front_matter(card: str) -> Mapping[str, Any]:
    """The metadata at the card's head; empty where there is none or it is not plain YAML.

    Aliases are refused: a few lines of them can stand for gigabytes.
    """
    match = _FRONT.match(card[:_LARGEST_FRONT])
    if match is None or "*" in re.sub(r"['\"][^'\"\n]*['\"]", "", match[1]):
        return {}
    import yaml

    try:
        value = yaml.safe_load(match[1])
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def sentences(card: str) -> list[Sentence]:
    """The card's sentences, list items and cells, in order."""
    from markdown_it import MarkdownIt

    card = card[:LARGEST_CARD]
    match = _FRONT.match(card[:_LARGEST_FRONT])
    # Blank lines in place of the metadata keep every line's number.
    body = card if match is None else "\n" * match[0].count("\n") + card[match.end() :]
    parser = MarkdownIt("commonmark", {"maxNesting": 20}).enable("table")
    found: list[Sentence] = []
    heading = ""
    previous = ""
    for token in parser.parse(body):
        if token.type == "inline" and token.map is not None:
            line = token.map[0] + 1
            if previous == "heading_open":
                heading = normal(_plain(token.content))
            for start, piece in _split(token.content):
                text = normal(_plain(piece))
                if text and len(text) <= _LONGEST:
                    offset = token.content.count("\n", 0, start)
                    found.append(Sentence(text=text, line=line + offset, heading=heading))
        elif token.type == "html_block" and token.map is not None:
            line = token.map[0] + 1
            for row, raw in enumerate(token.content.splitlines()):
                text = normal(_plain(re.sub(r"<[^>]{0,500}>", " ", raw)))
                if text and len(text) <= _LONGEST:
                    found.append(Sentence(text=text, line=line + row, heading=heading))
        previous = token.type
    return found


def _split(content: str) -> list[tuple[int, str]]:
    pieces, start = [], 0
    for match in _END.finditer(content):
        pieces.append((start, content[start : match.start()]))
        start = match.end()
    pieces.append((start, content[start:]))
    return pieces


def _plain(text: str) -> str:
    """Inline Markdown without its marks: links keep their words."""
    text = re.sub(r"\[([^\[\]]{0,300})\]\([^()]{0,500}\)", r"\1", text)
    text = re.sub(r"<[^<>]{0,300}>", " ", text)
    text = re.sub(r"(\*\*|__|`|\*(?=\S)|(?<=\S)\*)", "", text)
    return html.unescape(text.replace("\\", ""))


def normal(text: str) -> str:
    """Compatibility forms folded, white space collapsed."""
    return " ".join(unicodedata.normalize("NFKC", text).split())
