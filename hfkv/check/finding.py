"""A finding: what is wrong, where, under which code; and the comments that let one pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hfkv.check.codes import selected
from hfkv.check.markers import code_of, inside
from hfkv.errors import HfkvError
from hfkv.reading import printable

__all__ = ["Finding", "Waivers", "said", "waivers_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong.

    Attributes:
        path: the file, relative to the project's root, with ``/``.
        line: its line, counted from 1.
        code: a key of :data:`hfkv.check.codes.CODES`.
        message: one sentence, safe to print.
        fixed: it was mended in the file (``--fix``).
    """

    path: str
    line: int
    code: str
    message: str
    fixed: bool = False

    def to_json(self) -> dict[str, Any]:
        """The value as JSON has it."""
        return {
            "file": self.path,
            "line": self.line,
            "code": self.code,
            "message": self.message,
            "fixed": self.fixed,
        }


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Waivers:
    """Comments of a file that let findings pass.

    ``hfkv: ignore[HFKV102]`` in a comment speaks for its line, ``hfkv: ignore-file[...]`` for the
    file; without brackets for every code.

    Attributes:
        lines: line to codes or beginnings of codes.
        file: those of the whole file.

    >>> found = Finding(path="a.yaml", line=1, code="HFKV102", message="")
    >>> waivers_of("r: 8  # hfkv: ignore[HFKV102]").cover(found), waivers_of("r: 8").cover(found)
    (True, False)
    """

    lines: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    file: tuple[str, ...] = ()

    def cover(self, finding: Finding) -> bool:
        """Whether a finding of this file may pass."""
        return selected(finding.code, (*self.file, *self.lines.get(finding.line, ())))


def waivers_of(text: str, *, markdown: bool = False) -> Waivers:
    """The waivers of a file's text; in Markdown those in code are shown, not meant."""
    lines: dict[int, tuple[str, ...]] = {}
    whole: tuple[str, ...] = ()
    if "hfkv:" not in text:
        return Waivers()
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
        if comment["kind"].lower() == "ignore":
            lines[line] = (*lines.get(line, ()), *codes)
        else:
            whole += codes
    return Waivers(lines=lines, file=whole)
