"""``--strict``: a figure that is not exact is an error."""

from __future__ import annotations

from typing import Any

import click

from hfkv.errors import UnsupportedError
from hfkv.reading import printable

__all__ = ["doubt", "refusal", "require_exact", "strict_option"]

strict_option = click.option(
    "--strict", is_flag=True, help="Refuse a figure that is not exact, or that comes with warnings."
)


def doubt(figure: Any) -> str:
    """Why a figure is not to be taken without a look; "" where it is exact and nothing is said
    against it. Of a sum it names the parts that are not exact."""
    warnings = getattr(figure, "warnings", ())
    if figure.basis == "exact" and not warnings:
        return ""
    parts = [part for part in getattr(figure, "parts", ()) if part.basis != "exact"]
    if parts:
        return "; ".join(f"the basis of {part.name} is {part.basis}" for part in parts)
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
        raise refusal(why, figure.model)


def refusal(why: str, model: str) -> UnsupportedError:
    """The error in the place of a figure of ``model`` that is in doubt."""
    return UnsupportedError(
        why,
        where=model,
        expected="an exact figure, as --strict asks for",
        hint="without --strict the figure is given, with what is known of it",
    )
