"""Candidates in a card, why each is taken or not, and the choice among those that are.

A miss is better than a wrong number: a sentence must say that this model was (pre)trained on a
number of tokens, and nothing in it may point to another thing that is counted in tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hfkv.pretraining.plain_numbers import Count, counts
from hfkv.pretraining.plain_statement import Evidence, Pretraining
from hfkv.pretraining.plain_text import Sentence, sentences

__all__ = ["Candidate", "candidates", "choose"]

_TOKENS = re.compile(r"\btokens?\b", re.IGNORECASE)
_TRAINED = re.compile(
    r"\b(?:pre-?\s?train(?:ed|ing)?|train(?:ed)?\s+(?:\w+\s+){0,4}(?:on|with|for|using|over)|"
    r"(?:was|were|is|are|been)\s+trained|training tokens|saw|seen)\b",
    re.IGNORECASE,
)
#: What else is counted in tokens, or whose training it is not: each with the word for --explain.
_TRAPS = (
    ("fine-tuning", r"fine-?\s?tun|finetun|instruct(?:ion)?[- ]tun|\bsft\b|\brlhf\b|\bdpo\b|align"),
    (
        "continued pretraining",
        r"continu|further|additional|anneal|mid-?train|up-?train|period|basic",
    ),
    ("context length", r"context|sequence length|window|per[- ]sample|max(?:imum)? length"),
    ("batch or schedule", r"batch|warm-?up|learning rate|per step|per second|throughput|tokens/s"),
    ("vocabulary", r"vocab|tokenizer"),
    ("a plan", r"\bwill be\b|\bplan(?:s|ned)?\b|upcoming|to be trained|\bgoal\b"),
    (
        "a dataset's size",
        r"dataset|contain|consists? of|corpus size|compris",
    ),
    (
        "another model",
        r"\bcompar|\bunlike\b|\bwhile\b|\bwhereas\b|\bbaseline|outperform|models:",
    ),
    ("several models", r"\bmodels\b.*\bup to\b|\bfirst\b"),
    ("a distillation", r"distil"),
    ("a checkpoint", r"checkpoint|intermediate|\bstep\b|\bsteps\b|so far|\bstage|phase"),
    ("a part", r"\bof which\b|\bincluding\b|\brespectively\b|\beach\b|subset|sampled|filtered"),
)
#: More than anyone has trained on; such a number is a slip of the pen.
_MOST = 200 * 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A number of tokens in a card, and what was made of it."""

    tokens: int
    qualifier: str
    line: int
    quote: str
    verdict: str
    why: str

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            "tokens": self.tokens,
            "qualifier": self.qualifier,
            "line": self.line,
            "verdict": self.verdict,
            "why": self.why,
            "quote": self.quote,
        }


def candidates(card: str) -> list[Candidate]:
    """Every number of tokens in the card, with why it was taken or rejected."""
    found = []
    for sentence in sentences(card):
        if not _TOKENS.search(sentence.text):
            continue
        near = [count for count in counts(sentence.text) if _counts_tokens(sentence.text, count)]
        for count in near:
            why = _why_not(sentence, count, len(near))
            found.append(
                Candidate(
                    tokens=count.value,
                    qualifier=count.qualifier,
                    line=sentence.line,
                    quote=sentence.text,
                    verdict="rejected" if why else "taken",
                    why=why or "the sentence says that the model was trained on it",
                )
            )
    return found


def _counts_tokens(text: str, count: Count) -> bool:
    """Whether what follows the number is the word tokens, with few words between."""
    after = text[count.end : count.end + 80]
    return (
        re.match(r"\s*\+?(?:[\s,-]*(?:and|of|[\w-]+)){0,5}?[\s-]*tokens?\b", after, re.I)
        is not None
    )


def _why_not(sentence: Sentence, count: Count, numbers: int) -> str:
    text = sentence.text
    if not _TRAINED.search(text):
        return "the sentence does not say that the model was trained on it"
    for name, words in _TRAPS:
        if re.search(words, text, re.IGNORECASE):
            return f"it may be {name}"
    if re.search(r"fine-?\s?tun|finetun", sentence.heading, re.IGNORECASE):
        return "it stands under a heading about fine-tuning"
    if not text.isascii() and re.search(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]", text):
        return "only statements in Latin script are read"
    if numbers > 1:
        return "the sentence has several numbers of tokens"
    if count.value < 10**9:
        return "too few for pretraining"
    if count.value > _MOST:
        return "more tokens than anyone has trained on"
    return ""


def choose(found: list[Candidate], *, model: str, commit: str | None) -> Pretraining:
    """The statement that the candidates come to; none where they contradict each other."""
    taken = [item for item in found if item.verdict == "taken"]
    values = {item.tokens for item in taken}
    if not values:
        return Pretraining(reason="the card does not state it")
    if len(values) > 1:
        listed = ", ".join(f"{value:,}" for value in sorted(values))
        return Pretraining(
            reason=f"the card gives several numbers ({listed}), not which is this model's"
        )
    hedged = [item for item in taken if item.qualifier != "exact"] or taken
    best = min(hedged, key=lambda item: item.line)
    evidence = Evidence(quote=best.quote, line=best.line, model=model, commit=commit)
    return Pretraining(
        tokens=best.tokens, qualifier=best.qualifier, basis="stated", evidence=(evidence,)
    )
