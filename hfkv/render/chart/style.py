"""How charts look: two styles, the ways to tell models apart, and the empty figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "DASHES",
    "DOTS",
    "MARKERS",
    "MOST_MODELS",
    "RC",
    "SIZE",
    "STYLES",
    "Style",
    "StyleName",
    "dressed",
    "empty",
    "headed",
    "settings",
]

StyleName = Literal["light", "dark"]

#: Inches, as wide as a page's text or a README's column.
SIZE = (8.4, 5.4)
#: Letters of a title, and of the smaller text below it, to the inch.
_LARGE, _SMALL = 8.6, 13
#: What a figure is drawn and saved with. Text stays text in SVG, and is embedded in PDF.
RC: dict[str, Any] = {
    "svg.hashsalt": "hfkv",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "font.family": "sans-serif",
    "font.size": 10,
}
#: A second way to tell models apart, for print without colour.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: Line styles: of each LoRA rank in turn, and of pretraining.
DASHES: tuple[Any, ...] = ((0, (5, 2)), (0, (7, 2, 1.5, 2)), (0, (3, 1.5)), (0, (9, 3)))
DOTS: Any = (0, (1, 1.5))
#: As many as there are markers and colours.
MOST_MODELS = len(MARKERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Colours.

    Attributes:
        paper: behind everything.
        ink: of text; soft: of what explains it; grid: of lines in the background.
        colours: of models, which colour-blind readers can tell apart: Okabe and Ito's, on dark
            paper lighter where theirs would be lost.
    """

    paper: str
    ink: str
    soft: str
    grid: str
    colours: tuple[str, ...]


STYLES: Mapping[str, Style] = {
    "light": Style(
        paper="#ffffff",
        ink="#1b1f24",
        soft="#59636e",
        grid="#e4e7eb",
        colours=("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B88700", "#3E9BD0", "#000000"),
    ),
    "dark": Style(
        paper="#0d1117",
        ink="#e6edf3",
        soft="#9aa4af",
        grid="#262c34",
        colours=("#56B4E9", "#F0813A", "#2CC79B", "#E79AC6", "#F0C84B", "#9FB8FF", "#FFFFFF"),
    ),
}


def empty(style: Style, size: tuple[float, float]) -> tuple[Figure, Axes]:
    """A figure with one empty panel."""
    from hfkv.render.chart.figure import Chart

    figure = Chart(figsize=size, dpi=150, layout="constrained", facecolor=style.paper)
    axis = figure.subplots()
    dressed(axis, style)
    return figure, axis


def dressed(axis: Axes, style: Style) -> None:
    """Give a panel its colours, its grid and its two edges."""
    axis.set_facecolor(style.paper)
    axis.grid(True, which="major", color=style.grid, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(colors=style.soft, which="both", labelsize=9)
    axis.tick_params(which="minor", length=0)
    for name, spine in axis.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(style.soft)


def headed(figure: Figure, axis: Axes, style: Style, title: str, subtitle: str) -> None:
    """Put the question and what it is asked of above the panel, in as many lines as it takes."""
    from textwrap import fill

    width = figure.get_figwidth()
    below = fill(subtitle, int(width * _SMALL))
    axis.set_title(below, loc="left", fontsize=9, color=style.soft, linespacing=1.35)
    figure.suptitle(
        fill(title, int(width * _LARGE)),
        x=0.01,
        ha="left",
        fontsize=13,
        fontweight="bold",
        color=style.ink,
    )


@contextmanager
def settings() -> Iterator[None]:
    """Draw and save with matplotlib's own defaults and :data:`RC`, whatever the caller's are: the
    same numbers make the same picture everywhere."""
    import matplotlib

    own = {
        key: value
        for key, value in matplotlib.rcParamsDefault.items()
        if key not in ("backend", "backend_fallback", "interactive", "toolbar")
    }
    with matplotlib.rc_context({**own, **RC}):
        yield
