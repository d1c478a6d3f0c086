"""The verdict of the cross-check, as every figure's text gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfkv.reading import printable

if TYPE_CHECKING:
    from hfkv.facts.agreement import Agreement

__all__ = ["crosscheck_line"]


def crosscheck_line(agreement: Agreement) -> str:
    """The verdict and what it is about; what differs is told by the first note."""
    told = "see the first note" if agreement.differs else printable(agreement.told, 400)
    return f"{agreement.verdict} ({told})"
