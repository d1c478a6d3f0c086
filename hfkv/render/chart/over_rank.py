"""The chart over ranks: one falling line a model, with the ranks that rules name on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hfkv.comparison.rank import RANKS
from hfkv.comparison.series import Band, ModelOverRank, OverRank
from hfkv.errors import UnsupportedError
from hfkv.render.chart.labels import apart, coinciding, layered, write
from hfkv.render.chart.style import MARKERS, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_over_rank", "heads"]

#: Room left of the first rank and right of the last, so that nothing lies on the frame.
_LEFT, _RIGHT = 1.75, 1.35
#: Points that a line of a label takes.
_LINE = 13.0


def heads(chart: OverRank) -> tuple[str, str]:
    """The title and the line below it."""
    first = chart.models[0]
    if len(chart.models) == 1:
        title = f"{first.name}: {chart.title}"
    else:
        title = chart.title[:1].upper() + chart.title[1:]
    targets = chart.target_modules
    said = targets if isinstance(targets, str) else ", ".join(targets)
    said = said if len(said) <= 44 else f"{said[:41]}..."
    caches = {item.kv_cache_dtype for item in chart.models}
    adapters = {item.lora_dtype for item in chart.models}
    cache = caches.pop() if len(caches) == 1 else "their own dtypes"
    adapter = adapters.pop() if len(adapters) == 1 else "their own dtypes"
    parts = [f"KV cache in {cache}", f"LoRA of {said} in {adapter}"]
    if chart.batch > 1:
        parts.insert(0, f"{chart.batch:,} sequences")
    return title, "; ".join(parts)


def draw_over_rank(chart: OverRank, figure: Figure, axis: Axes, style: Style) -> None:
    """Draw on an empty panel.

    Raises:
        UnsupportedError: the size of a model's weights is not known.
    """
    from matplotlib.ticker import FuncFormatter, NullLocator

    several = len(chart.models) > 1
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xlim(RANKS[0] / _LEFT, RANKS[-1] * _RIGHT)
    axis.set_xticks(RANKS, [str(rank) for rank in RANKS])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel(chart.x.label, color=style.ink)
    axis.set_ylabel(chart.y[0].label, color=style.ink)
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}x"))
    above = coinciding([_ratios(item) for item in chart.models])
    for number, (item, colour) in enumerate(zip(chart.models, style.colours, strict=False)):
        if not item.weight_bytes:
            raise UnsupportedError("the size of the weights is not known", where=item.name)
        axis.plot(
            [point.r for point in item.points],
            _ratios(item),
            color=colour,
            marker=MARKERS[number],
            markersize=5 + above[number],
            linewidth=layered(2.0, above[number]),
            label=f"{item.name}: {_band_text(item.sweet_spot)}",
            markeredgecolor=style.paper,
        )
    low, high = axis.get_ylim()
    axis.set_ylim(min(low / 1.7, 0.6), high * 2)
    axis.axhline(1, color=style.soft, linewidth=1.1, linestyle=(0, (4, 3)), zorder=1)
    if several:
        _several(figure, axis, chart, style)
    else:
        _one(figure, axis, chart, style)


def _ratios(item: ModelOverRank) -> list[float]:
    return [float(point.compression) for point in item.points]


def _one(figure: Figure, axis: Axes, chart: OverRank, style: Style) -> None:
    (item,) = chart.models
    colour = style.colours[0]
    _shares(axis, item, style)
    band = item.sweet_spot
    if band is not None:
        axis.axvspan(band.first, band.last, color=colour, alpha=0.13, linewidth=0, zorder=0)
        most = f"{float(100 * chart.rule.share_of_weights):g}%"
        least = f"{float(100 * chart.rule.share_of_cache):g}%"
        write(
            axis,
            f"{_band_text(band)}: at most {most} of the\nweights, at least {least} of the cache",
            ((band.first * band.last) ** 0.5, 1),
            xycoords=("data", "axes fraction"),
            offset=(0, -5),
            ha="center",
            va="top",
            color=style.soft,
        )
    asked = item.asked
    for point in item.points:
        if point.r != asked.r:
            write(
                axis,
                _times(float(point.compression)),
                (point.r, float(point.compression)),
                offset=(-4, -6),
                ha="right",
                va="top",
                color=style.soft,
                fontsize=8,
            )
    share = asked.share_of_weights
    main = f"rank {asked.r:,}: {_times(float(asked.compression))}"
    if share is not None:
        main += f", {float(100 * share):.2g}% of the weights"
    named: dict[int, list[str]] = {asked.r: [main]}
    beyond = []
    for mark in item.marks:
        # What the data needs at least is a floor far below what one takes: told, never drawn.
        if mark.bound == "least":
            continue
        if mark.r is None or mark.r > RANKS[-1]:
            place = "no rank" if mark.r is None else f"beyond the chart, rank {mark.r:,} at most"
            beyond.append(f"{place}: {mark.label}")
        elif mark.r in named:
            named[mark.r].append(f"at most: {mark.label}")
        else:
            named[mark.r] = [f"rank {mark.r:,} at most: {mark.label}"]
    _named(figure, axis, item, named, style)
    write(
        axis,
        "\n".join([*beyond, "as large as the cache"]),
        (RANKS[0] / _LEFT, 1),
        offset=(6, 5),
        va="bottom",
        color=style.soft,
    )


def _named(
    figure: Figure, axis: Axes, item: ModelOverRank, named: Mapping[int, list[str]], style: Style
) -> None:
    """Ranks with names: a mark on the line, and the names to the right, one above the other."""
    from matplotlib.text import Text

    figure.draw_without_rendering()
    scale = 72 / figure.dpi
    ranks = sorted(named)
    heights = [_at(item, rank) for rank in ranks]
    pixels = [
        axis.transData.transform((rank, height))
        for rank, height in zip(ranks, heights, strict=True)
    ]
    (_, bottom), (edge, top) = axis.transAxes.transform([(0, 0), (1, 1)])
    most = max(len(lines) for lines in named.values())
    gap = (_LINE * most + 4) / scale
    wanted = [float(y) + 14 / scale for _, y in pixels]
    places = apart(wanted, gap, float(bottom) + gap / 2, float(top) - gap / 2)
    for rank, height, (_, y), place in zip(ranks, heights, pixels, places, strict=True):
        main = rank == item.asked.r
        colour = style.colours[1] if main else style.ink
        axis.plot(
            [rank],
            [height],
            "o" if main else "D",
            color=colour,
            markersize=9 if main else 6,
            zorder=6 if main else 5,
            markeredgecolor=style.paper,
        )
        label = write(
            axis,
            "\n".join(named[rank]),
            (rank, height),
            offset=(20, (place - float(y)) * scale),
            va="center",
            color=colour,
            paper=style.paper,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.8,
                "relpos": (0, 0.5),
                "shrinkB": 4,
            },
        )
        over = float(Text.get_window_extent(label).x1) - (float(edge) - 6 / scale)
        if over > 0:
            # No room on the right: further left, and above the line, which is higher there.
            across, up = label.get_position()
            rise = over * abs(float(pixels[0][1] - pixels[-1][1])) if len(pixels) > 1 else over
            run = abs(float(pixels[0][0] - pixels[-1][0])) if len(pixels) > 1 else 1.0
            label.set_position((across - over * scale, up + rise / (run or 1.0) * scale))


def _at(item: ModelOverRank, rank: int) -> float:
    """The height of the line at a rank: exact where it is a point, else between two of them."""
    from math import log2

    for point in (*item.points, item.asked):
        if point.r == rank:
            return float(point.compression)
    before = max((point for point in item.points if point.r < rank), key=lambda point: point.r)
    after = min((point for point in item.points if point.r > rank), key=lambda point: point.r)
    share = log2(rank / before.r) / log2(after.r / before.r)
    return float(float(before.compression) ** (1 - share) * float(after.compression) ** share)


def _shares(axis: Axes, item: ModelOverRank, style: Style) -> None:
    """The share of the weights on the right: the same line, as both are of the adapter's bytes."""
    from matplotlib.ticker import FuncFormatter

    whole = 100 * item.kv_cache_bytes / (item.weight_bytes or 1)
    right = axis.secondary_yaxis(
        "right",
        functions=(lambda ratio: whole / _above(ratio), lambda share: whole / _above(share)),
    )
    right.set_ylabel("adapter / weights", color=style.ink)
    right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}%"))
    right.tick_params(colors=style.soft, which="both", labelsize=9)
    right.tick_params(which="minor", length=0)
    right.spines["right"].set_color(style.soft)


def _above(value: Any) -> Any:
    """Without the zeros that matplotlib tries, which have no ratio."""
    import numpy

    return numpy.maximum(value, 1e-30)


def _several(figure: Figure, axis: Axes, chart: OverRank, style: Style) -> None:
    write(
        axis,
        "as large as the cache",
        (RANKS[0] / _LEFT, 1),
        offset=(6, -4),
        va="top",
        color=style.soft,
    )
    found = []
    for item, colour in zip(chart.models, style.colours, strict=False):
        band = item.sweet_spot
        if band is not None:
            # Bands of several models would hide each other; each lies on its own curve.
            axis.plot(
                [band.first, band.last],
                [_at(item, band.first), _at(item, band.last)],
                color=colour,
                linewidth=11,
                alpha=0.28,
                solid_capstyle="butt",
                zorder=1,
            )
        found.append((item, colour))
    _ends(figure, axis, found)
    handles, labels = axis.get_legend_handles_labels()
    most = f"{float(100 * chart.rule.share_of_weights):g}%"
    least = f"{float(100 * chart.rule.share_of_cache):g}%"
    legend = figure.legend(
        handles,
        labels,
        loc="outside lower center",
        frameon=False,
        fontsize=9,
        labelcolor=style.ink,
        title=f"thick: at most {most} of the weights, at least {least} of the bytes of the cache",
        title_fontsize=9,
    )
    legend.get_title().set_color(style.soft)


def _ends(figure: Figure, axis: Axes, found: Sequence[tuple[ModelOverRank, str]]) -> None:
    """The ratio of each model at the ends of its line."""
    figure.draw_without_rendering()
    scale = 72 / figure.dpi
    low, high = (float(edge) for edge in axis.transAxes.transform([(0, 0), (0, 1)])[:, 1])
    for side, number in (("left", 0), ("right", -1)):
        points = [item.points[number] for item, _ in found]
        heights = [float(point.compression) for point in points]
        pixels = [
            float(axis.transData.transform((point.r, height))[1])
            for point, height in zip(points, heights, strict=True)
        ]
        places = apart(pixels, 9.5 / scale, low, high)
        for (_, colour), point, height, pixel, place in zip(
            found, points, heights, pixels, places, strict=True
        ):
            write(
                axis,
                _times(height),
                (point.r, height),
                offset=(8 if side == "right" else -8, (place - pixel) * scale),
                ha="left" if side == "right" else "right",
                va="center",
                color=colour,
                fontsize=8,
            )


def _times(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}x"
    return f"{value:.1f}x" if value >= 10 else f"{value:.2g}x"


def _band_text(band: Band | None) -> str:
    return "no rank" if band is None else f"ranks {band.first} to {band.last}"
