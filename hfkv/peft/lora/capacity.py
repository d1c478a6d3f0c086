"""How much an adapter could hold, by what the literature finds a parameter to store.

These are models on top of the exact figures, never mixed with them: each has a citation, and how
many bits a token carries is an assumption that is printed with the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from hfkv.errors import InputError

__all__ = ["CAPACITIES", "LIMIT", "Affine", "Capacity"]

#: Why a rank below the tokens' needs is worth a warning.
LIMIT = (
    "LoRA falls behind full fine-tuning when the data's information exceeds the adapter's "
    "capacity: LoRA Without Regret (Schulman and Thinking Machines Lab, 2025)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """A finding about how much a parameter stores.

    Attributes:
        name: its key.
        bits: bits per parameter.
        citation: where it was found, and of what.
        paper: the paper, for labels.
    """

    name: str
    bits: Fraction
    citation: str
    paper: str


CAPACITIES = {
    item.name: item
    for item in (
        Capacity(
            name="facts",
            bits=Fraction(2),
            citation="about 2 bits of knowledge per parameter: Physics of Language Models: "
            "Part 3.3, Knowledge Capacity Scaling Laws (arXiv 2404.05405)",
            paper="arXiv 2404.05405",
        ),
        Capacity(
            name="memorization",
            bits=Fraction(36, 10),
            citation="about 3.6 bits per parameter: How much do language models memorize? "
            "(arXiv 2505.24832)",
            paper="arXiv 2505.24832",
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine:
    """Parameters as a function of the rank: every low-rank part grows in step with it, and the
    rest (DoRA, saved modules, ranks given by pattern) does not.

    Attributes:
        slope: parameters that one more rank adds.
        constant: parameters at rank 0.

    >>> line = Affine.through(8, 1008, 16, 2008)
    >>> line.parameters(1), line.smallest(1009), line.largest(1008)
    (133, 9, 8)
    """

    slope: int
    constant: int

    @classmethod
    def through(cls, r1: int, parameters1: int, r2: int, parameters2: int) -> Affine:
        """The line through two counts."""
        slope, rest = divmod(parameters2 - parameters1, r2 - r1)
        if rest or slope < 0:
            raise InputError("the counts are not on a line", where="rank")
        return cls(slope=slope, constant=parameters1 - slope * r1)

    def parameters(self, r: int) -> int:
        """Parameters at rank ``r``."""
        return self.constant + self.slope * r

    def smallest(self, parameters: Fraction | int) -> int | None:
        """The smallest rank of at least 1 with so many parameters; None if there is none."""
        missing = Fraction(parameters) - self.constant
        if missing <= self.slope:
            return 1
        return None if self.slope == 0 else -(-missing // self.slope)

    def largest(self, parameters: Fraction | int) -> int | None:
        """The largest rank with no more parameters; None if rank 1 has more, or none has."""
        room = Fraction(parameters) - self.constant
        if self.slope == 0 or room < self.slope:
            return None
        return int(room // self.slope)

    def covers(self, tokens: int, bits_per_token: Fraction, capacity: Capacity) -> int | None:
        """The smallest rank that could hold what the tokens carry."""
        return self.smallest(tokens * bits_per_token / capacity.bits)
