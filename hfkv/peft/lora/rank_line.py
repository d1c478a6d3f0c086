"""Parameters as a function of the rank, so that no adapter is counted twice for another rank."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["RankLine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankLine:
    """Every low-rank part grows in step with ``r``, and the rest (DoRA, saved modules, ranks given
    by pattern) does not: a line, over the ranks that PEFT takes.

    Attributes:
        slope: parameters that one more of ``r`` adds.
        constant: parameters that do not depend on ``r``.
        step: ``r`` must be a multiple of it (groups of a convolution, blocks of BD-LoRA).
        most: no greater ``r`` is possible (KaSA, MiCA); None where any is.

    >>> line = RankLine(slope=125, constant=8)
    >>> line.parameters(1), line.smallest(1009), line.largest(1008)
    (133, 9, 8)
    >>> RankLine(slope=125, constant=8, step=4, most=16).largest(10**6)
    16
    """

    slope: int
    constant: int
    step: int = 1
    most: int | None = None

    def takes(self, r: int) -> bool:
        """Whether PEFT makes the adapter at this rank."""
        return r >= 1 and r % self.step == 0 and (self.most is None or r <= self.most)

    def parameters(self, r: int) -> int:
        """Parameters at a rank that PEFT takes."""
        return self.constant + self.slope * r

    def smallest(self, parameters: Fraction | int) -> int | None:
        """The smallest rank with at least so many parameters; None if there is none."""
        missing = Fraction(parameters) - self.constant
        if self.slope == 0 and missing > 0:
            return None
        least = 1 if missing <= 0 else -(-missing // self.slope)
        r = -(-least // self.step) * self.step
        return r if self.takes(r) else None

    def largest(self, parameters: Fraction | int) -> int | None:
        """The largest rank with no more parameters; None if there is none, or no largest one."""
        if self.slope == 0:
            return None
        r = int((Fraction(parameters) - self.constant) // self.slope)
        r = r if self.most is None else min(r, self.most)
        r -= r % self.step
        return r if r >= 1 else None
