"""Options of engines held against the types that their fields are annotated with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from typing import Any

from hfkv.errors import InputError, InputTypeError
from hfkv.reading import describe

__all__ = ["check_engine", "check_types", "is_of", "wanted"]

#: What the types of options are called, to what a value must be.
_KINDS: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
}


def wanted(annotation: str) -> list[str]:
    """The types that an annotation such as ``int | None`` names, but for None.

    >>> wanted("int | None")
    ['int']
    """
    parts = [part.strip() for part in annotation.split("|")]
    return [part for part in parts if part != "None"]


def is_of(value: object, annotation: str) -> bool:
    """Whether a value is of one of those types; true and false are no numbers.

    >>> is_of(1, "float | None"), is_of(True, "int"), is_of(None, "int")
    (True, False, False)
    """
    return any(
        isinstance(value, _KINDS.get(part, ())) and isinstance(value, bool) == (part == "bool")
        for part in wanted(annotation)
    )


def check_types(engine: Any) -> None:
    """Refuse an engine with an option of another type than its field has.

    Raises:
        InputTypeError: there is one.
        InputError: a number is infinite, or none.
    """
    for item in fields(engine):
        value, annotation = getattr(engine, item.name), str(item.type)
        if not (is_of(value, annotation) or (value is None and "None" in annotation)):
            raise InputTypeError(
                f"found {describe(value)}",
                where=f"{type(engine).__name__}: {item.name}",
                expected=annotation.replace(" | ", " or "),
            )
        if isinstance(value, float) and not isfinite(value):
            raise InputError(
                f"found {value}",
                where=f"{type(engine).__name__}: {item.name}",
                expected="a finite number",
            )


def check_engine(engine: object) -> None:
    """Refuse what is no engine: its name, or its class.

    Raises:
        InputTypeError: it is one of those.
    """
    if isinstance(engine, type) or not callable(getattr(engine, "allocate", None)):
        found = f"the class {engine.__name__}" if isinstance(engine, type) else describe(engine)
        raise InputTypeError(
            f"found {found}",
            where="`engine`",
            expected="an engine with its options, such as hfkv.Vllm(tp=2)",
        )
