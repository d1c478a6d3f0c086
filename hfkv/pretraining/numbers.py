# ruff: noqa: E501 (tables of words read better unbroken)
"""The first step: the grammar of numbers. Every count is an exact integer.

A quantity is a numeral (``1,500``, ``14.8``, ``3 000``, ``two``, ``4.4 x 10^12``, ``1.5e12``), then
scale words or letters (``B``, ``trillion``, ``mil millones``, a CJK scale). Nothing is read with
floats. A numeral that could be two numbers is no quantity.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction

__all__ = ["Quantity", "find", "parse"]

_LETTERS = {"k": 3, "m": 6, "b": 9, "t": 12, "g": 9, "bn": 9, "tn": 12, "mn": 6}
#: "3 billions de jetons" is 3e12 in a French dictionary and 3e9 where an English one was at hand.
_TWO_NUMBERS = re.compile(r"(?:b|tr)illions?\s+d(?:e\b|['’])", re.IGNORECASE)
#: Scale words, to the power of ten, and whether the language writes a decimal comma. Words that
#: mean two numbers in two languages are left to the language whose spelling it is.
_WORDS: dict[str, tuple[int, bool]] = {
    **dict.fromkeys(("thousand", "thousands"), (3, False)),
    **dict.fromkeys(("million", "millions", "mln"), (6, False)),
    **dict.fromkeys(("billion", "billions", "bil"), (9, False)),
    **dict.fromkeys(("trillion", "trillions", "tril"), (12, False)),
    **dict.fromkeys(("quadrillion", "quadrillions"), (15, False)),
    **dict.fromkeys(("mil", "mila", "mille", "tausend", "tusen", "duizend", "tys", "bin", "nghìn", "ngàn", "ribu", "тысяч", "тысячи", "тыс", "тисяч"), (3, True)),
    **dict.fromkeys(("millones", "millón", "millionen", "milioni", "milione", "milhões", "milhão", "milionów", "miliony", "miljoner", "miljoen", "millioner", "milyon", "triệu", "juta", "mio", "миллионов", "миллиона", "миллионах", "миллион", "млн", "мільйонів"), (6, True)),
    **dict.fromkeys(("milliards", "milliard", "milliarden", "milliarde", "mrd", "mia", "miliardi", "miliardo", "bilhões", "bilhão", "mil-milhões", "miliardów", "miliardach", "miliardy", "miliard", "mld", "miljarder", "miljard", "miljardia", "miljardin", "miljardilla", "miljardista", "milliarder", "milyar", "tỷ", "tỉ", "miliar", "миллиардов", "миллиарда", "миллиардах", "миллиард", "млрд", "мільярдів", "мільярда"), (9, True)),
    **dict.fromkeys(("billones", "billón", "billionen", "bilioni", "bilione", "trilioni", "biliões", "bilião", "trilhões", "trilhão", "bilionów", "biliona", "biliony", "bilionach", "bilion", "biljoner", "biljoen", "biljon", "billioner", "trilyon", "triliun", "bio", "триллионов", "триллиона", "триллионах", "триллион", "трлн", "трильйонів", "трильйона"), (12, True)),
}  # fmt: skip
_CJK = {
    "万亿": 12, "萬億": 12, "万億": 12, "千亿": 11, "千億": 11, "百亿": 10, "百億": 10,
    "十亿": 9, "十億": 9, "亿": 8, "億": 8, "千万": 7, "千萬": 7, "百万": 6, "百萬": 6,
    "十万": 5, "万": 4, "萬": 4, "兆": 12, "조": 12, "천억": 11, "백억": 10, "십억": 9, "억": 8,
    "천만": 7, "백만": 6, "만": 4,
}  # fmt: skip
_CJK_DIGITS = dict(
    zip("一二三四五六七八九两兩十", (1, 2, 3, 4, 5, 6, 7, 8, 9, 2, 2, 10), strict=True)
)
_SPELT = {
    word: value
    for value, word in enumerate(
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen seventeen eighteen nineteen twenty".split(),
        start=1,
    )
}
_TENS = {
    word: 10 * value
    for value, word in enumerate(
        "twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2
    )
}
_UNDER_HUNDRED = (
    rf"(?:(?:{'|'.join(_TENS)})(?:[ -](?:{'|'.join(list(_SPELT)[:9])}))?"
    rf"|{'|'.join(sorted(_SPELT, key=len, reverse=True))}|half an?|an?)"
)
_PREFIXES = {"tera": 12, "giga": 9, "mega": 6}
_SPACE = "[ \u00a0\u2009\u202f]"
_NUMERAL = (
    rf"(?:[0-9]{{1,3}}(?:,[0-9]{{3}}){{1,6}}(?:\.[0-9]{{1,6}})?(?![0-9])"
    rf"|[0-9]{{1,3}}(?:_[0-9]{{3}}){{1,6}}(?![0-9])"
    rf"|[0-9]{{1,3}}(?:\.[0-9]{{3}}){{2,6}}(?![0-9])"
    rf"|[0-9]{{1,3}}(?:['’][0-9]{{3}}){{1,6}}(?![0-9])"
    rf"|[0-9]{{1,3}}(?:{_SPACE}[0-9]{{3}}){{1,6}}(?![0-9])"
    rf"|[0-9]{{1,18}}(?:[.,][0-9]{{1,9}})?(?![0-9]))"
)
_POWER = r"(?:[ ]?(?:x|×|\*|·)[ ]?10[ ]?(?:\^|\*\*)[ ]?\{?(?P<power>[0-9]{1,2})\}?)"
_ALL_WORDS = "|".join(sorted(map(re.escape, _WORDS), key=len, reverse=True))
_ALL_CJK = "|".join(sorted(_CJK, key=len, reverse=True))
_SCALE = (
    rf"(?:[ ]?(?:{_ALL_CJK})|[ ]?-?(?:(?:{_ALL_WORDS})\b\.?)(?:{_SPACE}(?:(?:{_ALL_WORDS})\b\.?))?"
    rf"|[ ]?(?:bn|tn|mn|[KkMBbTG])(?![A-Za-z0-9_])"
    rf"|[ ]?[BTMG](?=T\b|[Tt]okens?\b)|[ ]?(?:tera|giga|mega)(?=[ -]?tokens?))"
)
_QUANTITY = re.compile(
    rf"(?<![A-Za-z0-9_À-ӿ.,^])(?:(?P<spelt>{_UNDER_HUNDRED})"
    rf"(?P<half>[ ]and[ ]a[ ]half)?[ -](?P<word>(?:hundred[ ])?(?:million|billion|trillion))\b"
    rf"|(?P<cjk>[{''.join(_CJK_DIGITS)}])(?P<cjk_scale>{_ALL_CJK})"
    rf"|10[ ]?(?:\^|\*\*)[ ]?\{{?(?P<bare>[0-9]{{1,2}})\}}?"
    rf"|(?P<numeral>{_NUMERAL})"
    rf"(?:{_POWER}|[eE]\+?(?P<exponent>[0-9]{{1,2}})(?![0-9]))?"
    rf"(?:\+(?=[ ]?(?:tr|b|m)illion))?(?P<scale>{_SCALE})?(?:\+|＋)?)",
    re.IGNORECASE,
)
_RAISED = re.compile("(?<=10)[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2}")
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number in a text: ``text[start:end]`` is worth ``value``.

    Attributes:
        value: the integer; 0 where the number is not whole (``1.5`` without a scale).
        scaled: whether a scale word, letter or power stood with it.
        unit: the scale's own text, lower case.
        number: the numeral alone, for tables whose header holds the unit.
    """

    start: int
    end: int
    value: int
    scaled: bool
    unit: str
    number: Fraction


def find(text: str) -> list[Quantity]:
    """Every quantity in ``text``, from left to right.

    >>> [q.value for q in find("on 14.8 trillion and 1,500B, then 3 000 milliards")]
    [14800000000000, 1500000000000, 3000000000000]
    """
    inserted = [match.start() for match in _RAISED.finditer(text)]
    if inserted:
        text = _RAISED.sub(lambda match: "^" + match[0].translate(_SUPERSCRIPT), text)
    found = []
    for match in _QUANTITY.finditer(text):
        read = _value(match)
        if read is None:
            continue
        value, power, unit, number = read
        # Each inserted ^ moved what follows it by one.
        ahead = [sum(at + n < edge for n, at in enumerate(inserted)) for edge in match.span()]
        found.append(
            Quantity(
                start=match.start() - ahead[0],
                end=match.end() - ahead[1],
                value=value,
                scaled=power > 0,
                unit=unit,
                number=number,
            )
        )
    return _joined(found, text)


#: Scales of East Asia, of which a number may have a large one and a small one: 1조 5천억.
_LARGE = frozenset(("兆", "조", "万亿", "萬億", "万億"))
_SMALLER = re.compile("억|億|亿")


def _joined(found: list[Quantity], text: str) -> list[Quantity]:
    """The quantities, those that are one number put together.

    >>> [q.value for q in find("1조 5천억 (1.5T), 1兆5000億")]
    [1500000000000, 1500000000000, 1500000000000]
    """
    result: list[Quantity] = []
    for item in found:
        last = result[-1] if result else None
        if (
            last is not None
            and last.unit in _LARGE
            and item.scaled
            and _SMALLER.search(item.unit)
            and item.unit not in _LARGE
            and item.value < 10**12
            and last.value % 10**12 == 0
            and not text[last.end : item.start].strip()
        ):
            value = last.value + item.value
            number = Fraction(value, last.value) * last.number
            result[-1] = replace(last, end=item.end, value=value, number=number)
        else:
            result.append(item)
    return result


def parse(text: str) -> int | None:
    """The value of a text that is one quantity and nothing else; None otherwise.

    >>> parse("1.5 trillion"), parse("4.4x10^12"), parse("1.5"), parse("about 3T")
    (1500000000000, 4400000000000, None, None)
    """
    found = find(text)
    if len(found) != 1 or found[0].start != 0 or found[0].end != len(text) or not found[0].value:
        return None
    return found[0].value


def _value(match: re.Match[str]) -> tuple[int, int, str, Fraction] | None:
    """Value, power of ten, unit and numeral of a match; None where it is no single number."""
    if match["spelt"]:
        number = _spelt(match["spelt"].lower()) + (Fraction(1, 2) if match["half"] else 0)
        *hundred, word = match["word"].lower().split()
        power = _WORDS[word][0] + (2 if hundred else 0)
        return int(number * 10**power), power, word, number
    if match["cjk"]:
        number, power = Fraction(_CJK_DIGITS[match["cjk"]]), _CJK[match["cjk_scale"]]
        return int(number * 10**power), power, match["cjk_scale"], number
    if match["bare"]:
        power = int(match["bare"])
        return (10**power, power, "10^", Fraction(1)) if power <= 18 else None
    scale_text = match["scale"] or ""
    if re.fullmatch("[ ][kmbtg]", scale_text):
        # "5 t" is the beginning of a word, or a unit of weight: small letters stand close.
        return None
    scale = _scale(scale_text)
    if scale is None or _TWO_NUMBERS.match(
        scale_text.lstrip(" -") + match.string[match.end() :][:4]
    ):
        return None
    numeral = _numeral(match["numeral"], scale[1])
    power = scale[0] + int(match["exponent"] or match["power"] or 0)
    if numeral is None or power > 24:
        return None
    value = numeral * 10**power
    whole = int(value) if value.denominator == 1 else 0
    return whole, power, scale_text.strip().lower(), numeral


def _spelt(text: str) -> Fraction:
    """The value of a spelt number below a hundred."""
    if text.startswith("half"):
        return Fraction(1, 2)
    if text in ("a", "an"):
        return Fraction(1)
    return Fraction(sum(_TENS.get(word, _SPELT.get(word, 0)) for word in re.split("[ -]", text)))


def _scale(text: str) -> tuple[int, bool] | None:
    """The power of ten of a scale, and whether its language has a decimal comma."""
    power, comma = 0, False
    for word in text.strip().lstrip("-").strip().lower().split():
        bare = word.rstrip(".")
        if bare in _WORDS:
            power += _WORDS[bare][0]
            comma = comma or _WORDS[bare][1]
        elif bare in _CJK:
            power += _CJK[bare]
        elif bare in _LETTERS:
            power += _LETTERS[bare]
        elif bare in _PREFIXES:
            power += _PREFIXES[bare]
        else:
            return None
    return power, comma


def _numeral(text: str, decimal_comma: bool) -> Fraction | None:
    plain = re.sub(rf"(?:{_SPACE}|['’_])(?=[0-9]{{3}})", "", text)
    if plain.count(".") > 1 or (decimal_comma and re.fullmatch(r"[0-9]{1,3}\.[0-9]{3}", plain)):
        plain = plain.replace(".", "")
    if "," not in plain:
        return Fraction(plain)
    if decimal_comma and plain.count(",") == 1 and "." not in plain:
        return Fraction(plain.replace(",", "."))
    head, *groups = plain.split(",")
    if len(head) <= 3 and all(len(group.split(".")[0]) == 3 for group in groups):
        return Fraction(plain.replace(",", ""))
    if len(groups) == 1 and "." not in plain:
        return Fraction(plain.replace(",", "."))
    return None
