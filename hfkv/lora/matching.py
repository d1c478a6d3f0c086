"""Which modules a target matches, by PEFT's own rules (``check_target_module_exists``)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hfkv.errors import InputError

__all__ = ["leaf", "matches"]


def leaf(name: str) -> str:
    """The last part of a module's name.

    >>> leaf("model.layers.0.self_attn.q_proj")
    'q_proj'
    """
    return name.rpartition(".")[2]


def matches(targets: str | Iterable[str], name: str) -> bool:
    """A string is a regular expression for the whole name; a list holds names or endings of them.

    Raises:
        InputError: the expression is not valid.

    >>> matches(["q_proj"], "model.layers.0.self_attn.q_proj"), matches(r".*_proj", "a.q_proj")
    (True, True)
    """
    if isinstance(targets, str):
        try:
            return re.fullmatch(targets, name) is not None
        except re.error as error:
            raise InputError(f"not a regular expression: {error}", where="target_modules") from None
    return any(name == target or name.endswith(f".{target}") for target in targets)
