"""Whether a header, a config and a class agree: one verdict, for every figure of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["CONTRADICTED", "NOTHING", "Agreement", "Verdict"]

Verdict = Literal["agrees", "differs", "nothing to compare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What came of holding a checkpoint's header against what is made of its config.

    Attributes:
        verdict: ``agrees``, ``differs``, or ``nothing to compare``.
        told: what was compared, what differs, or why there was nothing.
    """

    verdict: Verdict
    told: str

    @property
    def differs(self) -> bool:
        """Whether a figure of it cannot be called exact."""
        return self.verdict == "differs"

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {"verdict": self.verdict, "told": self.told}


#: The basis of a figure whose class, config and header do not agree.
CONTRADICTED = "contradicted"
#: Of figures that no header stands behind.
NOTHING = Agreement(verdict="nothing to compare", told="no header was read")
