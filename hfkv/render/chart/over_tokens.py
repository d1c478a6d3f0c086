"""The chart over tokens: levels and falling lines, each with its value, and the gap between."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hfkv.comparison.series import Line, ModelOverTokens, OverTokens
from hfkv.render.chart.labels import apart, at_most, coinciding, each, fold, layered, tokens, write
from hfkv.render.chart.style import DASHES, DOTS, MARKERS, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_over_tokens", "heads"]

#: Where on the axis, from 0 to 1, the gap is drawn: left of the value marks, right of the labels.
_GAP_AT = 0.47


def heads(chart: OverTokens) -> tuple[str, str]:
    """The title and the line below it."""
    first = chart.models[0]
    if len(chart.models) == 1:
        title = f"{first.name}: {chart.title}"
    else:
        title = chart.title[:1].upper() + chart.title[1:]
    cache = _agreed(item.context.dtype for item in chart.models)
    adapter = _agreed(line.dtype for item in chart.models for line in item.adapters)
    targets = chart.target_modules
    said = targets if isinstance(targets, str) else ", ".join(targets)
    parts = [f"KV cache in {cache}", f"LoRA of {_shortened(said)} in {adapter}"]
    if chart.batch > 1:
        parts.append(f"{chart.batch:,} sequences")
    level = first.pretraining
    if level is not None and len(chart.models) == 1:
        sign = {"at_least": "more than ", "about": "about ", "up_to": "up to "}
        count = f"{sign.get(level.qualifier or '', '')}{_trillions(level.tokens)}"
        parts.append(f"weights over {count} pretraining tokens")
    return title, "; ".join(parts)


def _agreed(names: Any) -> str:
    found = list(dict.fromkeys(names))
    return found[0] if len(found) == 1 else "their own dtypes"


def _shortened(text: str) -> str:
    return text if len(text) <= 44 else f"{text[:41]}..."


def _trillions(count: int) -> str:
    return f"{count / 1e12:g}T" if count >= 10**12 else f"{count / 1e9:g}B"


def draw_over_tokens(chart: OverTokens, figure: Figure, axis: Axes, style: Style) -> None:
    """Draw on an empty panel."""
    several = len(chart.models) > 1
    axis.set_xscale("log")
    axis.set_yscale("log")
    first, last = chart.x.domain or (1, 10**6)
    axis.set_xlim(first, last)
    axis.set_xlabel(chart.x.label, color=style.ink)
    axis.set_ylabel(chart.y[0].label, color=style.ink)
    _scales(axis)
    contexts = coinciding([_heights(item.context) for item in chart.models])
    levels = coinciding([_level(item) for item in chart.models])
    most = max(len(item.adapters) for item in chart.models)
    adapters = [
        coinciding([_heights(item.adapters[n]) for item in chart.models if n < len(item.adapters)])
        for n in range(most)
    ]
    for number, (item, colour) in enumerate(zip(chart.models, style.colours, strict=False)):
        above = [places[number] if number < len(places) else 0 for places in adapters]
        _lines(axis, item, colour, style, contexts[number], above, several=several)
        if item.pretraining is not None:
            axis.axhline(
                float(item.pretraining.bytes_per_token),
                color=colour if several else style.ink,
                linewidth=layered(1.6, levels[number]),
                linestyle=DOTS,
                zorder=3,
                label=f"pretraining, {at_most(item.pretraining)}",
            )
        for line in item.adapters:
            _cross(axis, line, colour, MARKERS[number], style, last)
        if not several and len(item.adapters) == 1:
            _say_break_even(axis, item.adapters[0], style, last)
    low, high = axis.get_ylim()
    axis.set_ylim(low / 2.5, high * 2.5)
    if several:
        _several(figure, axis, chart, style)
    else:
        _values(figure, axis, chart, style)


def _heights(line: Line) -> list[float]:
    return [float(point.bytes_per_token) for point in line.points]


def _level(item: ModelOverTokens) -> list[float]:
    return [] if item.pretraining is None else [float(item.pretraining.bytes_per_token)]


def _lines(
    axis: Axes,
    item: ModelOverTokens,
    colour: str,
    style: Style,
    above: int,
    adapters_above: Sequence[int],
    *,
    several: bool,
) -> None:
    lengths = [point.tokens for point in item.context.points]
    axis.plot(
        lengths,
        _heights(item.context),
        color=colour,
        linewidth=layered(2.2, above),
        label=item.context.label,
    )
    for number, line in enumerate(item.adapters):
        axis.plot(
            lengths,
            _heights(line),
            color=colour if several else style.colours[1 + number % 5],
            linewidth=layered(1.8, adapters_above[number]),
            linestyle=DASHES[number % len(DASHES)],
            label=line.label,
            # A broken line shows the whole one below it.
            zorder=3,
        )


def _cross(axis: Axes, line: Line, colour: str, marker: str, style: Style, last: int) -> None:
    """The break-even of one adapter, where it lies on the chart."""
    point = line.break_even
    if point is not None and point.tokens <= last:
        axis.plot(
            [point.tokens],
            [float(point.bytes_per_token)],
            marker,
            color=colour,
            markersize=8,
            zorder=5,
            markeredgecolor=style.paper,
        )


def _say_break_even(axis: Axes, line: Line, style: Style, last: int) -> None:
    point = line.break_even
    if point is not None and point.tokens <= last:
        write(
            axis,
            f"break-even\n{point.tokens:,} tokens",
            (point.tokens, float(point.bytes_per_token)),
            offset=(6, 9),
            color=style.ink,
            paper=style.paper,
        )


def _values(figure: Figure, axis: Axes, chart: OverTokens, style: Style) -> None:
    """The values of one model at its lines, and the gaps between them."""
    (item,) = chart.models
    first, last = axis.get_xlim()
    _context(axis, chart, item, style)
    if len(item.adapters) == 1:
        _adapter(axis, chart, item.adapters[0], style)
    else:
        _adapters(figure, axis, chart, item.adapters, style)
    level = item.pretraining
    if level is None:
        write(
            axis,
            "pretraining: tokens not stated",
            (first, axis.get_ylim()[0]),
            offset=(8, 6),
            color=style.soft,
        )
        return
    write(
        axis,
        f"pretraining: {at_most(level)}",
        (first, float(level.bytes_per_token)),
        offset=(8, 6),
        color=style.ink,
        fontweight="bold",
        paper=style.paper,
    )
    if item.context_over_pretraining is not None:
        # Where the context is no level, the gap is the one at the chart's length.
        place = first ** (1 - _GAP_AT) * last**_GAP_AT if _is_level(item) else chart.tokens
        _gap(
            axis,
            place,
            item.context.at_tokens.bytes_per_token,
            level.bytes_per_token,
            fold(item.context_over_pretraining, level.qualifier),
            style,
        )


def _is_level(item: ModelOverTokens) -> bool:
    start = item.context.points[0].bytes_per_token
    return all(point.bytes_per_token == start for point in item.context.points)


def _context(axis: Axes, chart: OverTokens, item: ModelOverTokens, style: Style) -> None:
    start = item.context.points[0]
    there = item.context.at_tokens
    write(
        axis,
        f"in context: {each(start.bytes_per_token)}" + ("" if _is_level(item) else " at first"),
        (start.tokens, float(start.bytes_per_token)),
        offset=(8, 6),
        color=style.colours[0],
        fontweight="bold",
        paper=style.paper,
    )
    if not _is_level(item):
        height = float(there.bytes_per_token)
        axis.plot([there.tokens], [height], "o", color=style.colours[0], markersize=5)
        write(
            axis,
            f"{each(there.bytes_per_token)} at {tokens(chart.tokens)}",
            (there.tokens, height),
            offset=(0, 7),
            ha="center",
            color=style.colours[0],
            paper=style.paper,
        )


def _adapter(axis: Axes, chart: OverTokens, line: Line, style: Style) -> None:
    """The name of the only adapter at its left end, its value at the chart's length."""
    colour = style.colours[1]
    start, there = line.points[0], line.at_tokens
    write(
        axis,
        f"fine-tuned: {line.label}",
        (start.tokens, float(start.bytes_per_token)),
        offset=(8, 4),
        color=colour,
        fontweight="bold",
        paper=style.paper,
    )
    height = float(there.bytes_per_token)
    axis.plot([there.tokens], [height], "o", color=colour, markersize=6)
    said = f"{each(there.bytes_per_token)} at {tokens(chart.tokens)}"
    if line.compression is not None and line.compression > 1:
        said += f"\n{fold(line.compression)} less"
    # Below and to the left of a falling line nothing else is drawn.
    write(
        axis,
        said,
        (there.tokens, height),
        offset=(-7, -5),
        ha="right",
        va="top",
        color=colour,
        paper=style.paper,
    )


def _adapters(
    figure: Figure, axis: Axes, chart: OverTokens, lines: Sequence[Line], style: Style
) -> None:
    """Several: their names where they leave the chart, their figures in the corner above them."""
    last = axis.get_xlim()[1]
    found = []
    for number, line in enumerate(lines):
        colour = style.colours[1 + number % 5]
        end, there = line.points[-1], line.at_tokens
        axis.plot([there.tokens], [float(there.bytes_per_token)], "o", color=colour, markersize=5)
        found.append((float(end.bytes_per_token), f"r={line.r}", colour))
    _at_the_edge(figure, axis, last, found, size=9)
    said = []
    for line in lines:
        crossing = line.break_even
        parts = "never" if crossing is None else f"{crossing.tokens:,} tokens"
        value = each(line.at_tokens.bytes_per_token)
        text = f"r={line.r}: break-even {parts}; {value} at {tokens(chart.tokens)}"
        if line.compression is not None and line.compression > 1:
            text += f", {fold(line.compression)} less"
        said.append(text)
    write(
        axis,
        "\n".join(["fine-tuned: LoRA", *said]),
        (1, 1),
        xycoords="axes fraction",
        offset=(-4, -4),
        ha="right",
        va="top",
        color=style.ink,
        paper=style.paper,
        fontsize=8.5,
    )


def _gap(
    axis: Axes, place: float, top: Fraction, bottom: Fraction, name: str, style: Style
) -> None:
    """An arrow from level to level, with the ratio in the middle of it."""
    axis.annotate(
        "",
        (place, float(bottom)),
        xytext=(place, float(top)),
        arrowprops={
            "arrowstyle": "<->",
            "color": style.soft,
            "lw": 1.2,
            "shrinkA": 2,
            "shrinkB": 2,
        },
    )
    # Below the middle, where no adapter's line is yet.
    middle = float(top) ** 0.36 * float(bottom) ** 0.64
    write(
        axis,
        f"{name}\nless than in context",
        (place, middle),
        offset=(-8, 0),
        ha="right",
        va="center",
        color=style.ink,
        paper=style.paper,
        fontsize=10,
    )


def _several(figure: Figure, axis: Axes, chart: OverTokens, style: Style) -> None:
    """What lines mean inside, values at their right ends, the models below."""
    from matplotlib.lines import Line2D

    shapes = [Line2D([], [], color=style.soft, linewidth=2.2, label="in context")]
    names = dict.fromkeys(line.label for item in chart.models for line in item.adapters)
    shapes += [
        Line2D([], [], color=style.soft, linestyle=DASHES[number % len(DASHES)], label=name)
        for number, name in enumerate(names)
    ]
    shapes.append(Line2D([], [], color=style.soft, linestyle=DOTS, label="pretraining"))
    axis.legend(handles=shapes, loc="upper right", frameon=False, fontsize=9, labelcolor=style.ink)
    models = [
        Line2D([], [], color=colour, marker=marker, linewidth=2.2, label=_summary(item))
        for item, colour, marker in zip(chart.models, style.colours, MARKERS, strict=False)
    ]
    figure.legend(
        handles=models,
        loc="outside lower center",
        frameon=False,
        fontsize=9,
        labelcolor=style.ink,
        ncols=1,
    )
    _ends(figure, axis, chart, style)


def _ends(figure: Figure, axis: Axes, chart: OverTokens, style: Style) -> None:
    """The value of each line where it leaves the chart."""
    last = axis.get_xlim()[1]
    found: list[tuple[float, str, str]] = []
    for item, colour in zip(chart.models, style.colours, strict=False):
        for line in (item.context, *item.adapters):
            value = line.points[-1].bytes_per_token
            found.append((float(value), each(value), colour))
        if item.pretraining is not None:
            value = item.pretraining.bytes_per_token
            found.append((float(value), at_most(item.pretraining), colour))
    _at_the_edge(figure, axis, last, found, size=8)


def _at_the_edge(
    figure: Figure, axis: Axes, last: float, found: Sequence[tuple[float, str, str]], *, size: float
) -> None:
    """Labels (height, text, colour) right of the chart, none on another."""
    figure.draw_without_rendering()
    scale = 72 / figure.dpi
    pixels = [float(axis.transData.transform((last, height))[1]) for height, _, _ in found]
    low, high = (float(edge) for edge in axis.transAxes.transform([(0, 0), (0, 1)])[:, 1])
    places = apart(pixels, (size + 1.5) / scale, low, high)
    for (height, text, colour), pixel, place in zip(found, pixels, places, strict=True):
        write(
            axis,
            text,
            (last, height),
            offset=(6, (place - pixel) * scale),
            color=colour,
            fontsize=size,
            va="center",
        )


def _summary(item: ModelOverTokens) -> str:
    """A model's line in the legend. Curves that cross would hide labels beside the marks."""
    first = item.adapters[0].break_even if item.adapters else None
    crossing = "no break-even" if first is None else f"break-even at {first.tokens:,} tokens"
    if item.pretraining is None or item.context_over_pretraining is None:
        return f"{item.name}: {crossing}; pretraining not stated"
    ratio = fold(item.context_over_pretraining, item.pretraining.qualifier)
    return f"{item.name}: {crossing}; pretraining {at_most(item.pretraining)}, {ratio} less"


def _scales(axis: Axes) -> None:
    from matplotlib.ticker import FuncFormatter

    def size(value: float, _: object) -> str:
        for suffix, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
            if value >= scale:
                return f"{value / scale:g} {suffix}"
        return f"{value:g} B"

    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tokens(round(value))))
    axis.yaxis.set_major_formatter(FuncFormatter(size))
