"""The two charts of the question, as matplotlib figures saved to PNG, SVG or PDF."""

from __future__ import annotations

import bisect
import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfkv.comparison.rank import RANKS
from hfkv.comparison.series import (
    LAST_TOKENS,
    Band,
    Level,
    Line,
    ModelOverTokens,
    OverRank,
    OverTokens,
    RankMark,
)
from hfkv.errors import InputError, MissingDependencyError, SourceError, UnsupportedError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw", "matplotlib", "save"]

#: Okabe and Ito's palette, which colour-blind readers can tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
#: A second way to tell models apart, for print without colour.
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: Line styles: of each LoRA rank in turn, of pretraining, and of the ranks that have a name.
_DASHES: tuple[Any, ...] = ((0, (5, 2)), (0, (7, 2, 1.5, 2)), (0, (3, 1.5)), (0, (9, 3)))
_DOTS: Any = (0, (1, 1.5))
_MARK_LINES: dict[str, Any] = {
    "bytes": (0, (1, 2)),
    "share": (0, (6, 2)),
    "cache": (0, (4, 2, 1, 2)),
    "cartridge": (0, (2, 2)),
}
_FORMATS = {".png": "png", ".svg": "svg", ".pdf": "pdf"}
_MOST_MODELS = len(_COLOURS)


def matplotlib() -> Any:
    """The library that draws.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import matplotlib as module
    except ImportError as error:
        raise MissingDependencyError(
            f"{error.name} is not installed",
            where="charts",
            hint="pip install 'hfkv[plot]'; their numbers need none: hfkv plot --format json",
        ) from None
    return module


def draw(chart: OverTokens | OverRank) -> Figure:
    """The chart of one model or several, as :mod:`hfkv.comparison.series` gives its numbers.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        InputError: there are more models than can be told apart.
        UnsupportedError: a model in the chart over ranks has no known size of its weights.
    """
    if not 1 <= len(chart.models) <= _MOST_MODELS:
        raise InputError(
            f"{len(chart.models)} models", expected=f"1 to {_MOST_MODELS} in one chart"
        )
    with matplotlib().rc_context({"svg.hashsalt": "hfkv", "font.size": 10, "axes.titlesize": 11}):
        return _over_tokens(chart) if isinstance(chart, OverTokens) else _over_rank(chart)


def _figure(panels: int, entries: int) -> tuple[Figure, list[Axes]]:
    """A figure of some panels, with room for that many lines of legend below them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = (5.0 if panels == 1 else 6.6) + 0.24 * entries
    figure = Figure(figsize=(8.4, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
    for axis in axes:
        axis.grid(True, which="major", color="#dddddd", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)


def _title(axis: Axes, chart: OverTokens | OverRank) -> None:
    question = chart.title
    if len(chart.models) > 1:
        text = question[0].upper() + question[1:]
    else:
        text = f"{chart.models[0].name}: {question}"
    axis.set_title(text, loc="left")


def _over_tokens(chart: OverTokens) -> Figure:
    several = len(chart.models) > 1
    figure, (axis,) = _figure(1, len(chart.models) if several else 0)
    axis.set_xscale("log")
    axis.set_yscale("log")
    for item, colour, marker in zip(chart.models, _COLOURS, _MARKERS, strict=False):
        lengths = [point.tokens for point in item.context.points]
        for number, line in enumerate((item.context, *item.adapters)):
            style: dict[str, Any] = {"linewidth": 2, "color": colour}
            if number:
                style = {
                    "color": colour if several else _COLOURS[1 + (number - 1) % 5],
                    "linewidth": 1.6,
                    "linestyle": _DASHES[(number - 1) % len(_DASHES)],
                }
            heights = [float(point.bytes_per_token) for point in line.points]
            axis.plot(lengths, heights, label=line.label, **style)
            if number:
                rank = f" (r={line.r})" if len(item.adapters) > 1 else ""
                _cross(axis, line, colour, marker, label=None if several else rank)
        if item.pretraining is not None:
            axis.axhline(
                float(item.pretraining.bytes_per_token),
                color=colour if several else "#000000",
                linewidth=1.4,
                linestyle=_DOTS,
                label=f"pretraining, {_per_token(item.pretraining)}",
            )
    axis.set_xlim(1, LAST_TOKENS)
    axis.set_xlabel(chart.x.label)
    axis.set_ylabel(chart.y[0].label)
    _title(axis, chart)
    _scales(axis)
    if several:
        _legend_of_models(figure, axis, chart.models)
    else:
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def _per_token(level: Level) -> str:
    """``at most 0.0094 B``: a count of at least N tokens bounds the bytes per token from above."""
    bounds = {"at_least": "at most ", "about": "about ", "up_to": "at least "}
    return f"{bounds.get(level.qualifier or '', '')}{float(level.bytes_per_token):.2g} B"


def _cross(axis: Axes, line: Line, colour: str, marker: str, *, label: str | None) -> None:
    """The break-even of one adapter, where it lies on the chart; with a label unless None."""
    point = line.break_even
    if point is None or point.tokens > LAST_TOKENS:
        return
    height = float(point.bytes_per_token)
    axis.plot([point.tokens], [height], marker, color=colour, markersize=7, zorder=5, mec="white")
    if label is not None:
        axis.annotate(
            f"break-even{label}\n{point.tokens:,} tokens",
            (point.tokens, height),
            xytext=(8, 8),
            textcoords="offset points",
            fontsize=8.5,
            color=colour,
        )


def _legend_of_models(figure: Figure, axis: Axes, items: Sequence[ModelOverTokens]) -> None:
    """Styles once, inside the top right corner that falling lines leave free; models below."""
    from matplotlib.lines import Line2D

    styles = [Line2D([], [], color="#555555", linewidth=2, label="in context")]
    styles += [
        Line2D([], [], color="#555555", linestyle=_DASHES[number % 4], label=line.label)
        for number, line in enumerate(items[0].adapters)
    ]
    styles.append(Line2D([], [], color="#555555", linestyle=_DOTS, label="pretraining"))
    axis.legend(handles=styles, loc="upper right", frameon=False, fontsize=9)
    models = [
        Line2D([], [], color=colour, marker=marker, linewidth=2, label=_summary(item))
        for item, colour, marker in zip(items, _COLOURS, _MARKERS, strict=False)
    ]
    figure.legend(handles=models, loc="outside lower center", frameon=False, fontsize=9)


def _summary(item: ModelOverTokens) -> str:
    """A model's line in the legend. Curves that cross would hide labels beside the marks."""
    first = item.adapters[0].break_even
    crossing = "no break-even" if first is None else f"break-even at {first.tokens:,} tokens"
    if item.pretraining is None:
        return f"{item.name}: {crossing}; pretraining not stated"
    return f"{item.name}: {crossing}; pretraining {_per_token(item.pretraining)}"


def _scales(axis: Axes) -> None:
    from matplotlib.ticker import FuncFormatter

    def size(value: float, _: object) -> str:
        for suffix, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
            if value >= scale:
                return f"{value / scale:g} {suffix}"
        return f"{value:g} B"

    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.yaxis.set_major_formatter(FuncFormatter(size))


def _over_rank(chart: OverRank) -> Figure:
    from matplotlib.ticker import FuncFormatter, NullLocator

    several = len(chart.models) > 1
    figure, (top, bottom) = _figure(2, len(chart.models) if several else 0)
    for item, colour, marker in zip(chart.models, _COLOURS, _MARKERS, strict=False):
        shares = [
            float(100 * point.share_of_weights)
            for point in item.points
            if point.share_of_weights is not None
        ]
        if not shares:
            raise UnsupportedError("the size of the weights is not known", where=item.name)
        ratios = [float(point.compression) for point in item.points]
        band = item.sweet_spot
        for axis, values in ((top, ratios), (bottom, shares)):
            axis.plot(
                RANKS,
                values,
                color=colour,
                marker=marker,
                markersize=4,
                label=f"{item.name}: {_band_text(band)}",
            )
            if band is not None and several:
                # The bands of several models would hide each other; each lies on its own curve.
                ends = [_between(values, band.first), _between(values, band.last)]
                axis.plot(
                    [band.first, band.last],
                    ends,
                    color=colour,
                    linewidth=9,
                    alpha=0.28,
                    solid_capstyle="butt",
                )
            elif band is not None:
                axis.axvspan(band.first, band.last, color=colour, alpha=0.12, linewidth=0)
    for axis in (top, bottom):
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xlim(RANKS[0], RANKS[-1])
    most = float(100 * chart.rule.share_of_weights)
    for axis, measured, unit, height, label in (
        (top, chart.y[0], "x", 1.0, "as large as the cache"),
        (bottom, chart.y[1], "%", most, "1% of the weights"),
    ):
        axis.axhline(height, color="#555555", linewidth=1, linestyle=(0, (4, 3)))
        axis.annotate(label, (1.1, height), xytext=(0, 3), textcoords="offset points", fontsize=8.5)
        axis.set_ylabel(measured.label)
        axis.yaxis.set_major_formatter(
            FuncFormatter(lambda value, _, unit=unit: f"{value:g}{unit}")
        )
    bottom.set_xlabel(chart.x.label)
    bottom.set_xticks(RANKS, [str(rank) for rank in RANKS])
    bottom.xaxis.set_minor_locator(NullLocator())
    _title(top, chart)
    if several:
        handles, labels = top.get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            frameon=False,
            fontsize=9,
            title=f"thick: {chart.rule.label}",
            title_fontsize=9,
        )
    else:
        (item,) = chart.models
        named = _draw_marks((top, bottom), item.marks)
        shaded = f"shaded, {_band_text(item.sweet_spot)}: {chart.rule.label}"
        bottom.set_xlabel(f"{chart.x.label}\n{shaded}\n{named}", fontsize=9)
    return figure


def _band_text(band: Band | None) -> str:
    return "no rank" if band is None else f"ranks {band.first} to {band.last}"


def _between(values: Sequence[float], rank: int) -> float:
    """The height of a drawn curve at a rank, straight between its points on the log-log chart."""
    place = min(max(bisect.bisect_right(RANKS, rank) - 1, 0), len(RANKS) - 2)
    share = math.log2(rank / RANKS[place])
    return float(values[place] ** (1 - share) * values[place + 1] ** share)


def _draw_marks(axes: Sequence[Axes], marks: Sequence[RankMark]) -> str:
    """A line at each named rank of the chart, and the text that names all of them."""
    parts = []
    for mark in marks:
        if mark.r is None:
            parts.append(f"no rank: {mark.label}")
            continue
        beyond = ", beyond the chart" if mark.r > RANKS[-1] else ""
        parts.append(f"rank {mark.r:,} at {mark.bound}{beyond}: {mark.label}")
        if beyond or mark.bound == "least":
            continue
        for axis in axes:
            # Dashed differently each, so that they can be told apart without colour.
            axis.axvline(mark.r, color="#333333", linewidth=1.2, linestyle=_MARK_LINES[mark.name])
        axes[0].annotate(
            f"r={mark.r:,}",
            (mark.r, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, -11),
            textcoords="offset points",
            fontsize=8.5,
        )
    return "\n".join(parts)


def save(figure: Figure, path: Path) -> None:
    """Write the figure, whole or not at all; the same figure gives the same bytes.

    Raises:
        InputError: the ending is not png, svg or pdf.
        SourceError: the file cannot be written.
    """
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise InputError(
            f"cannot write {path.name!r}", where="-o", expected="a name in .png, .svg or .pdf"
        )
    metadata = {"png": {"Software": "hfkv"}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".hfkv-", suffix=path.suffix)
        os.close(handle)
        try:
            with matplotlib().rc_context({"svg.hashsalt": "hfkv"}):
                figure.savefig(temporary, format=kind, metadata=metadata[kind])
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise SourceError(
            f"cannot be written: {error.strerror}", where=str(path), hint="choose another with -o"
        ) from None
