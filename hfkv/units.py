"""Numbers as people type and read them: token counts and byte sizes.

``k``, ``M``, ``G``/``B``, ``T`` are powers of 1000 and ``Ki``, ``Mi``, ``Gi``, ``Ti`` powers of
1024, never mixed. What is parsed is exact: ``1.5k`` is 1500, and ``1.2345k`` is refused because
there is no such number of tokens.
"""

from __future__ import annotations

import re
from fractions import Fraction

from hfkv.errors import InputError

__all__ = ["Size", "format_bytes", "format_count", "parse_bytes", "parse_count"]

_SCALES = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "b": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}
# ASCII digits only: other scripts' digits would pass \d and be misread by eye.
_NUMBER = re.compile(r"([0-9][0-9_,]*(?:\.[0-9]+)?)\s*([A-Za-z]*)")
# No model, device or budget is beyond this; it keeps arithmetic and columns bounded.
_LARGEST = 10**18


def _parse(text: str, unit: str, kind: str, example: str) -> int:
    match = _NUMBER.fullmatch(text.strip()) if len(text) <= 64 else None
    suffix = match.group(2).lower() if match else ""
    if unit and suffix.endswith(unit):
        suffix = suffix[: -len(unit)]
    if match is None or suffix not in _SCALES or (unit and suffix == "b"):
        raise InputError(f"cannot read {text[:64]!r} as {kind}", expected=example)
    value = Fraction(match.group(1).replace(",", "").replace("_", "")) * _SCALES[suffix]
    if value.denominator != 1:
        raise InputError(f"{text!r} is not a whole {kind}", expected=example)
    if value > _LARGEST:
        raise InputError(f"{text!r} is too large for {kind}", expected=f"at most {_LARGEST}")
    return int(value)


def parse_count(text: str) -> int:
    """A number of tokens: ``100000``, ``100k``, ``1M``, ``128Ki``, ``1.5k``.

    Raises:
        InputError: it is not a whole number of tokens.

    >>> parse_count("100k"), parse_count("128Ki"), parse_count("1_000")
    (100000, 131072, 1000)
    """
    return _parse(text, "", "number of tokens", "a number such as 100000, 100k, 1M or 128Ki")


class Size(int):
    """A number of bytes that knows how it was written: ``24 GiB``, or "" where it had no unit."""

    written: str = ""


def parse_bytes(text: str) -> Size:
    """A size in bytes: ``24GiB``, ``80GB``, ``512 MB``, ``1000``.

    It is shown in the unit that it was given in, as that is usually spelled.

    Raises:
        InputError: it is not a size, or not a whole number of bytes.

    >>> parse_bytes("24GiB"), parse_bytes("80GB"), parse_bytes("1000")
    (25769803776, 80000000000, 1000)
    >>> format_bytes(parse_bytes("24gib")), format_bytes(parse_bytes("80 G"))
    ('24 GiB', '80 GB')
    """
    size = Size(
        _parse(text, "b", "size in bytes", "a size such as 24GiB, 80GB or a number of bytes")
    )
    match = _NUMBER.fullmatch(text.strip())
    scale = match.group(2).lower().removesuffix("b") if match else ""
    if match and scale:
        size.written = f"{match.group(1)} {scale if scale == 'k' else scale.capitalize()}B"
    return size


def format_bytes(size: int | Fraction) -> str:
    """A size for reading, in powers of 1000, four significant digits; one that was given with a
    unit in that unit.

    >>> format_bytes(327_680), format_bytes(32_768_000_000), format_bytes(Fraction(94, 10_000))
    ('327.7 kB', '32.77 GB', '0.0094 B')
    """
    if isinstance(size, Size) and size.written:
        return size.written
    return _scaled(size, (("TB", 12), ("GB", 9), ("MB", 6), ("kB", 3)), " B")


def format_count(count: int | Fraction) -> str:
    """A count for reading, in powers of 1000, four significant digits.

    >>> format_count(70_553_706_496), format_count(2_528)
    ('70.55B', '2,528')
    """
    if isinstance(count, int) and abs(count) < 100_000:
        return f"{count:,}"
    return _scaled(count, (("T", 12), ("B", 9), ("M", 6), ("k", 3)), "").replace(" ", "")


def _scaled(value: int | Fraction, steps: tuple[tuple[str, int], ...], plain: str) -> str:
    for suffix, power in steps:
        if abs(value) >= 10**power:
            return f"{_significant(Fraction(value) / 10**power)} {suffix}"
    if isinstance(value, int) or value.denominator == 1:
        return f"{int(value)}{plain}"
    return f"{_significant(Fraction(value))}{plain}"


def _significant(value: Fraction) -> str:
    """Four significant digits for numbers of 1 and more, two below."""
    size = abs(value)
    if size >= 1000:
        return f"{float(value):,.0f}"
    if size >= 100:
        return f"{float(value):.1f}"
    if size >= 1:
        return f"{float(value):.2f}"
    return f"{float(value):.2g}"
