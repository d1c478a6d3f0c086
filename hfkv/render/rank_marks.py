"""The named ranks in the chart over ranks: same bytes as the cache, 1% of the weights, and the
first whose capacity covers the tokens by a model from the literature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hfkv.comparison.rank import Ranks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Mark", "draw_marks", "marks_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A rank with a name.

    Attributes:
        rank: which; None where no rank is one.
        name: what it is, for the label.
        line: how its line is dashed, so that they can be told apart without colour.
    """

    rank: int | None
    name: str
    line: tuple[int, tuple[int, ...]]


def marks_of(found: Ranks) -> tuple[Mark, ...]:
    """The three ranks of a model."""
    bits = float(found.capacity.bits)
    return (
        Mark(
            rank=found.covers,
            name=(
                f"{bits:g} bits a parameter cover {float(found.bits_per_token):g} bits a token "
                f"(a model: {found.capacity.name}, {found.capacity.paper})"
            ),
            line=(0, (1, 2)),
        ),
        Mark(rank=found.at_one_percent, name="1% of the weights", line=(0, (6, 2))),
        Mark(rank=found.at_parity, name="as large as the cache", line=(0, (4, 2, 1, 2))),
    )


def draw_marks(axes: Sequence[Axes], marks: Sequence[Mark], last: int) -> str:
    """A line at each rank up to ``last``, and the text that names all of them."""
    parts = []
    for mark in marks:
        if mark.rank is None:
            parts.append(f"no rank: {mark.name}")
            continue
        beyond = ", beyond the chart" if mark.rank > last else ""
        parts.append(f"rank {mark.rank:,}{beyond}: {mark.name}")
        if mark.rank > last:
            continue
        for axis in axes:
            axis.axvline(mark.rank, color="#333333", linewidth=1.2, linestyle=mark.line)
        axes[0].annotate(
            f"r={mark.rank:,}",
            (mark.rank, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, -11),
            textcoords="offset points",
            fontsize=8.5,
        )
    return "\n".join(parts)
