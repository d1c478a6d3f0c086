"""Rules for choosing a rank, side by side: each with its source and with what it assumes.

None of them is exact. What is exact is the size that they are held against, a line over the rank; a
rule says at how many parameters it turns, and from which side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from hfkv.errors import HfkvError, InputError
from hfkv.json_value import attributes
from hfkv.model import Model
from hfkv.peft.lora.rank_line import RankLine
from hfkv.units import format_bytes

__all__ = ["LEFT_OUT", "Assumed", "LeftOut", "RankRule", "rules", "verdict"]

#: How many times less memory than the context a trained cartridge was found to need.
_CARTRIDGE = Fraction(386, 10)
#: Bits that a parameter was found to store, with the place.
_CAPACITIES = (
    (
        "facts",
        Fraction(2),
        "Physics of Language Models: Part 3.3 (Allen-Zhu and Li, arXiv 2404.05405)",
        "as a model's does of synthetic facts after long training",
    ),
    (
        "memorization",
        Fraction(36, 10),
        "How much do language models memorize? (Morris and others, arXiv 2505.24832)",
        "as a GPT-like model's does of what it memorizes",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A published rule that names no rank here.

    Attributes:
        name, source: of the rule.
        reason: why it is not applied.
    """

    name: str
    source: str
    reason: str


LEFT_OUT = (
    LeftOut(
        name="parametric memory law",
        source="How LoRA Remembers? A Parametric Memory Law for LLM Finetuning (arXiv 2605.30260)",
        reason="its constants belong to a model and a text, and the long-context runs of its "
        "repository adapt the MLP of one layer of two models of 8B, at ranks 1 to 512 and 50 to "
        "10,000 tokens: it names no rank for an adapter of all layers",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What the rules take for granted, settable.

    Attributes:
        bits_per_token: what a token carries beyond what the model knows.
        bits_source: where that number is from.
        data_bits: bits of all the data together, in place of ``bits_per_token``.
        max_share: the largest share of the weights' bytes that an adapter may have.
        max_bytes: the most bytes it may have; None for no such limit.
        cartridge: virtual tokens of the cartridge it is compared with; None for the published
            ratio to the context.
    """

    bits_per_token: Fraction = Fraction(1)
    bits_source: str = "about the loss of language data: LoRA Without Regret, Thinking Machines Lab"
    data_bits: Fraction | None = None
    max_share: Fraction = Fraction(1, 100)
    max_bytes: int | None = None
    cartridge: int | None = None

    def __post_init__(self) -> None:
        for name in ("bits_per_token", "data_bits", "max_share", "max_bytes", "cartridge"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InputError("not positive", where=f"`{name}`")

    def bits(self, tokens: int) -> Fraction:
        """Bits of the data."""
        return tokens * self.bits_per_token if self.data_bits is None else self.data_bits

    @property
    def said(self) -> str:
        """The assumption about the data, in words."""
        if self.data_bits is not None:
            return f"the data holds {int(self.data_bits):,} bits ({self.bits_source})"
        bits = float(self.bits_per_token)
        return f"a token carries {bits:.3g} bit{'' if bits == 1 else 's'} ({self.bits_source})"


@dataclass(frozen=True, slots=True, kw_only=True)
class RankRule:
    """One rule.

    Attributes:
        name: its key: ``cache``, ``share``, ``bytes``, ``cartridge``, ``tokens``, ``facts`` or
            ``memorization``.
        label: what it compares with, for reading.
        bound: ``most``: the largest rank that is small enough; ``least``: the smallest that is
            large enough.
        rank: that rank; None where there is none.
        parameters: at which it turns; None where that is not known.
        source: who says so.
        assumption: what must be granted for it to mean anything.
        reason: why there is no rank, or "".
    """

    name: str
    label: str
    bound: Literal["most", "least"]
    rank: int | None
    parameters: Fraction | None
    source: str
    assumption: str
    reason: str = ""

    def met(self, parameters: int) -> bool:
        """Whether an adapter of so many parameters keeps to it."""
        if self.parameters is None:
            return False
        if self.bound == "most":
            return parameters <= self.parameters
        return parameters >= self.parameters

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return attributes(self, "name label bound rank parameters source assumption reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measure:
    """What the rules measure with: the adapter's line over the rank, and bytes of a parameter."""

    line: RankLine
    width: Fraction
    reasons: dict[str, str] = field(default_factory=dict)

    def most(self, name: str, label: str, size: Fraction | int | None, **said: str) -> RankRule:
        """The rule that the adapter has no more than ``size`` bytes."""
        limit = None if size is None else size / self.width
        rank = None if limit is None else self.line.largest(limit)
        return self._rule(name, label, "most", rank, limit, **said)

    def least(self, name: str, label: str, parameters: Fraction | int, **said: str) -> RankRule:
        """The rule that the adapter has no fewer parameters."""
        rank = self.line.smallest(parameters)
        return self._rule(name, label, "least", rank, Fraction(parameters), **said)

    def _rule(
        self,
        name: str,
        label: str,
        bound: Literal["most", "least"],
        rank: int | None,
        limit: Fraction | None,
        *,
        source: str,
        assumption: str,
        unknown: str = "",
    ) -> RankRule:
        reason = ""
        if limit is None:
            reason = unknown
        elif rank is None and not self.line.slope:
            reason = "the size of this adapter does not depend on the rank"
        elif rank is None and bound == "most":
            reason = f"even rank {self.line.step} is larger"
        elif rank is None:
            reason = f"even rank {self.line.most:,}, the largest, is smaller"
        return RankRule(
            name=name,
            label=label,
            bound=bound,
            rank=rank,
            parameters=limit,
            source=source,
            assumption=assumption,
            reason=reason,
        )


def rules(
    model: Model,
    *,
    line: RankLine,
    width: Fraction,
    tokens: int,
    cache_bytes: int,
    kv_dtype: str = "auto",
    assumed: Assumed | None = None,
) -> tuple[RankRule, ...]:
    """Every rule for a model, those that bound the rank from above first.

    Args:
        model: the model.
        line: parameters of its adapter over the rank.
        width: bytes of one of them.
        tokens: of all sequences together.
        cache_bytes: of the cache they leave.
        kv_dtype: element type of the cache, and of a cartridge.
        assumed: what the rules take for granted.
    """
    assumed = assumed or Assumed()
    measure = _Measure(line=line, width=width)
    weights = model.weight_bytes
    share = f"{float(100 * assumed.max_share):g}% of the weights"
    found = [
        measure.most(
            "cache",
            "bytes of the cache",
            cache_bytes,
            source="arithmetic: the exact bytes of both",
            assumption="it should leave no more bytes than the context that it replaces",
        ),
        measure.most(
            "share",
            share,
            None if weights is None else weights * assumed.max_share,
            source="a convention, with no measurement behind it",
            assumption="it should be a small fraction of the model",
            unknown="no weights were seen",
        ),
    ]
    if assumed.max_bytes is not None:
        found.append(
            measure.most(
                "bytes",
                f"{format_bytes(assumed.max_bytes)} at most",
                assumed.max_bytes,
                source="given",
                assumption="so much room and no more",
            )
        )
    found.append(_cartridge(model, measure, tokens, kv_dtype, assumed.cartridge))
    found.append(
        measure.least(
            "tokens",
            "a parameter for each token",
            tokens,
            source="LoRA primer of Tinker (Thinking Machines Lab): a very rough approximation",
            assumption="every token is trained on, as a completion is",
        )
    )
    found += [
        measure.least(
            name,
            f"{float(bits):g} bits in a parameter",
            assumed.bits(tokens) / bits,
            source=source,
            assumption=f"{assumed.said}, and an adapter's parameter stores as much {where}: a "
            "floor, not what training will reach",
        )
        for name, bits, source, where in _CAPACITIES
    ]
    return tuple(found)


def _cartridge(
    model: Model, measure: _Measure, tokens: int, kv_dtype: str, asked: int | None
) -> RankRule:
    virtual = asked if asked is not None else max(1, -int(-tokens // _CARTRIDGE))
    reason, size = "", None
    try:
        # A frozen token at its start is one that is held as well.
        trained = model.cartridge(tokens=virtual, dtype=kv_dtype, num_frozen_tokens=0)
        size = trained.bytes
    except HfkvError as error:
        reason = f"PEFT makes no cartridge for it: {error}"
    return measure.most(
        "cartridge",
        f"bytes of a cartridge of {virtual:,} tokens",
        size,
        source="given"
        if asked is not None
        else "Cartridges (Eyuboglu and others, arXiv 2506.06266): as good as the context in 38.6 "
        "times less memory",
        assumption="it should leave no more bytes than a trained cache"
        + ("" if asked is not None else ", and that does here what it did on their benchmarks"),
        unknown=reason,
    )


def verdict(found: tuple[RankRule, ...], step: int = 1) -> str:
    """What the rules agree on and where they do not, in plain words.

    Args:
        found: the rules.
        step: the smallest rank that there is.
    """
    known = [rule for rule in found if rule.parameters is not None]
    said = [
        f"No rank is {'small' if rule.bound == 'most' else 'large'} enough for "
        f"'{rule.label}': {rule.reason}."
        for rule in known
        if rule.rank is None
    ]
    above = sorted(
        (rule.rank, rule.label) for rule in known if rule.bound == "most" and rule.rank is not None
    )
    below = sorted(
        (rule.rank, rule.label) for rule in known if rule.bound == "least" and rule.rank is not None
    )
    others = "other rules" if said else "rules"
    if above and below:
        (high, upper), (low, lower) = above[0], below[-1]
        if low <= high:
            span = f"rank {low:,} alone" if low == high else f"ranks {low:,} to {high:,}"
            said.append(f"The {others} agree on {span}.")
        else:
            said.append(
                f"The {others} contradict each other: '{lower}' asks for rank {low:,} and more, "
                f"'{upper}' allows {high:,} at most."
            )
    if len(above) > 1 and above[0][0] != above[-1][0]:
        said.append(
            f"How large is too large they do not agree on: rank {above[0][0]:,} by "
            f"'{above[0][1]}', {above[-1][0]:,} by '{above[-1][1]}'."
        )
    if below and below[-1][0] <= step:
        said.append(
            "What the data needs is met by every rank, so the rules about it say nothing on which "
            "to take."
        )
    elif len(below) > 1 and below[0][0] != below[-1][0]:
        said.append(
            f"How much the data needs they do not agree on: rank {below[0][0]:,} by "
            f"'{below[0][1]}', {below[-1][0]:,} by '{below[-1][1]}'."
        )
    said.append("None of them knows what is learned: that only training shows.")
    return " ".join(said)
