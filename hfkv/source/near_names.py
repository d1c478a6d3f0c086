"""Models that this machine knows, by a name much like the one that was typed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

__all__ = ["known_models", "near_name"]

_NUMBER = re.compile(r"[0-9]+")
#: How alike two names are, of 1.
_ALIKE = 0.85


def near_name(model: str, known: Iterable[str]) -> str | None:
    """The known model that was probably meant; None where none is, or it is known itself.

    Another number is another model, so numbers must be the same.

    >>> near_name("Qwen/Qwen3-8b-", ["Qwen/Qwen3-8B", "Qwen/Qwen3-4B"])
    'Qwen/Qwen3-8B'
    """
    import difflib

    like = {name.lower(): name for name in known}
    wanted = model.lower()
    if wanted in like:
        return None
    number = _NUMBER.findall(wanted)
    same = sorted(name for name in like if _NUMBER.findall(name) == number)
    found = difflib.get_close_matches(wanted, same, 1, _ALIKE)
    if not found and "/" not in wanted:
        # Typed without its organization.
        found = [name for name in same if name.partition("/")[2] == wanted][:1]
    return like[found[0]] if found else None


def known_models() -> set[str]:
    """Hub ids of which this machine has something: snapshots, the store, the local cache."""
    from huggingface_hub import constants

    from hfkv.source.snapshot import snapshot_names
    from hfkv.source.store import Store

    found = set(snapshot_names())
    for folder in (str(constants.HF_HUB_CACHE), str(Store().folder)):
        try:
            names = os.listdir(folder)
        except OSError:  # there is none
            continue
        found |= {
            name.removeprefix("models--").partition("%3A")[0].replace("--", "/", 1)
            for name in names
            if name.startswith("models--")
        }
    return found
