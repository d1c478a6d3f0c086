"""The chart over ranks: compression and share of the weights, with the ranks that rules name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from hfkv.comparison.rank import RANKS, Ranks
from hfkv.comparison.rank import ranks as named_ranks
from hfkv.comparison.rules import Assumed
from hfkv.comparison.series.axis import Axis, Targets, at_least_one, name_of, named_targets
from hfkv.json_value import json_value
from hfkv.model import Model

if TYPE_CHECKING:
    from hfkv.engines import Engine

__all__ = ["Band", "ModelOverRank", "OverRank", "RankMark", "RankPoint", "Rule", "over_rank"]


_MEASURES = (
    Axis(field="compression", label="KV cache / adapter", unit="ratio"),
    Axis(field="share_of_weights", label="adapter / weights", unit="ratio"),
)
_RANKS = Axis(field="r", label="LoRA rank", unit="rank", scale="log2", domain=(RANKS[0], RANKS[-1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class RankPoint:
    """The adapter of one rank.

    Attributes:
        r: the rank.
        parameters, bytes: of the adapter.
        compression: the cache's bytes over the adapter's.
        share_of_weights: the adapter's bytes over those of the weights; None without a header.
    """

    r: int
    parameters: int
    bytes: int
    compression: Fraction
    share_of_weights: Fraction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What makes a rank one of the sweet spot: a convention for the eye, not an exact figure.

    Attributes:
        label: the rule in words.
        share_of_weights: the adapter has at most this share of the bytes of the weights,
        share_of_cache: and at least this share of those of the cache.
    """

    label: str = "adapter at most 1% of the weights and at least 1% of the cache's bytes"
    share_of_weights: Fraction = Fraction(1, 100)
    share_of_cache: Fraction = Fraction(1, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The ranks of a sweet spot, both ends among them."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RankMark:
    """The rank that a rule names.

    Attributes:
        name: the rule's.
        label: what it is, for reading.
        r: which, also beyond the end of the chart; None where no rank is one.
        bound: ``most`` or ``least``. What the data needs at least is told and never drawn: it is a
            floor far below what one would take, no place to look at.
        source, assumption: the rule's.
    """

    name: str
    label: str
    r: int | None
    bound: Literal["most", "least"]
    source: str
    assumption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOverRank:
    """One model in the chart over ranks.

    Attributes:
        model: what was asked; name: the last part of it, for labels.
        kv_cache_bytes: of the cache after the chart's tokens; kv_cache_basis: how they are known;
            kv_cache_dtype: their element type.
        lora_dtype: element type of the adapters; lora_basis: how their bytes are known.
        weight_bytes: of the checkpoint; None without a header.
        points: rank 1 to 1024.
        asked: the rank that was asked about.
        sweet_spot: the ranks that the chart's rule holds for; None where it holds for none.
        marks: the ranks that have a name.
    """

    model: str
    name: str
    kv_cache_bytes: int
    kv_cache_basis: str
    kv_cache_dtype: str
    lora_dtype: str
    lora_basis: str
    weight_bytes: int | None
    points: tuple[RankPoint, ...]
    asked: RankPoint
    sweet_spot: Band | None
    marks: tuple[RankMark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OverRank:
    """Compression and share of the weights against the LoRA rank, for some models.

    Attributes:
        title: the question that the chart answers.
        x, y: the axes.
        tokens: in each sequence of the cache; batch: sequences.
        target_modules: what LoRA adapts; ``default`` is PEFT's own mapping.
        rule: of the sweet spot.
        models: in the order that was asked.
    """

    over: Literal["rank"] = "rank"
    title: str
    x: Axis = _RANKS
    y: tuple[Axis, ...] = _MEASURES
    tokens: int
    batch: int
    target_modules: Targets
    rule: Rule = Rule()
    models: tuple[ModelOverRank, ...]

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value, its keys named as the attributes."""
        value: dict[str, Any] = json_value(self)
        return value


def over_rank(
    models: Sequence[Model],
    *,
    tokens: int = 100_000,
    batch: int = 1,
    r: int = 32,
    target_modules: str | Iterable[str] | None = "all-linear",
    kv_dtype: str = "auto",
    lora_dtype: str = "auto",
    encoder_tokens: int | None = None,
    crosscheck: bool = True,
    engine: Engine | None = None,
    assumed: Assumed | None = None,
) -> OverRank:
    """The numbers of the chart over ranks.

    Args:
        models: loaded models.
        r: a rank whose figures are given beside those of the axis.
        tokens, batch, target_modules, kv_dtype, lora_dtype: as in :func:`hfkv.compare`.
        encoder_tokens, crosscheck, engine: as in :meth:`hfkv.Model.kv_cache`.
        assumed: what the rules behind the marks take for granted.

    Raises:
        InputError: an argument is not usable.
        HfkvError: a figure that the chart needs cannot be had.

    >>> import hfkv
    >>> llama = hfkv.load("meta-llama/Meta-Llama-3-70B", source="snapshot")
    >>> (model,) = over_rank([llama]).models
    >>> model.sweet_spot, [mark.r for mark in model.marks if mark.bound == "most"]
    (Band(first=13, last=54), [1265, 54, 32])
    """
    at_least_one(models)
    found = []
    for model in models:
        named = named_ranks(
            model,
            tokens=tokens,
            batch=batch,
            target_modules=target_modules,
            kv_dtype=kv_dtype,
            lora_dtype=lora_dtype,
            encoder_tokens=encoder_tokens,
            crosscheck=crosscheck,
            engine=engine,
            assumed=assumed,
        )
        for rank in sorted({*RANKS, r} - {row.r for row in named.rows}):
            # PEFT makes no such adapter, and says why.
            model.lora(r=rank, target_modules=target_modules, dtype=lora_dtype)
        cache, weights = named.kv_cache_bytes, named.weight_bytes
        points = tuple(
            RankPoint(
                r=row.r,
                parameters=row.parameters,
                bytes=row.bytes,
                compression=row.compression,
                share_of_weights=row.share_of_weights,
            )
            for row in named.rows
        )
        found.append(
            ModelOverRank(
                model=model.model,
                name=name_of(model),
                kv_cache_bytes=cache,
                kv_cache_basis=named.kv_cache_basis,
                kv_cache_dtype=model.kv_cache(
                    tokens=1,
                    dtype=kv_dtype,
                    encoder_tokens=encoder_tokens,
                    crosscheck=crosscheck,
                    engine=engine,
                ).dtype,
                lora_dtype=named.dtype,
                lora_basis=named.basis,
                weight_bytes=weights,
                points=points,
                asked=_asked(named, r),
                sweet_spot=_sweet_spot(Rule(), points, cache, weights or 0),
                marks=_marks(named),
            )
        )
    return OverRank(
        title=f"how far does LoRA compress {tokens:,} tokens of context?",
        tokens=tokens,
        batch=batch,
        target_modules=named_targets(target_modules),
        models=tuple(found),
    )


def _asked(named: Ranks, r: int) -> RankPoint:
    """The adapter of one rank, which lies on the line of the others."""
    parameters = named.line.parameters(r)
    size = parameters * named.width
    weights = named.weight_bytes
    return RankPoint(
        r=r,
        parameters=parameters,
        bytes=math.ceil(size),
        compression=named.kv_cache_bytes / size,
        share_of_weights=None if not weights else size / weights,
    )


def _sweet_spot(rule: Rule, points: Sequence[RankPoint], cache: int, weights: int) -> Band | None:
    """The ranks from the first that is large enough to the last that is small enough, on the line
    through the first and the last point."""
    first, last = points[0], points[-1]
    slope = Fraction(last.bytes - first.bytes, last.r - first.r)

    def rank_of(size: Fraction) -> Fraction | None:
        return first.r + (size - first.bytes) / slope if slope else None

    fair, small = rank_of(cache * rule.share_of_cache), rank_of(weights * rule.share_of_weights)
    if fair is None or small is None:
        return None
    low, high = max(first.r, math.ceil(fair)), min(last.r, math.floor(small))
    return Band(first=low, last=high) if low <= high else None


def _marks(named: Ranks) -> tuple[RankMark, ...]:
    return tuple(
        RankMark(
            name=rule.name,
            label=rule.label,
            r=rule.rank,
            bound=rule.bound,
            source=rule.source,
            assumption=rule.assumption,
        )
        for rule in named.rules
        if rule.parameters is not None
    )
