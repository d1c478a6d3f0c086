"""Which of PEFT's methods an ``adapter_config.json`` is of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from hfkv.errors import UnsupportedError
from hfkv.reading import describe

__all__ = ["peft_type_of"]


def peft_type_of(fields: Mapping[str, Any], known: Collection[str], default: object = None) -> str:
    """The ``peft_type``, which PEFT's own configs have as an enumeration.

    Args:
        known: those that the caller counts.
        default: what a config without one is of.

    Raises:
        UnsupportedError: it is another one, or none.

    >>> peft_type_of({"peft_type": "LORA"}, ["LORA"])
    'LORA'
    """
    found = fields.get("peft_type", default)
    found = getattr(found, "value", found)
    if not isinstance(found, str) or found not in known:
        raise UnsupportedError(
            f"peft_type is {describe(found)}, whose parameters are not counted",
            where="adapter_config.json: peft_type",
            expected=("one of " if len(known) > 1 else "") + ", ".join(known),
        )
    return found
