"""How a MODEL is named: a path, a Hub id, or a Hub id with one of its GGUF files."""

from __future__ import annotations

import os
import re

from hfkv.errors import NotFoundError
from hfkv.reading import printable

__all__ = ["check_id", "check_name", "is_id", "is_path", "split_rendering"]

#: No Hub id holds a colon; a Windows path has one after a single letter, before any slash.
_NAMED = re.compile(r"([A-Za-z0-9][\w.\-]*/[\w.\-]+):([A-Za-z0-9][\w.\-]*(?:/[\w.\-]+)*)", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9][\w.\-]*(?:/[\w.\-]+)?", re.ASCII)


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


def is_path(model: str) -> bool:
    """Whether a MODEL argument is meant as a path: it exists, or is written like one."""
    if split_rendering(model)[1] is not None:
        return False
    return (
        model.startswith(("./", "../", "/", "~", ".\\"))
        or model in (".", "..")
        or os.path.isabs(model)
        or model.endswith(".json")
        # "org/name.gguf" can be a repository as well, if there is no such file.
        or (model.lower().endswith(".gguf") and (os.path.isfile(model) or model.count("/") != 1))
        or os.path.isdir(model)
    )


def is_id(name: str) -> bool:
    """Whether a name has the form of a Hub id."""
    return _ID.fullmatch(name) is not None and ".." not in name and len(name) <= 200


def check_name(name: str) -> None:
    """Refuse a name that no file system takes, before anything is asked for by it.

    Raises:
        NotFoundError: it is empty, or holds a NUL or what cannot be encoded.
    """
    try:
        named = name != "" and b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        named = False
    if not named:
        raise NotFoundError(
            f"'{printable(name)}' is nothing that a file or a repository can be called",
            expected="an id such as meta-llama/Meta-Llama-3-70B, or a path",
        )


def check_id(model: str) -> None:
    """Refuse what cannot be a Hub id, with or without one of its GGUF files.

    Raises:
        NotFoundError: it is not one.
    """
    if not is_id(split_rendering(model)[0]):
        raise NotFoundError(
            f"'{printable(model)}' is neither a path that exists nor a Hub id",
            expected="an id such as meta-llama/Meta-Llama-3-70B",
        )
