"""The two charts of the question, as matplotlib figures saved to PNG, SVG or PDF."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfkv.comparison.breakeven import break_even
from hfkv.errors import InputError, SourceError, UnsupportedError
from hfkv.model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw", "save"]

#: Okabe and Ito's palette, which colour-blind readers can tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
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
    break_even: int | None
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
) -> Figure:
    """One chart for one or several models.

    Args:
        models: loaded models, at most seven.
        over: ``tokens`` (bytes per token against tokens) or ``rank`` (compression against rank).
        tokens, batch, r, target_modules, kv_dtype, lora_dtype: as in :func:`hfkv.compare`;
            ``r`` may be several ranks for the chart over tokens.

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
                break_even=break_even(cache, adapters[ranks[0]]),
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
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "hfkv", "font.size": 10, "axes.titlesize": 11}):
        return _over_tokens(series) if over == "tokens" else _over_rank(series, tokens)


def _figure(panels: int) -> tuple[Figure, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 5.0 if panels == 1 else 6.6), dpi=150, layout="constrained")
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
    figure, (axis,) = _figure(1)
    axis.set_xscale("log")
    axis.set_yscale("log")
    several = len(series) > 1
    for item, colour in zip(series, _COLOURS, strict=False):
        lengths = _lengths(item.curve.bends)
        label = f"{item.name}: " if several else ""
        context = [item.curve.bytes(n) / (n * item.batch) for n in lengths]
        axis.plot(lengths, context, color=colour, linewidth=2, label=f"{label}in context")
        for number, rank in enumerate(item.ranks):
            adapter = item.lora_bytes[rank]
            axis.plot(
                lengths,
                [adapter / (n * item.batch) for n in lengths],
                color=colour if several else _COLOURS[1 + number % 5],
                linewidth=1.6,
                linestyle=(0, (5, 2)),
                label=f"{label}LoRA r={rank}{_crossing(item) if several and not number else ''}",
            )
        if item.pretraining is not None:
            axis.axhline(
                float(item.pretraining),
                color=colour if several else _COLOURS[2],
                linewidth=1.4,
                linestyle=(0, (1, 1.5)),
                label=f"{label}pretraining, {item.sign}{float(item.pretraining):.2g} B",
            )
        if item.break_even is not None and item.break_even <= 1_000_000:
            height = item.curve.bytes(item.break_even) / (item.break_even * item.batch)
            axis.plot([item.break_even], [height], "o", color=colour, markersize=6, zorder=5)
            if not several:
                axis.annotate(
                    f"break-even\n{item.break_even:,} tokens",
                    (item.break_even, height),
                    xytext=(8, 8),
                    textcoords="offset points",
                    fontsize=8.5,
                    color=colour,
                )
    axis.set_xlim(1, 1_000_000)
    axis.set_xlabel("tokens")
    axis.set_ylabel("bytes left behind per token")
    name = "" if several else f"{series[0].name}: "
    axis.set_title(f"{name}bytes that a token leaves behind", loc="left")
    _scales(axis)
    figure.legend(loc="outside lower center", ncols=3 if not several else 2, frameon=False)
    return figure


def _crossing(item: _Series) -> str:
    """Where several curves cross, labels beside the marks would hide each other."""
    if item.break_even is None:
        return ", no break-even"
    return f", break-even {item.break_even:,}"


def _scales(axis: Axes) -> None:
    from matplotlib.ticker import FuncFormatter

    def size(value: float, _: object) -> str:
        for suffix, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
            if value >= scale:
                return f"{value / scale:g} {suffix}"
        return f"{value:g} B"

    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.yaxis.set_major_formatter(FuncFormatter(size))


def _over_rank(series: Sequence[_Series], tokens: int) -> Figure:
    from matplotlib.ticker import FuncFormatter, NullLocator

    figure, (top, bottom) = _figure(2)
    several = len(series) > 1
    for item, colour in zip(series, _COLOURS, strict=False):
        if not item.weight_bytes:
            raise UnsupportedError("the size of the weights is not known", where=item.name)
        size = item.curve.bytes(tokens)
        ratios = [size / item.lora_bytes[rank] for rank in _RANKS]
        shares = [100 * item.lora_bytes[rank] / item.weight_bytes for rank in _RANKS]
        top.plot(_RANKS, ratios, color=colour, marker="o", markersize=3.5, label=item.name)
        bottom.plot(_RANKS, shares, color=colour, marker="o", markersize=3.5)
        low = _rank_at(item, size * FAIR_SHARE)
        high = _rank_at(item, item.weight_bytes * SMALL_SHARE)
        if low < high:
            for axis in (top, bottom):
                axis.axvspan(
                    max(low, 1),
                    min(high, 1024),
                    color=colour,
                    alpha=0.12 if not several else 0.07,
                    linewidth=0,
                )
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
    name = "" if several else f"{series[0].name}: "
    top.set_title(f"{name}compression of {tokens:,} tokens of context by LoRA", loc="left")
    note = "shaded: adapter at most 1% of the weights and at least 1% of the cache's bytes"
    if several:
        figure.legend(loc="outside lower center", ncols=3, frameon=False, title=note)
    else:
        bottom.set_xlabel(f"LoRA rank\n{note}")
    return figure


def _rank_at(item: _Series, size: Fraction) -> float:
    """The rank whose adapter would have that size, on the line through two exact ones."""
    first, last = item.lora_bytes[_RANKS[0]], item.lora_bytes[_RANKS[-1]]
    slope = Fraction(last - first, _RANKS[-1] - _RANKS[0])
    return float(1 + (size - first) / slope) if slope else float("inf")


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
