"""Typed reads of untrusted JSON, and the escaping of untrusted text.

Everything a repository says is untrusted: a value may be of any type, a text may hold control
characters. Readers here either give the type that was asked for or raise with the exact place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hfkv.errors import ConfigError, InputError, InputTypeError

__all__ = ["describe", "parse_json_object", "printable", "refuse_deep", "text_of", "whole_number"]

#: Categories of characters that are no part of what is read: controls, formats, surrogates, private
#: and unassigned ones, line and paragraph separators.
_STEERING = frozenset(["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"])
#: Deeper nesting than any real config or index; beyond it the parser's own recursion is at risk.
_DEEPEST = 64


def printable(text: str, limit: int = 200) -> str:
    """``text`` on one line with nothing in it that could steer a terminal, cut to ``limit``.

    Control characters, bidirectional marks, other format characters and those that this Python's
    Unicode does not know yet are written as escapes.

    >>> printable("a\\x1b[31mb\\u202ec")
    'a\\\\x1b[31mb\\\\u202ec'
    """
    shown = text[: limit + 1]
    if not shown.isprintable():
        from unicodedata import category

        shown = "".join(
            char.encode("unicode_escape").decode("ascii") if category(char) in _STEERING else char
            for char in shown
        )
    return shown if len(text) <= limit else shown[:limit] + "..."


def describe(value: object) -> str:
    """A short, safe description of an untrusted value, for error messages.

    >>> describe(None), describe("x" * 100)[:12], describe([1, 2])
    ('null', "'xxxxxxxxxxx", 'a list of 2')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return f"an object with {len(value)} keys"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        return f"'{printable(value, 60)}'"
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    return printable(repr(value), 60)


def whole_number(
    value: object,
    where: str,
    *,
    least: int = 1,
    most: int = 10**18,
    noun: str = "a whole number",
) -> int:
    """An argument that is a whole number from ``least`` to ``most``; the error tells the bound that
    is broken.

    Raises:
        InputTypeError: it is none; true and false are none either.
        InputError: it is out of bounds.

    >>> whole_number(7, "`r`", most=5)
    Traceback (most recent call last):
        ...
    hfkv.errors.InputError: `r`: found 7; expected a whole number of at most 5
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputTypeError(
            f"found {describe(value)}", where=where, expected=f"{noun} of at least {least:,}"
        )
    if not least <= value <= most:
        bound = f"at least {least:,}" if value < least else f"at most {most:,}"
        raise InputError(f"found {describe(value)}", where=where, expected=f"{noun} of {bound}")
    return value


def text_of(value: object, where: str, expected: str) -> str:
    """An argument that is a text.

    Raises:
        InputTypeError: it is none.
    """
    if not isinstance(value, str):
        raise InputTypeError(f"found {describe(value)}", where=where, expected=expected)
    return value


def parse_json_object(raw: bytes | str, *, where: str) -> dict[str, Any]:
    """The JSON object in ``raw``. ``Infinity`` and ``NaN``, which Python writes, are let through
    here and refused by the reads of the keys that hold them.

    Raises:
        ConfigError: not UTF-8, not JSON, not an object, or nested deeper than any real file.
    """
    import json

    try:
        text = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw
        value = json.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8 text", where=f"{where}: byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"not valid JSON: {error.msg}",
            where=f"{where}: line {error.lineno} column {error.colno}",
            expected="a JSON object",
        ) from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(
            "JSON that cannot be read: "
            + ("nested too deeply" if isinstance(error, RecursionError) else printable(str(error))),
            where=where,
            expected="a JSON object",
        ) from None
    if not isinstance(value, dict):
        raise ConfigError(f"found {describe(value)}", where=where, expected="a JSON object")
    refuse_deep(value, where)
    return value


def refuse_deep(value: object, where: str) -> None:
    """Refuse what is nested deeper than any real file.

    Raises:
        ConfigError: it is.
    """
    level: list[object] = [value]
    for _ in range(_DEEPEST):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)  # type: ignore[attr-defined]
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise ConfigError(f"nested more than {_DEEPEST} levels deep", where=where)
