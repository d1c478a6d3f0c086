"""The name of one rendering: ``ORG/NAME:Q4_K_M``, a repository and which of its GGUF files."""

from __future__ import annotations

import os
import re

__all__ = ["split_rendering"]

#: No Hub id holds a colon; a Windows path has one after a single letter, before any slash.
_NAMED = re.compile(r"([A-Za-z0-9][\w.\-]*/[\w.\-]+):([A-Za-z0-9][\w.\-]*(?:/[\w.\-]+)*)", re.ASCII)


def split_rendering(model: str) -> tuple[str, str | None]:
    """The Hub id, and the quantization or GGUF file that is named after it, if any.

    >>> split_rendering("unsloth/Qwen3-8B-GGUF:Q4_K_M")
    ('unsloth/Qwen3-8B-GGUF', 'Q4_K_M')
    >>> split_rendering("Qwen/Qwen3-8B")
    ('Qwen/Qwen3-8B', None)
    """
    found = _NAMED.fullmatch(model)
    if found is None or ".." in model or os.path.exists(model):
        return model, None
    return found[1], found[2]
