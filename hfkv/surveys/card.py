"""The card of a survey as a data set of the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hfkv.surveys.columns import COLUMNS

__all__ = ["card"]

_KINDS = {
    "text": "string",
    "whole": "int64",
    "number": "float64",
    "flag": "bool",
    "texts": "list of string",
}


def card(manifest: Mapping[str, Any], encoding: str) -> str:
    """Its ``README.md``: how it is loaded, what was asked, what each column means."""
    asked = ", ".join(
        f"{name} {' '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in manifest["question"].items()
    )
    lines = [
        "---",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        f"    path: data/*.{encoding}",
        "tags:",
        "- hfkv",
        "---",
        "# Bytes per token of models",
        "",
        f"{manifest['models']:,} models, {manifest['rows']:,} rows, by hfkv {manifest['hfkv']}.",
        f"Asked of each: {asked}. Every figure has its basis beside it; a model that could not be",
        "read, or refused a figure, is a row that says why.",
        "",
        "| column | type | meaning |",
        "|---|---|---|",
        *(f"| `{item.name}` | {_KINDS[item.kind]} | {item.meaning} |" for item in COLUMNS),
    ]
    return "\n".join(lines) + "\n"
