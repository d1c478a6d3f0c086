"""Findings for people, programs, GitHub and code scanning (SARIF 2.1.0)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from hfkv import __version__
from hfkv.check.codes import CODES
from hfkv.check.finding import Finding
from hfkv.reading import printable

__all__ = ["FORMATS", "github", "human", "sarif", "summary"]

FORMATS = ("human", "json", "github", "sarif")
_HOME = "https://github.com/hfkv/hfkv"


def human(findings: Sequence[Finding]) -> str:
    """``file:line: code message``, a line each."""
    return "\n".join(
        f"{printable(item.path, 1000)}:{item.line}: {item.code} {item.message}"
        + (" (fixed)" if item.fixed else "")
        for item in findings
    )


def summary(findings: Sequence[Finding], files: int) -> str:
    """One line that says how it went.

    >>> summary([], 1)
    'no findings in 1 file'
    """
    where = f"{files:,} file" + ("" if files == 1 else "s")
    if not findings:
        return f"no findings in {where}"
    count = f"{len(findings):,} finding" + ("" if len(findings) == 1 else "s")
    fixed = sum(item.fixed for item in findings)
    return f"{count} in {where}" + (f", {fixed:,} fixed" if fixed else "")


def github(findings: Sequence[Finding]) -> str:
    """Workflow commands, which GitHub shows beside the lines."""
    return "\n".join(
        f"::error file={_property(printable(item.path, 1000))},line={item.line},title={item.code}::"
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
                        "level": "error",
                        "message": {"text": item.message},
                        "locations": [
                            {
                                "physicalLocation": {
                                    "artifactLocation": {
                                        "uri": quote(os.fsencode(item.path)),
                                        "uriBaseId": "%SRCROOT%",
                                    },
                                    "region": {"startLine": item.line},
                                }
                            }
                        ],
                    }
                    for item in findings
                ],
            }
        ],
    }
