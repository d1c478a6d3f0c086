"""The two charts of the question, as matplotlib figures, saved to PNG, SVG or PDF.

:mod:`~hfkv.render.chart.over_tokens` and :mod:`~hfkv.render.chart.over_rank` draw one each, from
the numbers of :mod:`hfkv.comparison.series`, in a :class:`~hfkv.render.chart.style.Style`, with
:mod:`~hfkv.render.chart.labels` kept apart; :mod:`~hfkv.render.chart.entry` is the way in.
"""

from hfkv.render.chart.entry import chart_of, draw, matplotlib, plot
from hfkv.render.chart.file import save
from hfkv.render.chart.style import STYLES, StyleName

__all__ = ["STYLES", "StyleName", "chart_of", "draw", "matplotlib", "plot", "save"]
