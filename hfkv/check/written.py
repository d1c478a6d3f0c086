"""A figure as a person wrote it in a document: ``32.77 GB``, ``327,680 bytes``, ``39.6x``, ``15T``.

What is written is right if it is the exact figure rounded to the digits that are written, in the
unit that is written. Kilo is 1000 and kibi 1024, also in ``KB`` and ``KiB``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from hfkv.check.question import Answer

__all__ = ["default_text", "read_written", "right_text", "text_like"]

_POWERS = {
    "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15,
    "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40, "pi": 2**50,
}  # fmt: skip
_WORDS = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PREFIXES = {
    "kilo": "k", "mega": "m", "giga": "g", "tera": "t", "peta": "p",
    "kibi": "ki", "mebi": "mi", "gibi": "gi", "tebi": "ti", "pebi": "pi",
}  # fmt: skip
#: Spaces that may part groups of digits, and a number from its unit.
_SPACES = " \u00a0\u2002-\u200a\u202f\u205f"
_NUMBER = re.compile(
    rf"(?P<whole>[0-9]{{1,3}}(?P<gap>[,_'\u2019{_SPACES}])[0-9]{{3}}(?:(?P=gap)[0-9]{{3}})*"
    r"(?![0-9])|[0-9]{1,3}(?:\.[0-9]{3}){2,}(?![0-9])|[0-9]+)"
    r"(?:(?P<point>[.,])(?P<decimals>[0-9]+))?"
)
#: What may stand between a number and its unit: spaces, and the marks of Markdown, HTML and LaTeX.
_BETWEEN = re.compile(
    rf"(?:[{_SPACES}\n\t*_`~$|[(-]|&(?:nbsp|thinsp|ensp|emsp|\#[0-9]+|\#x[0-9a-fA-F]+);"
    r"|</?[a-zA-Z]+(?: [^<>]*)?>|\\[ ,;:!]|\\(?:text|mathrm|mathbf|textbf|rm)\b|[{}])*"
)
_UNIT = re.compile(r"%|\u00d7|[A-Za-z]+|[\u0400-\u04ff]+")
#: Units as they are written in Cyrillic.
_CYRILLIC = {
    "\u043a\u0431": "kb", "\u043c\u0431": "mb", "\u0433\u0431": "gb", "\u0442\u0431": "tb",
    "\u043a\u0438\u0431": "kib", "\u043c\u0438\u0431": "mib", "\u0433\u0438\u0431": "gib",
    "\u0431\u0430\u0439\u0442": "bytes",
}  # fmt: skip
#: Longer than any figure with its words.
_LONGEST = 400
#: A figure that would lose more than this by the digits that are written gets more of them.
_COARSEST = Fraction(1, 100)
#: A bare number counts single bytes where it is within this factor of the right one.
_NEAR = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A figure in a document: a number whose unit was understood.

    Attributes:
        start, end: where the number is in the text.
        value: the number times its unit, as written.
        scale: what one of its unit is.
        decimals: digits after the point.
        separator: between groups of three digits, or "".
        point: the decimal point or comma.
        unit: the unit as it is written, or "".
    """

    start: int
    end: int
    value: Fraction
    scale: Fraction
    decimals: int
    separator: str
    point: str
    unit: str

    def holds(self, answer: Answer) -> bool:
        """Whether it is the figure, rounded to its own digits."""
        if not isinstance(answer.value, Fraction):
            return False
        found, shown = self.value / self.scale, _rounded(answer.value / self.scale, self.decimals)
        return found == shown and (found != 0 or answer.value == 0)

    def right(self, answer: Answer) -> str:
        """The right number in this unit and style, with as many digits as it takes."""
        value = answer.value
        assert isinstance(value, Fraction)
        decimals = self.decimals
        shown = _rounded(value / self.scale, decimals)
        while value and abs(shown * self.scale - value) > abs(value) * _COARSEST and decimals < 400:
            decimals += 1
            shown = _rounded(value / self.scale, decimals)
        text = _digits(shown, decimals, self.separator)
        return text if self.point == "." else text.replace(".", self.point)


def right_text(text: str, answer: Answer) -> str | None:
    """The text that ought to stand there: the same where it holds, else with the right number in
    its place; None where number and unit are not understood together, so that nothing is mended.

    >>> size = Answer(value=Fraction(32_768_000_000), unit="bytes")
    >>> right_text("**33** GB", size), right_text("30.1 GB of it", size), right_text("", size)
    ('**33** GB', '32.8 GB of it', '32.77 GB')
    >>> right_text("39x", size) is None
    True
    """
    if isinstance(answer.value, str):
        bare = text.strip(" \t\r\n*_`")
        if bare == answer.value:
            return text
        return text.replace(bare, answer.value, 1) if bare else answer.value
    if len(text) <= _LONGEST and not any(char.isdigit() for char in text):
        # Words alone ("to be measured") give way to the figure.
        return default_text(answer)
    readings = read_written(text, answer)
    if not readings:
        return None
    if any(written.holds(answer) for written in readings):
        return text
    written = readings[0]
    if len(readings) > 1:
        return None  # 14,750 is two numbers, and which was meant the figure does not say
    return text[: written.start] + written.right(answer) + text[written.end :]


def read_written(text: str, answer: Answer) -> list[Written]:
    """The figure that a text holds, in each way it can be read; empty where there is none, or
    several numbers, or a unit that is not one of this kind of figure."""
    if len(text) > _LONGEST:
        return []
    match = _NUMBER.search(text)
    if match is None or any(char.isdigit() for char in _TAGS.sub("", text[match.end() :])):
        return []
    if match.start() and (text[match.start() - 1].isalnum() or text[match.start() - 1] in "-.,"):
        return []  # part of a name (H100), or a sign
    between = _BETWEEN.match(text, match.end())
    assert between is not None
    found = _UNIT.match(text, between.end())
    unit = found.group() if found else ""
    scale = _scale(unit, answer.unit)
    if scale is None:
        # A word that follows is no unit ("327680 in all"); what looks like one is another's.
        if found is None or between.end() == match.end() or _LIKE_UNIT.fullmatch(unit):
            return []
        scale, unit = Fraction(1), ""
    readings = [_written(match, scale, unit)]
    if match["gap"] == "," and match["decimals"] is None and match["whole"].count(",") == 1:
        whole, _, decimals = match["whole"].partition(",")
        comma = Written(
            start=match.start(),
            end=match.end(),
            value=Fraction(f"{whole}.{decimals}") * scale,
            scale=scale,
            decimals=3,
            separator="",
            point=",",
            unit=unit,
        )
        if comma.holds(answer):
            readings.append(comma)
    if answer.unit in ("bytes", "count") and not unit:
        return [item for item in readings if item.holds(answer) or _plain(item, answer)]
    return readings


_TAGS = re.compile(r"</?[a-zA-Z][^<>]*>|&\#?[0-9a-zA-Z]+;")
#: What looks like a unit, of whatever kind: bits, bytes, counts.
_LIKE_UNIT = re.compile(
    r"[kKMGTPBmbgtpxX%\u00d7]|[kKMGTPmgtp]?i?[bBoO](?:its?|ytes?|ps|ctets?)?s?|[kKMGT]i"
    r"|(?:kilo|mega|giga|tera|peta|kibi|mebi|gibi|tebi|pebi)[a-z]*|[mbt]illions?|tokens?|params?",
)


def _plain(written: Written, answer: Answer) -> bool:
    """Whether a number without a unit is surely one of single bytes, parameters or tokens."""
    value = answer.value
    assert isinstance(value, Fraction)
    near = written.value and value and value / _NEAR < written.value < value * _NEAR
    return bool(near) and not written.decimals


def _written(match: re.Match[str], scale: Fraction, unit: str) -> Written:
    whole, decimals = match["whole"], match["decimals"] or ""
    separator = match["gap"] or ("." if "." in whole else "")
    number = "".join(char for char in whole if char.isdigit())
    return Written(
        start=match.start(),
        end=match.end(),
        value=Fraction(f"{number}.{decimals}" if decimals else number) * scale,
        scale=scale,
        decimals=len(decimals),
        separator=separator,
        point=match["point"] or ".",
        unit=unit,
    )


def _scale(unit: str, kind: str) -> Fraction | None:
    """What one of a unit is, if it is one for this kind of figure."""
    name = unit.lower()
    if name in _CYRILLIC:
        name = unit = _CYRILLIC[name]
    if name == "":
        return Fraction(1)
    if kind == "bytes":
        if name in ("b", "byte", "bytes", "o", "octet", "octets"):
            return Fraction(1)
        for ending in ("bytes", "byte", "octets", "octet"):
            if name.endswith(ending) and name[: -len(ending)] in _PREFIXES:
                return Fraction(_POWERS[_PREFIXES[name[: -len(ending)]]])
        short = name.removesuffix("s")
        if short.endswith(("b", "o")) and short[:-1] in _POWERS:
            # "Gb" would be bits.
            bits = unit.removesuffix("s").endswith("b") and not unit.islower()
            return None if bits else Fraction(_POWERS[short[:-1]])
        return None
    if kind in ("ratio", "percent"):
        if name == "%":
            return Fraction(1) if kind == "percent" else Fraction(1, 100)
        return Fraction(1) if name in ("x", "\u00d7", "times") and kind == "ratio" else None
    if kind == "count":
        if name.removesuffix("s") in _WORDS:
            return Fraction(_WORDS[name.removesuffix("s")])
        power = _POWERS.get({"b": "g", "bn": "g"}.get(name, name))
        return None if power is None else Fraction(power)
    return None


def _rounded(value: Fraction, decimals: int) -> Fraction:
    """Half away from zero, as people round."""
    step = 10**decimals
    scaled = value * step
    whole = (2 * abs(scaled.numerator) + scaled.denominator) // (2 * scaled.denominator)
    return Fraction(whole if value >= 0 else -whole, step)


def _digits(value: Fraction, decimals: int, separator: str) -> str:
    scaled = int(abs(value) * 10**decimals)
    whole, rest = divmod(scaled, 10**decimals)
    text = f"{whole:,}".replace(",", separator)
    sign = "-" if value < 0 else ""
    return sign + (f"{text}.{rest:0{decimals}}" if decimals else text)


def _fine(value: Fraction, separator: str) -> str:
    """Two digits after the point, and more where these would lose too much."""
    decimals = 2
    while abs(value) * 10**decimals < 10 and value and decimals < 400:
        decimals += 1
    return _digits(_rounded(value, decimals), decimals, separator)


_SIGNS = {"at_least": ">= ", "about": "~", "up_to": "<= "}


def default_text(answer: Answer) -> str:
    """A figure where nothing says how to write it.

    >>> default_text(Answer(value=Fraction(32_768_000_000), unit="bytes"))
    '32.77 GB'
    """
    value = answer.value
    if isinstance(value, str):
        return value
    sign = _SIGNS.get(answer.qualifier, "")
    if answer.unit == "ratio":
        return f"{_fine(value, ',')}x"
    if answer.unit == "percent":
        return f"{_fine(value, '')}%"
    if answer.unit == "bytes":
        return (
            sign
            + _short(value, (("TB", 12), ("GB", 9), ("MB", 6), ("kB", 3)), " ")
            + (" B" if abs(value) < 1000 else "")
        )
    if value.denominator == 1 and abs(value) < 100_000:
        return f"{sign}{int(value):,}"
    return sign + _short(value, (("T", 12), ("B", 9), ("M", 6), ("k", 3)), "")


def text_like(text: str, answer: Answer) -> str:
    """The figure in the unit of what is written, where that is understood.

    >>> text_like("4.2 GiB", Answer(value=Fraction(9 * 2**29), unit="bytes"))
    '4.5 GiB'
    """
    readings = [] if isinstance(answer.value, str) else read_written(text, answer)
    if not readings or not readings[0].unit:
        return default_text(answer)
    space = "" if readings[0].unit in ("x", "%", "\u00d7") else " "
    if answer.unit == "count" and len(readings[0].unit) == 1:
        space = ""
    return f"{readings[0].right(answer)}{space}{readings[0].unit}"


def _short(value: Fraction, steps: tuple[tuple[str, int], ...], space: str) -> str:
    """Four significant digits in a power of 1000. Rounded exactly, as what is written is read:
    a figure that is put in must be found right the next time."""
    for suffix, power in steps:
        if abs(value) >= 10**power:
            scaled = value / 10**power
            decimals = 0 if abs(scaled) >= 1000 else 1 if abs(scaled) >= 100 else 2
            return f"{_digits(_rounded(scaled, decimals), decimals, ',')}{space}{suffix}"
    if value.denominator == 1:
        return str(int(value))
    return _fine(value, "")
