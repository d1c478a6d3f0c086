"""How much an adapter could hold, by what the literature finds a parameter to store.

These are models on top of the exact figures, never mixed with them: each has a citation, and how
many bits a token carries is an assumption that is printed with the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["CAPACITIES", "LIMIT", "Capacity"]

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
