"""A finding: what is wrong, where, under which code; and the comments that let one pass."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from hfkv.check.codes import selected
from hfkv.check.document import Document
from hfkv.check.markers import code_of, inside
from hfkv.check.text.places import KeyPath, Place
from hfkv.errors import HfkvError
from hfkv.reading import printable

__all__ = ["At", "Finding", "Waiver", "Waivers", "said", "waivers_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong, or a note: something that could not be judged, or is worth knowing.

    Attributes:
        path: the file, relative to the project's root, with ``/``.
        line: its line, counted from 1.
        column: its column, counted from 1; 0 where only the line is known.
        width: how many characters are meant.
        code: a key of :data:`hfkv.check.codes.CODES`.
        message: one sentence, safe to print.
        note: it does not fail a run unless that is strict.
        fixed: it was mended in the file (``--fix``).
        excerpt: the line as it stands in the file.
        pointer: the value that is meant, as a JSON pointer; "" where it is none.
    """

    path: str
    line: int
    column: int = 0
    width: int = 0
    code: str
    message: str
    note: bool = False
    fixed: bool = False
    excerpt: str = field(default="", compare=False, repr=False)
    pointer: str = field(default="", compare=False)

    def to_json(self) -> dict[str, Any]:
        """The value as JSON has it."""
        return {
            "file": self.path,
            "line": self.line,
            "column": self.column,
            "code": self.code,
            "message": self.message,
            "note": self.note,
            "fixed": self.fixed,
            "pointer": self.pointer,
        }


@dataclass(frozen=True, slots=True)
class At:
    """Makes the findings of one document."""

    document: Document

    def __call__(
        self, path: KeyPath, code: str, message: str, *, note: bool = False, line: int = 0
    ) -> Finding:
        """A finding at a value, or at a line."""
        document = self.document
        place = Place(line) if line else document.place(path)
        parts = [str(part).replace("~", "~0").replace("/", "~1") for part in path[1:]]
        return Finding(
            path=document.path,
            line=place.line,
            column=place.column,
            width=place.width,
            code=code,
            message=message,
            note=note,
            excerpt=document.line_text(place.line) if place.column else "",
            pointer="".join(f"/{part}" for part in parts),
        )


def said(error: HfkvError) -> str:
    """An error's words for a finding: without the place, which the finding itself has.

    >>> from hfkv.errors import TargetError
    >>> said(TargetError("q matches nothing", where="m", expected="q_proj", hint="did you"))
    'q matches nothing; expected q_proj (did you)'
    """
    text = error.what
    if error.expected:
        text += f"; expected {error.expected}"
    if error.hint:
        text += f" ({error.hint})"
    return printable(text, 1500)


_COMMENT = re.compile(
    r"(?:\#|//|<!--)[ \t]*hfkv:[ \t]*(?P<kind>ignore-file|ignore)\b"
    r"[ \t]*(?:\[(?P<codes>[\w \t,]*)\])?",
    re.IGNORECASE,
)


@dataclass(slots=True, kw_only=True)
class Waiver:
    """A comment that lets findings pass.

    Attributes:
        line: where it stands.
        codes: codes, or beginnings of codes.
        whole: it speaks for the file, and not for its line alone.
        used: it let something pass.
    """

    line: int
    codes: tuple[str, ...]
    whole: bool = False
    used: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Waivers:
    """Comments of a file that let findings pass.

    ``hfkv: ignore[HFKV102]`` in a comment speaks for its line, ``hfkv: ignore-file[...]`` for the
    file; without brackets for every code.

    >>> found = Finding(path="a.yaml", line=1, code="HFKV102", message="")
    >>> waivers_of("r: 8  # hfkv: ignore[HFKV102]").cover(found), waivers_of("r: 8").cover(found)
    (True, False)
    """

    waivers: tuple[Waiver, ...] = ()

    def cover(self, finding: Finding) -> bool:
        """Whether a finding of this file may pass."""
        covered = False
        for waiver in self.waivers:
            if (waiver.whole or waiver.line == finding.line) and selected(
                finding.code, waiver.codes
            ):
                waiver.used = covered = True
        return covered


def waivers_of(text: str, *, markdown: bool = False) -> Waivers:
    """The waivers of a file's text; in Markdown those in code are shown, not meant."""
    if "hfkv:" not in text:
        return Waivers()
    found: list[Waiver] = []
    code = code_of(text) if markdown else ()
    line, counted = 1, 0
    for comment in _COMMENT.finditer(text):
        start = comment.start()
        if inside(code, start):
            continue
        line += text.count("\n", counted, start)
        counted = start
        named = re.split(r"[\s,]+", comment["codes"] or "")
        codes = ("ALL",) if comment["codes"] is None else tuple(filter(None, named))
        whole = comment["kind"].lower() != "ignore"
        found.append(Waiver(line=line, codes=codes, whole=whole))
    return Waivers(waivers=tuple(found))
