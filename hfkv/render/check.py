"""Findings for people, programs, GitHub and code scanning (SARIF 2.1.0)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from hfkv import __version__
from hfkv.check.codes import CODES, EXPLAINED
from hfkv.check.finding import Finding
from hfkv.check.run import Seen
from hfkv.reading import printable

__all__ = [
    "FORMATS",
    "diff",
    "explain",
    "github",
    "human",
    "listing",
    "sarif",
    "step_summary",
    "summary",
]

FORMATS = ("human", "json", "github", "sarif")
#: How much of a long line is shown, and how much of it before the place.
_WIDTH, _BEFORE = 100, 60
_MOST_ROWS = 200
_HOME = "https://github.com/hfkv/hfkv"


def human(findings: Sequence[Finding]) -> str:
    """``file:line:column: code message``, and under it the line with a caret."""
    return "\n".join(part for item in findings for part in _human(item))


def _human(item: Finding) -> Iterator[str]:
    column = f"{item.column}:" if item.column else ""
    note = "note: " if item.note else ""
    yield (
        f"{printable(item.path, 1000)}:{item.line}:{column} {item.code} {note}{item.message}"
        + (" (fixed)" if item.fixed else "")
    )
    if not item.excerpt or not item.column:
        return
    # A long line is shown around the place that is meant.
    start = max(0, item.column - 1 - _BEFORE)
    shown = item.excerpt[start : start + _WIDTH].replace("\t", " ")
    place = item.column - 1 - start
    # What is escaped is wider than it was: the caret goes under what is shown.
    before, meant, after = (
        printable(part, _WIDTH * 10)
        for part in (shown[:place], shown[place : place + item.width], shown[place + item.width :])
    )
    number = str(item.line)
    yield f"{number} | {before}{meant}{after}".rstrip()
    yield f"{' ' * len(number)} | {' ' * len(before)}{'^' * max(1, len(meant))}"


def summary(
    findings: Sequence[Finding], files: int, seen: Sequence[Seen] = (), passed: int = 0
) -> str:
    """One line that says how it went, and what was read.

    >>> summary([], 1)
    'no findings in 1 file'
    """
    notes = sum(item.note for item in findings)
    fixed = sum(item.fixed for item in findings)
    text = f"{_some(len(findings) - notes, 'finding')} in {_some(files, 'file')}"
    text += f", {fixed:,} fixed" if fixed else ""
    read = []
    configs = [item for item in seen if item.kind and item.kind != "claims"]
    if configs:
        read.append(f"{_some(len(configs), 'config')} checked")
        free = sum(not item.base and item.kind != "config.json" for item in configs)
        if free:
            read.append(f"{free:,} of them without a base model to check against")
    claims = sum(item.kind == "claims" for item in seen)
    if claims:
        read.append(f"{_some(claims, 'document')} with claims")
    if notes:
        read.append(_some(notes, "note"))
    unknown = sum(not item.kind for item in seen)
    if unknown:
        read.append(f"{_some(unknown, 'file')} with LoRA keys not recognised")
    if passed:
        read.append(f"{passed:,} let pass by the baseline")
    return text + (f": {', '.join(read)}" if read else "")


def _some(count: int, what: str) -> str:
    number = f"{count:,}" if count else "no"
    return f"{number} {what}" + ("" if count == 1 else "s")


def listing(seen: Sequence[Seen]) -> str:
    """``file: kind, base``, a line each."""
    return "\n".join(
        f"{printable(item.path, 1000)}: {item.kind or 'LoRA keys not recognised'}"
        + (f", {printable(item.base)}" if item.base else "")
        for item in sorted(seen, key=lambda item: (item.path, item.kind, item.base))
    )


def diff(changes: Sequence[tuple[str, str, str]]) -> str:
    """What mending would change, as ``diff -u`` shows it."""
    import difflib

    lines: list[str] = []
    for path, before, after in changes:
        name = printable(path, 1000)
        found = difflib.unified_diff(
            before.split("\n"), after.split("\n"), f"a/{name}", f"b/{name}", lineterm=""
        )
        lines += [line[:1] + printable(line[1:].replace("\t", "    "), 4000) for line in found]
    return "\n".join(lines)


def explain(code: str) -> str:
    """What a code means, and what to do about it."""
    return f"{code}: {CODES[code]}\n\n{EXPLAINED[code]}"


def step_summary(findings: Sequence[Finding], line: str) -> str:
    """A table in Markdown, for the page of a run on GitHub."""
    rows = [f"### hfkv check\n\n{line}\n"]
    if findings:
        rows += ["| place | code | what |", "|---|---|---|"]
        for item in findings[:_MOST_ROWS]:
            cells = (f"{printable(item.path, 300)}:{item.line}", item.code, item.message)
            rows.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
        if len(findings) > _MOST_ROWS:
            rows.append(f"\n{len(findings) - _MOST_ROWS:,} more are in the log.")
    return "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
    return text.replace("`", "&#96;").replace("[", "&#91;")


def github(findings: Sequence[Finding]) -> str:
    """Workflow commands, which GitHub shows beside the lines."""
    return "\n".join(
        f"::{'notice' if item.note else 'error'} file={_property(printable(item.path, 1000))}"
        f",line={item.line}"
        + (f",col={item.column}" if item.column else "")
        + f",title={item.code}::"
        + _data(f"{item.code} {item.message}")
        for item in findings
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def sarif(findings: Sequence[Finding]) -> dict[str, Any]:
    """A SARIF 2.1.0 log, as code scanning takes it."""
    from urllib.parse import quote

    rules = list(CODES)
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "hfkv",
                        "semanticVersion": __version__,
                        "informationUri": _HOME,
                        "rules": [
                            {
                                "id": code,
                                "shortDescription": {"text": text},
                                "fullDescription": {"text": EXPLAINED[code]},
                                "helpUri": f"{_HOME}/blob/main/.github/CHECK.md#codes",
                            }
                            for code, text in CODES.items()
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [
                    {
                        "ruleId": item.code,
                        "ruleIndex": rules.index(item.code),
                        "level": "note" if item.note else "error",
                        "message": {"text": item.message},
                        "locations": [
                            {
                                "physicalLocation": {
                                    "artifactLocation": {
                                        "uri": quote(os.fsencode(item.path)),
                                        "uriBaseId": "%SRCROOT%",
                                    },
                                    "region": _region(item),
                                }
                            }
                        ],
                    }
                    for item in findings
                ],
            }
        ],
    }


def _region(item: Finding) -> dict[str, int]:
    region = {"startLine": item.line}
    if item.column:
        region["startColumn"] = item.column
        region["endColumn"] = item.column + max(1, item.width)
    return region
