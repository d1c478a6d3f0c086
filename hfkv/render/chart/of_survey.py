"""A survey as three panels: what a token costs by size, training over the years, refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hfkv.reading import printable
from hfkv.render.chart.entry import matplotlib
from hfkv.render.chart.style import STYLES, StyleName, dressed, settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hfkv.surveys.summary import Summary

__all__ = ["draw_survey"]

#: Inches of all panels together.
_SIZE = (13.2, 4.6)
#: Types of models that are named.
_MOST = 12


def draw_survey(summary: Summary, *, style: StyleName = "light") -> Figure:
    """The figure.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    matplotlib()
    from hfkv.render.chart.figure import Chart

    look = STYLES[style]
    with settings():
        figure = Chart(figsize=_SIZE, dpi=150, layout="constrained", facecolor=look.paper)
        panels = figure.subplots(1, 3)
        for panel in panels:
            dressed(panel, look)
        colour = look.colours[0]
        _points(panels[0], summary.points, colour, look.soft)
        panels[0].set(xscale="log", yscale="log", xlabel="parameters")
        _title(panels[0], "Bytes per token in context", look.ink)
        _points(panels[1], summary.years, colour, look.soft)
        panels[1].set(yscale="log", xlabel="year")
        years = sorted(set(summary.years[0]))
        panels[1].set_xticks(years, [f"{year:.0f}" for year in years])
        _title(panels[1], "Pretraining tokens per parameter", look.ink)
        _refusals(panels[2], summary, look.colours[1], look.soft)
        _title(panels[2], "Models that refused a figure, by type", look.ink)
        for panel in panels:
            panel.xaxis.label.set_color(look.soft)
        return figure


def _title(panel: Any, text: str, colour: str) -> None:
    panel.set_title(text, loc="left", fontsize=11, color=colour)


def _points(panel: Any, points: Any, colour: str, soft: str) -> None:
    if points[0]:
        panel.scatter(*points, s=10, alpha=0.5, color=colour, linewidths=0)
    else:
        _nothing(panel, soft)


def _refusals(panel: Any, summary: Summary, colour: str, soft: str) -> None:
    found = list(summary.refusals.items())[:_MOST][::-1]
    if not found:
        _nothing(panel, soft)
        return
    panel.barh([printable(name, 30) for name, _ in found], [count for _, count in found],
               color=colour)  # fmt: skip
    panel.set_xlabel("models")


def _nothing(panel: Any, soft: str) -> None:
    panel.text(0.5, 0.5, "none", ha="center", va="center", color=soft, transform=panel.transAxes)
