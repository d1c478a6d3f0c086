"""What is filled in when a trainer runs: Hydra's ``${..}``, Jinja's ``{{ .. }}``, ``$X``."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["HOLE", "fill_holes", "is_placeholder"]

#: Stands where a value is not known. A character of the private area: no file means it.
HOLE = "\ue000"
_MARKS = re.compile(
    rf"{HOLE}|\$\{{|\{{\{{|\{{%|\$\(|\$[A-Za-z_]|%\([a-z_]+\)s|<[^<>]*>|^\?\?\?$"
    r"|^\{[A-Za-z_]\w*\}$|^__\w+__$|^\[(?:YOUR|MODEL|PATH)[^\]]*\]$|\b(?:your|YOUR)[-_]"
)
_ALONE = re.compile(r"^[ \t]*(?:\{\{.*\}\}|\{%.*%\}|\{#.*#\})[ \t]*$", re.MULTILINE)
_INLINE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}")


def is_placeholder(value: object) -> bool:
    """Whether a value is filled in later.

    >>> is_placeholder("${lora.r}"), is_placeholder("q_proj"), is_placeholder(r".*\\.(q|v)$")
    (True, False, False)
    """
    if isinstance(value, str):
        return _MARKS.search(value) is not None
    if isinstance(value, Mapping):
        # `r: {{ rank }}` is a mapping with a mapping for its key, if YAML reads it.
        return any(key == "?" for key in value)
    return False


def fill_holes(text: str, *, quote: bool = False) -> str:
    """A template as a text that can be parsed: its tags as placeholders, each as long as it was,
    so that lines and columns stay; tags that have a line to themselves are left out.

    Args:
        text: the template.
        quote: a tag outside of a string becomes one, as JSON needs it.
    """

    def hole(match: re.Match[str]) -> str:
        length = match.end() - match.start()
        before = text[max(0, match.start() - 200) : match.start()].rpartition("\n")[2]
        if quote and before.count('"') % 2 == 0:
            return '"' + HOLE * (length - 2) + '"'
        return HOLE * length

    def blank(match: re.Match[str]) -> str:
        return " " * len(match.group())

    if quote:
        return _INLINE.sub(hole, text)
    return _INLINE.sub(hole, _ALONE.sub(blank, text))
