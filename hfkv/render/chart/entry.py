"""The way in: models to a chart's numbers, numbers to a figure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

from hfkv.comparison.series import OverRank, OverTokens, over_rank, over_tokens
from hfkv.comparison.side_by_side import loaded
from hfkv.errors import HfkvError, InputError, InputTypeError, MissingDependencyError
from hfkv.model import Model, ModelLike
from hfkv.reading import describe, text_of
from hfkv.render.chart.style import MOST_MODELS, SIZE, STYLES, StyleName, empty, headed, settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hfkv.comparison.rules import Assumed
    from hfkv.source import Source

__all__ = ["chart_of", "draw", "matplotlib", "plot"]

#: Inches that a figure can reasonably have.
_SMALLEST, _LARGEST = 2.0, 60.0


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


def plot(
    models: ModelLike | Model | Sequence[ModelLike | Model],
    *,
    over: Literal["tokens", "rank"] = "tokens",
    style: StyleName = "light",
    size: tuple[float, float] | None = None,
    title: bool | str = True,
    tokens: int = 100_000,
    batch: int = 1,
    r: int | Sequence[int] = 32,
    target_modules: str | Iterable[str] | None = "all-linear",
    kv_dtype: str = "auto",
    lora_dtype: str = "auto",
    encoder_tokens: int | None = None,
    crosscheck: bool = True,
    pretraining_tokens: int | None = None,
    assumed: Assumed | None = None,
    revision: str | None = None,
    source: Source = "auto",
    token: str | bool | None = None,
    transformers: str | None = None,
) -> Figure:
    """Draw one of the two charts: what ``hfkv plot`` draws, as a matplotlib figure.

    Args:
        models: one or several, by name or loaded.
        over: ``tokens``: bytes per token against tokens; ``rank``: compression against LoRA's rank.
        style: ``light`` or ``dark``.
        size: width and height in inches; 8.4 by 5.4, and more for several models, unless given.
        title: above the chart; False for none (in a paper the caption says it), or a text.
        tokens: the length at which values are read off, and that the chart over ranks is of.
        batch, target_modules, kv_dtype, lora_dtype: as in :func:`hfkv.compare`.
        r: one rank or, over tokens, several.
        encoder_tokens, crosscheck: as in :meth:`hfkv.Model.kv_cache`.
        pretraining_tokens: a count of your own, for one model.
        assumed: what the rules behind the marks take for granted.
        revision, source, token, transformers: as in :func:`hfkv.load`.

    Returns:
        A figure with a canvas of its own: a notebook shows it, ``savefig`` writes it, pyplot need
        not be imported.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        HfkvError: a model cannot be read, or a figure that the chart needs cannot be had.

    >>> figure = plot("meta-llama/Meta-Llama-3-70B", source="snapshot", style="dark")
    >>> figure.axes[0].get_xlabel()
    'tokens'
    """
    matplotlib()  # what cannot be drawn need not be read
    _check_look(style, size)
    chart = chart_of(
        models,
        over=over,
        tokens=tokens,
        batch=batch,
        r=r,
        target_modules=target_modules,
        kv_dtype=kv_dtype,
        lora_dtype=lora_dtype,
        encoder_tokens=encoder_tokens,
        crosscheck=crosscheck,
        pretraining_tokens=pretraining_tokens,
        assumed=assumed,
        revision=revision,
        source=source,
        token=token,
        transformers=transformers,
    )
    return draw(chart, style=style, size=size, title=title)


def chart_of(
    models: ModelLike | Model | Sequence[ModelLike | Model],
    *,
    over: Literal["tokens", "rank"] = "tokens",
    r: int | Sequence[int] = 32,
    pretraining_tokens: int | None = None,
    assumed: Assumed | None = None,
    revision: str | None = None,
    source: Source = "auto",
    token: str | bool | None = None,
    transformers: str | None = None,
    **asked: Any,
) -> OverTokens | OverRank:
    """The numbers that :func:`plot` draws.

    Raises:
        HfkvError: as :func:`plot`.
    """
    from collections.abc import Mapping

    alone = isinstance(models, (str, bytes, os.PathLike, Mapping, Model))
    items: Any = [models] if alone or not isinstance(models, Iterable) else list(models)
    if over not in ("tokens", "rank"):
        raise InputError(f"found {describe(over)}", where="`over`", expected="'tokens' or 'rank'")
    if pretraining_tokens is not None and len(items) > 1:
        raise InputError("it goes with one model", where="`pretraining_tokens`")
    found: list[Model] = []
    for item in loaded(
        items, revision=revision, source=source, token=token, transformers=transformers
    ):
        if isinstance(item, HfkvError):
            raise item
        given = pretraining_tokens
        found.append(item if given is None else item.with_pretraining(given))
    if over == "tokens":
        return over_tokens(found, r=r, **asked)
    if not isinstance(r, int):
        raise InputTypeError(f"found {describe(r)}", where="`r`", expected="one rank over ranks")
    return over_rank(found, r=r, assumed=assumed, **asked)


def _check_look(style: object, size: object) -> None:
    """Refuse a style or a size that no figure has, before anything is read."""
    styles = " or ".join(map(repr, STYLES))
    if text_of(style, "`style`", styles) not in STYLES:
        raise InputError(f"found {describe(style)}", where="`style`", expected=styles)
    if size is None:
        return
    sides = list(size) if isinstance(size, Iterable) and not isinstance(size, str) else []
    if len(sides) != 2 or any(
        isinstance(side, bool) or not isinstance(side, Real) for side in sides
    ):
        raise InputTypeError(
            f"found {describe(size)}", where="`size`", expected="width and height in inches"
        )
    if not all(_SMALLEST <= side <= _LARGEST for side in sides):
        raise InputError(
            f"found {sides[0]:g} x {sides[1]:g}",
            where="`size`",
            expected=f"{_SMALLEST:g} to {_LARGEST:g} inches each way",
        )


def draw(
    chart: OverTokens | OverRank,
    *,
    style: StyleName = "light",
    size: tuple[float, float] | None = None,
    title: bool | str = True,
) -> Figure:
    """The figure of a chart's numbers.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        InputError: there are more models than can be told apart, or no such style or size.
        UnsupportedError: a model in the chart over ranks has no known size of its weights.
    """
    if not 1 <= len(chart.models) <= MOST_MODELS:
        raise InputError(f"{len(chart.models)} models", expected=f"1 to {MOST_MODELS} in one chart")
    _check_look(style, size)
    # The models are listed below the chart, unless the size is settled.
    width, height = (
        tuple(size) if size is not None else (SIZE[0], SIZE[1] + 0.2 * len(chart.models[1:]))
    )
    matplotlib()
    from hfkv.render.chart import over_rank as ranks
    from hfkv.render.chart import over_tokens as lengths

    colours = STYLES[style]
    with settings():
        figure, axis = empty(colours, (width, height))
        heads = lengths.heads(chart) if isinstance(chart, OverTokens) else ranks.heads(chart)
        if title is not False:
            headed(figure, axis, colours, title if isinstance(title, str) else heads[0], heads[1])
        if isinstance(chart, OverTokens):
            lengths.draw_over_tokens(chart, figure, axis, colours)
        else:
            ranks.draw_over_rank(chart, figure, axis, colours)
    return figure
