"""What somebody read of a model's pretraining: one line for each family and size, by Hub id.

``hfkv/data/statements.jsonl`` is made by ``python -m hfkv.generate statements``. It holds facts,
where each was read, and a fingerprint of the sentence, so that the sentence is found again in the
card that has it and quoted from there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hfkv.data import read_text
from hfkv.pretraining.statement import Evidence
from hfkv.source.old_names import names_of

__all__ = ["Line", "fingerprint", "line_named", "line_of", "sentence_of", "words_of"]

_LINK = re.compile(r"\]\([^()\s]{0,800}\)|<[^<>]{1,600}>|&nbsp;")
_WORD = re.compile(r"[^\W_]+(?:[.,][0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the statements.

    Attributes:
        ids: the Hub ids that it holds for.
        tokens, qualifier: the count; None where nobody states one.
        scope: ``pretraining``, ``continued`` (added to ``base``), ``stage`` or ``not stated``.
        base: the id of the model that it goes on from.
        apart: whether it goes on from a checkpoint on the way, so that the two do not add up.
        fingerprint: of its sentence, as :func:`fingerprint` makes it; None where there is none.
        source: ``place``, ``url`` and ``date`` of where it was read.
        also: other counts said elsewhere, each with ``tokens``, ``place`` and ``note``.
        note: what a reader must know of it.
    """

    ids: tuple[str, ...]
    tokens: int | None
    qualifier: str | None
    scope: str
    base: str | None
    apart: bool
    fingerprint: Mapping[str, Any] | None
    source: Mapping[str, Any]
    also: tuple[Mapping[str, Any], ...]
    note: str

    @property
    def citation(self) -> str:
        """Where it was read, in a line."""
        parts = (self.source.get("place"), self.source.get("date"), self.source.get("url"))
        return ", ".join(str(part) for part in parts if part)


@lru_cache(maxsize=1)
def _text() -> tuple[str, str]:
    raw = read_text("statements.jsonl")
    return raw, raw.lower()


def _lines(needle: str) -> Iterator[Line]:
    """The lines that hold a text; only those are parsed."""
    raw, low = _text()
    at = low.find(needle)
    while at >= 0:
        start, end = raw.rfind("\n", 0, at) + 1, raw.find("\n", at)
        end = len(raw) if end < 0 else end
        value = json.loads(raw[start:end])
        yield Line(
            ids=tuple(value["ids"]),
            tokens=value["tokens"],
            qualifier=value["qualifier"],
            scope=value["scope"],
            base=value.get("base"),
            apart=value.get("apart", False),
            fingerprint=value.get("fingerprint"),
            source=value["source"],
            also=tuple(value.get("also", ())),
            note=value.get("note", ""),
        )
        at = low.find(needle, end)


def line_of(model: str) -> Line | None:
    """The line of a Hub id, or of another that the repository has had, if there is one.

    >>> line_of("huggyllama/llama-7b").tokens, line_of("nobody/no-such-model")
    (1000000000000, None)
    >>> line_of("t5-small").ids[0]
    'google-t5/t5-small'
    """
    for key in map(str.lower, names_of(model)):
        for line in _lines(json.dumps(key, ensure_ascii=False)):
            if key in map(str.lower, line.ids):
                return line
    return None


def line_named(name: str) -> Line | None:
    """The line of a repository's name, whoever owns it; None where owners' lines differ."""
    key = name.lower()
    found = [
        line
        for line in _lines(f'/{key}"')
        if any(model.lower().rsplit("/", 1)[-1] == key for model in line.ids)
    ]
    return found[0] if found and len({(line.tokens, line.scope) for line in found}) == 1 else None


def words_of(text: str) -> list[tuple[str, int, int]]:
    """The words of a text without its markup, each with its place."""
    plain = _LINK.sub(lambda match: " " * len(match[0]), text)
    return [(match[0].lower(), match.start(), match.end()) for match in _WORD.finditer(plain)]


def fingerprint(quote: str, number: str) -> dict[str, Any] | None:
    """What finds a sentence again: the hash of its words, how many they are, the number's words
    and how many stand before it; None where the number does not stand in it.

    >>> made = fingerprint("It **saw** 2 trillion tokens.", "2 trillion")
    >>> made["words"], made["before"], made["number"]
    (5, 2, ['2', 'trillion'])
    """
    # What was left out between two parts of a quotation is not there to be found.
    for part in sorted(re.split(r"\[?(?:\.\.\.|…)\]?", quote), key=len, reverse=True):
        words = [word for word, *_ in words_of(part)]
        wanted = [word for word, *_ in words_of(number)]
        for at in range(len(words) - len(wanted) + 1 if wanted else 0):
            if words[at : at + len(wanted)] == wanted:
                return {
                    "hash": _hash(words),
                    "words": len(words),
                    "before": at,
                    "number": wanted,
                }
    return None


def _hash(words: list[str]) -> str:
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]


def sentence_of(line: Line, card: str, *, model: str, commit: str | None) -> Evidence | None:
    """The sentence of a line in a card, quoted from there; None where the card has it not."""
    mark = line.fingerprint
    if mark is None:
        return None
    number, before, count = list(mark["number"]), int(mark["before"]), int(mark["words"])
    words = words_of(card)
    for at, (word, start, _) in enumerate(words):
        if word != number[0] or at < before or at - before + count > len(words):
            continue
        part = words[at - before : at - before + count]
        if _hash([text for text, *_ in part]) == mark["hash"]:
            quote = " ".join(card[part[0][1] : part[-1][2]].split())
            return Evidence(
                quote=quote[:1_000], line=card.count("\n", 0, start) + 1, model=model, commit=commit
            )
    return None
