"""The two charts of the question, as matplotlib figures saved to PNG, SVG or PDF."""

from __future__ import annotations

import bisect
import math
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfkv.comparison.breakeven import break_even
from hfkv.comparison.rank import ranks as named_ranks
from hfkv.errors import InputError, SourceError, UnsupportedError
from hfkv.model import Model
from hfkv.render.rank_marks import Mark, draw_marks, marks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw", "save"]

#: Okabe and Ito's palette, which colour-blind readers can tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
#: A second way to tell models apart, for print without colour.
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_FORMATS = {".png": "png", ".svg": "svg", ".pdf": "pdf"}
_RANKS = tuple(2**power for power in range(11))
#: The band of ranks worth a look: the adapter at most this share of the weights, and at least
#: this share of the cache's bytes. Neither is exact; both are said on the chart.
SMALL_SHARE, FAIR_SHARE = Fraction(1, 100), Fraction(1, 100)
_MOST_MODELS = len(_COLOURS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """What the charts need of one model, in exact numbers."""

    name: str
    curve: Any
    lora_bytes: dict[int, int]
    ranks: tuple[int, ...]
    break_even: dict[int, int | None]
    pretraining: Fraction | None
    sign: str
    weight_bytes: int | None
    batch: int


def draw(
    models: Sequence[Model],
    *,
    over: str,
    tokens: int = 100_000,
    batch: int = 1,
    r: int | Sequence[int] = 32,
    target_modules: str | Iterable[str] | None = "all-linear",
    kv_dtype: str = "auto",
    lora_dtype: str = "auto",
    encoder_tokens: int | None = None,
    crosscheck: bool = True,
    capacity: str = "facts",
    bits_per_token: Fraction = Fraction(2),
) -> Figure:
    """One chart for one or several models.

    Args:
        models: loaded models, at most seven.
        over: ``tokens`` (bytes per token against tokens) or ``rank`` (compression against rank).
        tokens, batch, r, target_modules, kv_dtype, lora_dtype: as in :func:`hfkv.compare`;
            ``r`` may be several ranks for the chart over tokens.
        capacity, bits_per_token: as in :func:`hfkv.comparison.rank.ranks`, for the marks in the
            chart over ranks of one model.

    Raises:
        InputError: an argument is not usable.
        HfkvError: a figure that the chart needs cannot be had.
    """
    if over not in ("tokens", "rank"):
        raise InputError(f"cannot draw over {over!r}", expected="tokens or rank")
    if not 1 <= len(models) <= _MOST_MODELS:
        raise InputError(f"{len(models)} models", expected=f"1 to {_MOST_MODELS} in one chart")
    ranks = (r,) if isinstance(r, int) else tuple(r)
    series = []
    for model in models:
        cache = model.kv_cache(
            tokens=tokens,
            batch=batch,
            dtype=kv_dtype,
            encoder_tokens=encoder_tokens,
            crosscheck=crosscheck,
        )
        wanted = set(ranks) | (set(_RANKS) if over == "rank" else set())
        adapters = {
            rank: model.lora(r=rank, target_modules=target_modules, dtype=lora_dtype).bytes
            for rank in sorted(wanted)
        }
        statement = model.pretraining
        stated = statement.tokens is not None and model.weight_bytes is not None
        series.append(
            _Series(
                name=model.model.rstrip("/").rpartition("/")[2] or model.model,
                curve=cache.curve,
                lora_bytes=adapters,
                ranks=ranks,
                break_even={rank: break_even(cache, adapters[rank]) for rank in ranks},
                pretraining=Fraction(model.weight_bytes or 0, statement.tokens or 1)
                if stated
                else None,
                sign={"at_least": "at most ", "about": "about ", "up_to": "at least "}.get(
                    statement.qualifier or "", ""
                ),
                weight_bytes=model.weight_bytes,
                batch=batch,
            )
        )
    marks: tuple[Mark, ...] = ()
    if over == "rank" and len(models) == 1:
        found = named_ranks(
            models[0],
            tokens=tokens,
            batch=batch,
            target_modules=target_modules,
            kv_dtype=kv_dtype,
            lora_dtype=lora_dtype,
            encoder_tokens=encoder_tokens,
            crosscheck=crosscheck,
            capacity=capacity,
            bits_per_token=bits_per_token,
        )
        marks = marks_of(found)
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "hfkv", "font.size": 10, "axes.titlesize": 11}):
        return _over_tokens(series) if over == "tokens" else _over_rank(series, tokens, marks)


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


def _lengths(bends: Sequence[int], last: int = 1_000_000) -> list[int]:
    """Numbers of tokens to draw at: evenly spaced in the logarithm, and at every bend."""
    even = {round(10 ** (step / 40)) for step in range(241)}
    near = {bend + offset for bend in bends for offset in (-1, 0, 1)}
    return sorted(length for length in even | near if 1 <= length <= last)


def _over_tokens(series: Sequence[_Series]) -> Figure:
    several = len(series) > 1
    figure, (axis,) = _figure(1, len(series) if several else 0)
    axis.set_xscale("log")
    axis.set_yscale("log")
    for item, colour, marker in zip(series, _COLOURS, _MARKERS, strict=False):
        lengths = _lengths(item.curve.bends)
        context = [item.curve.bytes(n) / (n * item.batch) for n in lengths]
        axis.plot(lengths, context, color=colour, linewidth=2, label="in context")
        for number, rank in enumerate(item.ranks):
            adapter = item.lora_bytes[rank]
            axis.plot(
                lengths,
                [adapter / (n * item.batch) for n in lengths],
                color=colour if several else _COLOURS[1 + number % 5],
                linewidth=1.6,
                linestyle=_DASHES[number % len(_DASHES)],
                label=f"LoRA r={rank}",
            )
            _mark(axis, item, rank, colour, marker, labelled=not several)
        if item.pretraining is not None:
            axis.axhline(
                float(item.pretraining),
                color=colour if several else "#000000",
                linewidth=1.4,
                linestyle=_DOTS,
                label=f"pretraining, {item.sign}{float(item.pretraining):.2g} B",
            )
    axis.set_xlim(1, 1_000_000)
    axis.set_xlabel("tokens")
    axis.set_ylabel("bytes left behind per token")
    name, how = ("", "How") if several else (f"{series[0].name}: ", "how")
    axis.set_title(f"{name}{how} many bytes does a token leave behind?", loc="left")
    _scales(axis)
    if several:
        _legend_of_models(figure, axis, series)
    else:
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


#: Line styles: of each LoRA rank in turn, and of pretraining.
_DASHES: tuple[Any, ...] = ((0, (5, 2)), (0, (7, 2, 1.5, 2)), (0, (3, 1.5)), (0, (9, 3)))
_DOTS: Any = (0, (1, 1.5))


def _mark(
    axis: Axes, item: _Series, rank: int, colour: str, marker: str, *, labelled: bool
) -> None:
    """The break-even of one adapter, where it lies on the chart."""
    tokens = item.break_even[rank]
    if tokens is None or tokens > 1_000_000:
        return
    height = item.curve.bytes(tokens) / (tokens * item.batch)
    axis.plot([tokens], [height], marker, color=colour, markersize=7, zorder=5, mec="white")
    if labelled:
        rank_text = f" (r={rank})" if len(item.ranks) > 1 else ""
        axis.annotate(
            f"break-even{rank_text}\n{tokens:,} tokens",
            (tokens, height),
            xytext=(8, 8),
            textcoords="offset points",
            fontsize=8.5,
            color=colour,
        )


def _legend_of_models(figure: Figure, axis: Axes, series: Sequence[_Series]) -> None:
    """Styles once, inside the top right corner that falling lines leave free; models below."""
    from matplotlib.lines import Line2D

    styles = [Line2D([], [], color="#555555", linewidth=2, label="in context")]
    styles += [
        Line2D([], [], color="#555555", linestyle=_DASHES[number % 4], label=f"LoRA r={rank}")
        for number, rank in enumerate(series[0].ranks)
    ]
    styles.append(Line2D([], [], color="#555555", linestyle=_DOTS, label="pretraining"))
    axis.legend(handles=styles, loc="upper right", frameon=False, fontsize=9)
    models = [
        Line2D([], [], color=colour, marker=marker, linewidth=2, label=_summary(item))
        for item, colour, marker in zip(series, _COLOURS, _MARKERS, strict=False)
    ]
    figure.legend(handles=models, loc="outside lower center", frameon=False, fontsize=9)


def _summary(item: _Series) -> str:
    """A model's line in the legend. Curves that cross would hide labels beside the marks."""
    first = item.break_even[item.ranks[0]]
    crossing = "no break-even" if first is None else f"break-even at {first:,} tokens"
    if item.pretraining is None:
        return f"{item.name}: {crossing}; pretraining not stated"
    return f"{item.name}: {crossing}; pretraining {item.sign}{float(item.pretraining):.2g} B"


def _scales(axis: Axes) -> None:
    from matplotlib.ticker import FuncFormatter

    def size(value: float, _: object) -> str:
        for suffix, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
            if value >= scale:
                return f"{value / scale:g} {suffix}"
        return f"{value:g} B"

    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.yaxis.set_major_formatter(FuncFormatter(size))


def _over_rank(series: Sequence[_Series], tokens: int, marks: Sequence[Mark]) -> Figure:
    from matplotlib.ticker import FuncFormatter, NullLocator

    several = len(series) > 1
    figure, (top, bottom) = _figure(2, len(series) if several else 0)
    for item, colour, marker in zip(series, _COLOURS, _MARKERS, strict=False):
        if not item.weight_bytes:
            raise UnsupportedError("the size of the weights is not known", where=item.name)
        size = item.curve.bytes(tokens)
        ratios = [size / item.lora_bytes[rank] for rank in _RANKS]
        shares = [100 * item.lora_bytes[rank] / item.weight_bytes for rank in _RANKS]
        band = _band(item, size)
        for axis, values in ((top, ratios), (bottom, shares)):
            axis.plot(
                _RANKS,
                values,
                color=colour,
                marker=marker,
                markersize=4,
                label=f"{item.name}: {_band_text(band)}",
            )
            if band is not None and several:
                # The bands of several models would hide each other; each lies on its own curve.
                low, high = band
                ends = [_between(values, low), _between(values, high)]
                axis.plot(band, ends, color=colour, linewidth=9, alpha=0.28, solid_capstyle="butt")
            elif band is not None:
                axis.axvspan(*band, color=colour, alpha=0.12, linewidth=0)
    for axis in (top, bottom):
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xlim(1, 1024)
    top.axhline(1, color="#555555", linewidth=1, linestyle=(0, (4, 3)))
    top.annotate(
        "as large as the cache", (1.1, 1), xytext=(0, 3), textcoords="offset points", fontsize=8.5
    )
    bottom.axhline(float(100 * SMALL_SHARE), color="#555555", linewidth=1, linestyle=(0, (4, 3)))
    bottom.annotate(
        "1% of the weights", (1.1, 1), xytext=(0, 3), textcoords="offset points", fontsize=8.5
    )
    top.set_ylabel("KV cache / adapter")
    top.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    bottom.set_ylabel("adapter / weights")
    bottom.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%"))
    bottom.set_xlabel("LoRA rank")
    bottom.set_xticks(_RANKS, [str(rank) for rank in _RANKS])
    bottom.xaxis.set_minor_locator(NullLocator())
    name, how = ("", "How") if several else (f"{series[0].name}: ", "how")
    top.set_title(f"{name}{how} far does LoRA compress {tokens:,} tokens of context?", loc="left")
    note = "adapter at most 1% of the weights and at least 1% of the cache's bytes"
    if several:
        handles, labels = top.get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            frameon=False,
            fontsize=9,
            title=f"thick: {note}",
            title_fontsize=9,
        )
    else:
        named = draw_marks((top, bottom), marks, _RANKS[-1])
        shaded = f"shaded, {_band_text(_band(series[0], size))}: {note}"
        bottom.set_xlabel(f"LoRA rank\n{shaded}\n{named}", fontsize=9)
    return figure


def _band(item: _Series, size: int) -> tuple[int, int] | None:
    """The ranks from the first whose adapter is a fair share of a cache of ``size`` bytes to the
    last whose adapter is a small share of the weights; None where no rank of the chart is both."""
    low = max(1, math.ceil(_rank_at(item, size * FAIR_SHARE)))
    high = min(_RANKS[-1], math.floor(_rank_at(item, (item.weight_bytes or 0) * SMALL_SHARE)))
    return (low, high) if low <= high else None


def _band_text(band: tuple[int, int] | None) -> str:
    return "no rank" if band is None else f"ranks {band[0]} to {band[1]}"


def _between(values: Sequence[float], rank: int) -> float:
    """The height of a drawn curve at a rank, straight between its points on the log-log chart."""
    place = min(max(bisect.bisect_right(_RANKS, rank) - 1, 0), len(_RANKS) - 2)
    share = math.log2(rank / _RANKS[place])
    return float(values[place] ** (1 - share) * values[place + 1] ** share)


def _rank_at(item: _Series, size: Fraction) -> Fraction:
    """The rank whose adapter would have that size, on the line through two exact ones."""
    first, last = item.lora_bytes[_RANKS[0]], item.lora_bytes[_RANKS[-1]]
    slope = Fraction(last - first, _RANKS[-1] - _RANKS[0])
    return 1 + (size - first) / slope if slope else Fraction(2**31)


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
    import matplotlib as mpl

    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".hfkv-", suffix=path.suffix)
        os.close(handle)
        try:
            with mpl.rc_context({"svg.hashsalt": "hfkv"}):
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
