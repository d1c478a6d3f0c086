"""Claims in documents: a marker says what a figure is, and what stands after it must be that.

<!-- hfkv: kv meta-llama/Meta-Llama-3-70B --tokens 100k -->32.77 GB<!-- /hfkv -->
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hfkv.check.document import Document
from hfkv.check.finding import At, Finding, said
from hfkv.check.markers import code_of, inside, markers
from hfkv.check.models import Models, Unavailable, renamed
from hfkv.check.question import Answer, Question, parse_question
from hfkv.check.text.places import Lines
from hfkv.check.written import right_text, text_like
from hfkv.errors import HfkvError, InputError, TargetError
from hfkv.reading import printable

__all__ = ["MARKDOWN", "Claim", "check_claims", "find_claims", "unmarked"]

#: Endings of documents in which code is written as Markdown writes it.
MARKDOWN = frozenset(".md .markdown .mdx .qmd .rmd".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim.

    Attributes:
        line: the line of its marker.
        question: what the marker asks, as it is written.
        start, end: where the claimed text is.
        text: the claimed text.
        fault: why it is none; "" where it is one.
    """

    line: int
    question: str
    start: int = -1
    end: int = -1
    text: str = ""
    fault: str = ""


def find_claims(text: str, *, markdown: bool = True) -> Iterator[Claim]:
    """The claims of a document, outside of code.

    >>> [claim.text for claim in find_claims("<!-- hfkv: kv M -->1 GB<!-- /hfkv -->")]
    ['1 GB']
    """
    opened = None
    for marker in markers(text, markdown=markdown):
        if opened is not None and marker.text is not None:
            yield Claim(
                line=opened.line,
                question=opened.text or "",
                fault="the marker is not closed by <!-- /hfkv --> before the next one begins",
            )
        if not marker.ended:
            yield Claim(
                line=marker.line, question=marker.text or "", fault="the comment has no end -->"
            )
            opened = None
        elif marker.text is not None:
            opened = marker
        elif opened is None:
            yield Claim(
                line=marker.line, question="", fault="<!-- /hfkv --> closes nothing that is open"
            )
        else:
            yield Claim(
                line=opened.line,
                question=opened.text or "",
                start=opened.end,
                end=marker.start,
                text=text[opened.end : marker.start],
            )
            opened = None
    if opened is not None:
        yield Claim(
            line=opened.line,
            question=opened.text or "",
            fault="the marker is not closed by <!-- /hfkv -->",
        )


def check_claims(document: Document, models: Models) -> Iterator[tuple[Finding, Claim, str | None]]:
    """Findings, each with its claim and, where it can be mended, the right text."""
    make = At(document)
    for claim in find_claims(document.text, markdown=document.suffix in MARKDOWN):

        def at(code: str, message: str, claim: Claim = claim) -> Finding:
            return make((), code, message, line=claim.line)

        if claim.fault:
            yield at("HFKV302", claim.fault), claim, None
            continue
        try:
            question = parse_question(claim.question)
        except InputError as error:
            yield at("HFKV302", f"'{printable(claim.question, 80)}': {said(error)}"), claim, None
            continue
        try:
            model = models.get(question.model, question.revision, near=document.file.parent)
            answer = question.answer(model)
        except Unavailable as reason:
            if reason.code:
                yield at(reason.code, reason.message), claim, None
            continue
        except HfkvError as error:
            misused = isinstance(error, InputError) and not isinstance(error, TargetError)
            code = "HFKV302" if misused else "HFKV303"
            yield at(code, f"{printable(claim.question, 80)}: {said(error)}"), claim, None
            continue
        now = renamed(model)
        if now:
            yield at("HFKV007", f"{printable(question.model)} is {printable(now)} now"), claim, None
        right = right_text(claim.text, answer)
        if right == claim.text:
            continue
        shown = printable(claim.text.strip(), 60) or "nothing"
        message = f"says {shown}, and {_shown(question, answer, claim.text)}"
        if right is None:
            message += (
                "; this cannot be mended here: leave one number and its unit between the markers"
            )
        found = at("HFKV301", message)
        place = Lines(document.text).at(claim.start, max(claim.end, claim.start + 1))
        if place.line == claim.line:
            found = replace(
                found,
                column=place.column,
                width=place.width,
                excerpt=document.line_text(place.line),
            )
        yield found, claim, right


def _shown(question: Question, answer: Answer, written: str) -> str:
    """The right figure, in the unit of the claim, and exactly."""
    value = answer.value
    exact = f"{int(value):,}" if not isinstance(value, str) and value.denominator == 1 else ""
    text = printable(text_like(written, answer), 60)
    unit = " B" if answer.unit == "bytes" else ""
    figure = f"{text} ({exact}{unit})" if exact and f"{exact}{unit}" != text else text
    return f"`hfkv {question.command}` computes {figure}"


#: A sentence that says how large a KV cache is, without a marker.
_PLAIN = re.compile(
    r"[0-9][0-9.,]*[ \u00a0]?[kKMGT]i?B\b[^\n]{0,40}\bKV[ -]cache\b"
    r"|\bKV[ -]cache\b[^\n]{0,60}?[0-9][0-9.,]*[ \u00a0]?[kKMGT]i?B\b"
)
_NAME = re.compile(r"\b[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*\b")


def unmarked(document: Document) -> Iterator[Finding]:
    """Notes: lines that name a model and say how large its KV cache is, which nothing checks."""
    text = document.text
    code = None
    at = At(document)
    for found in _PLAIN.finditer(text):
        start = text.rfind("\n", 0, found.start()) + 1
        end = text.find("\n", found.end())
        line = text[start : end if end >= 0 else len(text)]
        if "hfkv" in line or line.startswith(("    ", "\t")) or _NAME.search(line) is None:
            continue
        if code is None:
            code = code_of(text) if document.suffix in MARKDOWN else ()
        if inside(code, found.start()):
            continue
        name = next(
            (item for item in _NAME.findall(line) if not item.startswith(("http", "www"))), ""
        )
        if not name or name.endswith((".md", ".json", ".py", ".com")):
            continue
        number = text.count("\n", 0, found.start()) + 1
        yield at(
            (),
            "HFKV304",
            f"nothing checks this figure of {printable(name, 80)}: put it between "
            f"<!-- hfkv: kv {printable(name, 80)} --tokens N --> and <!-- /hfkv -->",
            note=True,
            line=number,
        )
