"""A figure as a person wrote it in a document: ``32.77 GB``, ``327,680 bytes``, ``39.6x``, ``15T``.

What is written is right if it is the exact figure rounded to the digits that are written, in the
unit that is written. Kilo is 1000 and kibi 1024, also in ``KB`` and ``KiB``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from hfkv.check.question import Answer

__all__ = ["default_text", "right_text"]

_POWERS = {
    "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15,
    "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40, "pi": 2**50,
}  # fmt: skip
_WORDS = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_FIGURE = re.compile(
    r"(?P<lead>[^0-9]*?)(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,3}(?:_[0-9]{3})+|[0-9]+)"
    r"(?:\.(?P<decimals>[0-9]+))?(?P<space>(?:[ \u00a0\u202f]|&nbsp;)?)(?P<unit>%|[A-Za-z\u00d7]*)"
    r"(?P<trail>[^0-9]*)",
    re.DOTALL,
)
#: What looks like a unit, of whatever kind: bits, bytes, counts.
_UNIT = re.compile(
    r"[kKMGTPBmbx%\u00d7]|[kKMGTPmg]?i?[bB](?:its?|ytes?|ps)?s?|bits?|bytes?|[kKMGT]i"
)
#: Longer than any figure with its words.
_LONGEST = 400
#: A figure that would lose more than this by the digits that are written gets new digits.
_COARSEST = Fraction(1, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A figure in a document.

    Attributes:
        lead, trail: what stands before and after it.
        value: the number times its unit, as written.
        scale: what one of its unit is.
        decimals: digits after the point.
        separator: between groups of three digits, or "".
        unit: the unit with the space before it.
    """

    lead: str
    trail: str
    value: Fraction
    scale: Fraction
    decimals: int
    separator: str
    unit: str

    def holds(self, answer: Answer) -> bool:
        """Whether it is the figure, rounded to its own digits."""
        if not isinstance(answer.value, Fraction):
            return False
        found, shown = self.value / self.scale, _rounded(answer.value / self.scale, self.decimals)
        return found == shown and (found != 0 or answer.value == 0)

    def with_value(self, answer: Answer) -> str:
        """The same words with the right figure."""
        value = answer.value
        assert isinstance(value, Fraction)
        shown = _rounded(value / self.scale, self.decimals)
        if value and abs(shown * self.scale - value) > abs(value) * _COARSEST:
            return f"{self.lead}{_beside(self.lead, answer)}{self.trail}"
        return f"{self.lead}{_digits(shown, self.decimals, self.separator)}{self.unit}{self.trail}"


def right_text(text: str, answer: Answer) -> str | None:
    """The text that ought to stand there: the same where it holds, else with the right figure in
    its place; None where there are several numbers, of which none is surely the figure.

    >>> size = Answer(value=Fraction(32_768_000_000), unit="bytes")
    >>> right_text("**33 GB**", size), right_text("30.1 GB of it", size), right_text("", size)
    ('**33 GB**', '32.8 GB of it', '32.77 GB')
    """
    if isinstance(answer.value, str):
        bare = text.strip(" \t\r\n*_`")
        if bare == answer.value:
            return text
        return text.replace(bare, answer.value, 1) if bare else answer.value
    match = _FIGURE.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        # Words alone ("to be measured") give way to the figure; several numbers do not.
        return None if any(char.isdigit() for char in text) else default_text(answer)
    written = _read(match, answer)
    if written is None:
        return f"{match['lead']}{_beside(match['lead'], answer)}{match['trail']}"
    return text if written.holds(answer) else written.with_value(answer)


def _read(match: re.Match[str], answer: Answer) -> Written | None:
    """The figure in a text; None where its unit is that of another kind of figure."""
    scale = _scale(match["unit"], answer.unit)
    unit, trail = match["space"] + match["unit"], match["trail"]
    if scale is None:
        if not match["space"] or _UNIT.fullmatch(match["unit"]):
            return None
        # A word that follows is no unit: "327680 in all".
        scale, unit, trail = Fraction(1), "", unit + trail
    whole, decimals = match["whole"], match["decimals"] or ""
    separator = "," if "," in whole else "_" if "_" in whole else ""
    number = Fraction(
        whole.replace(",", "").replace("_", "") + (f".{decimals}" if decimals else "")
    )
    return Written(
        lead=match["lead"],
        trail=trail,
        value=number * scale,
        scale=scale,
        decimals=len(decimals),
        separator=separator,
        unit=unit,
    )


def _scale(unit: str, kind: str) -> Fraction | None:
    """What one of a unit is, if it is one for this kind of figure."""
    name = unit.lower()
    if name == "":
        return Fraction(1)
    if kind == "bytes":
        if name in ("b", "byte", "bytes"):
            return Fraction(1)
        if name.endswith("b") and name[:-1] in _POWERS:
            # "Gb" would be bits.
            return Fraction(_POWERS[name[:-1]]) if unit.endswith("B") else None
        return None
    if kind in ("ratio", "percent"):
        if name == "%":
            return Fraction(1) if kind == "percent" else Fraction(1, 100)
        return Fraction(1) if name in ("x", "\u00d7") and kind == "ratio" else None
    if kind == "count":
        if name in _WORDS:
            return Fraction(_WORDS[name])
        power = _POWERS.get({"b": "g"}.get(name, name))
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
        return f"{_digits(_rounded(value, 2), 2, ',')}x"
    if answer.unit == "percent":
        return f"{_digits(_rounded(value, 2), 2, '')}%"
    if answer.unit == "bytes":
        return (
            sign
            + _short(value, (("TB", 12), ("GB", 9), ("MB", 6), ("kB", 3)), " ")
            + (" B" if abs(value) < 1000 else "")
        )
    if value.denominator == 1 and abs(value) < 100_000:
        return f"{sign}{int(value):,}"
    return sign + _short(value, (("T", 12), ("B", 9), ("M", 6), ("k", 3)), "")


def _beside(lead: str, answer: Answer) -> str:
    """The same after words, which say themselves whether it is a bound."""
    text = default_text(answer)
    return text.removeprefix(_SIGNS.get(answer.qualifier, "")) if lead.strip() else text


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
    if abs(value) >= 1:
        return _digits(_rounded(value, 2), 2, "")
    decimals = 2
    while abs(value) * 10**decimals < 10 and decimals < 400:
        decimals += 1
    return _digits(_rounded(value, decimals), decimals, "")
