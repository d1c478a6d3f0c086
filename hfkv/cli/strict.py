"""``--strict``: a figure that is not exact is an error."""

from __future__ import annotations

from typing import Any

import click

from hfkv.errors import UnsupportedError
from hfkv.reading import printable

__all__ = ["doubt", "require_exact", "strict_option"]

strict_option = click.option(
    "--strict", is_flag=True, help="Refuse a figure that is not exact, or that comes with warnings."
)


def doubt(figure: Any) -> str:
    """Why a figure is not to be taken without a look; "" where it is exact and nothing is said
    against it."""
    warnings = getattr(figure, "warnings", ())
    if figure.basis == "exact" and not warnings:
        return ""
    why = warnings[0] if warnings else next(iter(figure.notes), "")
    known = f"its basis is {figure.basis}" if figure.basis != "exact" else "it comes with a warning"
    return f"{known}: {printable(why, 600)}" if why else known


def require_exact(figure: Any) -> None:
    """End a command that was asked to be strict.

    Raises:
        UnsupportedError: the figure is not exact, or comes with warnings.
    """
    why = doubt(figure)
    if why:
        raise UnsupportedError(
            why,
            where=figure.model,
            expected="an exact figure, as --strict asks for",
            hint="without --strict the figure is given, with what is known of it",
        )
