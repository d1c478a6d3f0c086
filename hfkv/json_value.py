"""Values as the documented JSON has them, where its keys are the names of the attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any

from hfkv.versions import tables

__all__ = ["SCHEMA_VERSION", "attributes", "json_number", "json_value", "versioned"]

#: Of the JSON of every command. It goes up when a field is removed or comes to mean something else;
#: a field more is no new version.
SCHEMA_VERSION = 1


def versioned(value: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of a command with the version of its schema before all else, and those of
    the libraries that figures are of, where it has no ``versions`` of its own.

    >>> list(versioned({"bytes": 1}))
    ['schema_version', 'versions', 'bytes']
    """
    return {"schema_version": SCHEMA_VERSION, "versions": dict(tables()), **value}


def attributes(item: object, names: str) -> dict[str, Any]:
    """Attributes under their own names, which stand in ``names`` apart by spaces.

    >>> attributes(Fraction(3, 2), "numerator denominator")
    {'numerator': 3, 'denominator': 2}
    """
    return {name: json_value(getattr(item, name)) for name in names.split()}


def json_value(value: Any) -> Any:
    """A value of our own types: a dataclass with all its fields, a tuple as a list."""
    if isinstance(value, Fraction):
        return json_number(value)
    if isinstance(value, tuple):
        return [json_value(item) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        return {field.name: json_value(getattr(value, field.name)) for field in fields(value)}
    return value


def json_number(value: Fraction | None) -> int | float | None:
    """A JSON number: an integer where the value is whole, else the nearest float."""
    if value is None:
        return None
    return int(value) if value.denominator == 1 else float(value)
