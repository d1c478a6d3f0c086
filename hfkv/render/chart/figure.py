"""A figure that a notebook shows without pyplot, which would keep every figure there is."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["Chart"]


class Chart(Figure):
    """A matplotlib figure with a canvas of its own."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        made = BytesIO()
        self.savefig(made, format="png", facecolor=self.get_facecolor())
        return made.getvalue()
