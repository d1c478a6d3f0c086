"""Words beside lines: sizes and ratios as people say them, and labels that do not touch."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hfkv.comparison.series import Level
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BOUNDS", "apart", "at_most", "coinciding", "each", "fold", "layered", "tokens", "write"]

#: A count of at least N tokens bounds the bytes of each from above, and their ratio from below.
BOUNDS = {"at_least": "at most ", "about": "about ", "up_to": "at least "}
_TURNED = {"at_least": "at least ", "about": "about ", "up_to": "at most "}
#: Lines nearer than this on paper, in decades, are one to the eye.
_NEAR = 0.045


def tokens(count: int) -> str:
    """A number of tokens, short where it is round.

    >>> tokens(100_000), tokens(2_528), tokens(1_000_000)
    ('100k', '2,528', '1M')
    """
    for scale, suffix in ((10**6, "M"), (10**3, "k")):
        if count >= scale and count % scale == 0:
            return f"{count // scale:,}{suffix}"
    return f"{count:,}"


def each(value: Fraction) -> str:
    """Bytes of a token: whole ones in full while they can be read, others to two digits.

    >>> each(Fraction(327_680)), each(Fraction(828_375_040, 100_000)), each(Fraction(47, 5000))
    ('327,680 B', '8.3 kB', '0.0094 B')
    """
    if value.denominator == 1 and value < 10**7:
        return f"{int(value):,} B"
    if value < 1:
        return f"{float(value):.2g} B"
    for suffix, power in (("TB", 12), ("GB", 9), ("MB", 6), ("kB", 3), ("B", 0)):
        if value >= 10**power:
            shown = float(value / 10**power)
            return f"{shown:.0f} {suffix}" if shown >= 10 else f"{shown:.1f} {suffix}"
    return format_bytes(value)


def at_most(level: Level) -> str:
    """The bytes of a pretraining token, with the bound that they are."""
    return f"{BOUNDS.get(level.qualifier or '', '')}{each(level.bytes_per_token)}"


def fold(ratio: Fraction, qualifier: str | None = None) -> str:
    """How many times, in words.

    >>> fold(Fraction(34_833_039)), fold(Fraction(3956, 100)), fold(Fraction(880_579))
    ('35-million-fold', '39.6-fold', '880,000-fold')
    >>> fold(Fraction(34_833_039), "at_least")
    'at least 35-million-fold'
    """
    value = float(ratio)
    for name, power in (("trillion", 12), ("billion", 9), ("million", 6)):
        if value >= 10**power:
            said = f"{float(f'{value / 10**power:.2g}'):g}-{name}-fold"
            break
    else:
        shown = float(f"{value:.2g}") if value >= 1000 else float(f"{value:.3g}")
        said = f"{shown:,.0f}-fold" if shown >= 100 else f"{shown:g}-fold"
    return f"{_TURNED.get(qualifier or '', '')}{said}"


def apart(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The places moved as little as needed to lie ``gap`` apart, between ``low`` and ``high``.

    >>> apart([1.0, 1.0, 5.0], 2.0, 0.0, 10.0)
    [0.0, 2.0, 5.0]
    """
    order = sorted(range(len(places)), key=lambda number: places[number])
    # Blocks of labels that touch, each as near to the middle of its own as it can be.
    blocks: list[list[int]] = []
    starts: list[float] = []
    for number in order:
        blocks.append([number])
        starts.append(places[number])
        while True:
            block = blocks[-1]
            middle = sum(places[item] - gap * at for at, item in enumerate(block)) / len(block)
            starts[-1] = min(max(middle, low), max(low, high - gap * (len(block) - 1)))
            if len(blocks) < 2 or starts[-1] >= starts[-2] + gap * len(blocks[-2]):
                break
            touching = blocks.pop()
            blocks[-1] += touching
            starts.pop()
    found = [0.0] * len(places)
    for block, start in zip(blocks, starts, strict=True):
        for at, number in enumerate(block):
            found[number] = start + gap * at
    return found


def coinciding(lines: Sequence[Sequence[float]]) -> list[int]:
    """For each line how many of the later ones lie on it for the eye.

    >>> coinciding([[1.0, 2.0], [5.0, 6.0], [1.0, 2.01]])
    [1, 0, 0]
    """
    from math import log10

    def same(one: Sequence[float], other: Sequence[float]) -> bool:
        return len(one) == len(other) and all(
            abs(log10(first) - log10(second)) < _NEAR
            for first, second in zip(one, other, strict=True)
            if first > 0 and second > 0
        )

    return [
        sum(same(line, other) for other in lines[number + 1 :]) for number, line in enumerate(lines)
    ]


def layered(width: float, above: int) -> float:
    """How wide to draw a line on which so many others lie, so that its edges are seen."""
    return width + 2.6 * above


def write(axis: Axes, text: str, place: tuple[float, float], **how: Any) -> Any:
    """A label beside a place; on ``paper`` of that colour, so that lines do not cross its words.

    Text stays text in SVG, which an outline around its letters would end.
    """
    offset, paper = how.pop("offset", (0, 0)), how.pop("paper", None)
    if paper is not None:
        how["bbox"] = {"facecolor": paper, "edgecolor": "none", "alpha": 0.72, "pad": 0.4}
    return axis.annotate(
        text,
        place,
        xytext=offset,
        textcoords="offset points",
        fontsize=how.pop("fontsize", 9),
        linespacing=1.3,
        annotation_clip=False,
        **how,
    )
