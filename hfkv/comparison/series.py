"""The numbers of the two charts, as values that a renderer, a browser or a spreadsheet draws from.

Every number is exact here, an integer or a fraction; ``to_json`` writes a fraction that is not
whole as the nearest float, beside the integers that it is the ratio of.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from hfkv.comparison.breakeven import break_even
from hfkv.comparison.rank import RANKS, Ranks
from hfkv.comparison.rank import ranks as named_ranks
from hfkv.comparison.rules import Assumed
from hfkv.errors import InputError
from hfkv.json_value import json_value
from hfkv.model import Model

__all__ = [
    "LAST_TOKENS",
    "Axis",
    "Band",
    "Level",
    "Line",
    "ModelOverRank",
    "ModelOverTokens",
    "OverRank",
    "OverTokens",
    "RankMark",
    "RankPoint",
    "Rule",
    "TokensPoint",
    "over_rank",
    "over_tokens",
]

#: Where the chart over tokens ends; it begins at one token.
LAST_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What one field of the points measures.

    Attributes:
        field: its name in the points.
        label: what to write beside the axis.
        unit: of its numbers.
        scale: how the chart spaces them.
        domain: where the axis begins and ends; None for as far as the points go.
    """

    field: str
    label: str
    unit: str
    scale: Literal["log10", "log2"] = "log10"
    domain: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensPoint:
    """What so many tokens leave behind.

    Attributes:
        tokens: in each sequence.
        bytes: of the cache or the adapter, for all sequences together.
        bytes_per_token: those bytes over all tokens of all sequences.
    """

    tokens: int
    bytes: int
    bytes_per_token: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One way of learning against the number of tokens.

    Attributes:
        label: its name in a legend.
        r: the rank of an adapter; None for the context.
        dtype: element type of the cache or the adapter.
        basis: how its bytes are known.
        points: by rising number of tokens, also beside each bend of the curve.
        break_even: of an adapter the first length whose cache is at least as large, and the cache
            there, perhaps beyond the end of the chart; None where the cache never is.
    """

    label: str
    r: int | None = None
    dtype: str
    basis: str
    points: tuple[TokensPoint, ...]
    break_even: TokensPoint | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The weights per pretraining token, the same at every length.

    Attributes:
        label: its name in a legend.
        bytes: of the weights.
        tokens: of pretraining, as ``qualifier`` (exact, at_least, about, up_to) has them.
        bytes_per_token: the height; a bound the other way round where ``tokens`` is one.
        basis: how the tokens are known.
    """

    label: str = "pretraining"
    bytes: int
    tokens: int
    bytes_per_token: Fraction
    qualifier: str | None
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOverTokens:
    """One model in the chart over tokens.

    Attributes:
        model: what was asked; name: the last part of it, for labels.
        context: its cache; adapters: one line a rank.
        pretraining: None where no count is stated, or no header was seen.
    """

    model: str
    name: str
    context: Line
    adapters: tuple[Line, ...]
    pretraining: Level | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTokens:
    """Bytes per token against the number of tokens, for some models.

    Attributes:
        title: the question that the chart answers.
        x, y: the axes.
        batch: sequences, each of so many tokens.
        models: in the order that was asked.
    """

    over: Literal["tokens"] = "tokens"
    title: str = "how many bytes does a token leave behind?"
    x: Axis = Axis(field="tokens", label="tokens", unit="tokens", domain=(1, LAST_TOKENS))
    y: tuple[Axis, ...] = (
        Axis(field="bytes_per_token", label="bytes left behind per token", unit="bytes/token"),
    )
    batch: int
    models: tuple[ModelOverTokens, ...]

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value, its keys named as the attributes."""
        value: dict[str, Any] = json_value(self)
        return value


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
        kv_cache_bytes: of the cache after the chart's tokens; kv_cache_basis: how they are known.
        lora_dtype: element type of the adapters; lora_basis: how their bytes are known.
        weight_bytes: of the checkpoint; None without a header.
        points: rank 1 to 1024.
        sweet_spot: the ranks that the chart's rule holds for; None where it holds for none.
        marks: the ranks that have a name.
    """

    model: str
    name: str
    kv_cache_bytes: int
    kv_cache_basis: str
    lora_dtype: str
    lora_basis: str
    weight_bytes: int | None
    points: tuple[RankPoint, ...]
    sweet_spot: Band | None
    marks: tuple[RankMark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OverRank:
    """Compression and share of the weights against the LoRA rank, for some models.

    Attributes:
        title: the question that the chart answers.
        x, y: the axes.
        tokens: in each sequence of the cache; batch: sequences.
        rule: of the sweet spot.
        models: in the order that was asked.
    """

    over: Literal["rank"] = "rank"
    title: str
    x: Axis = Axis(
        field="r", label="LoRA rank", unit="rank", scale="log2", domain=(RANKS[0], RANKS[-1])
    )
    y: tuple[Axis, ...] = (
        Axis(field="compression", label="KV cache / adapter", unit="ratio"),
        Axis(field="share_of_weights", label="adapter / weights", unit="ratio"),
    )
    tokens: int
    batch: int
    rule: Rule = Rule()
    models: tuple[ModelOverRank, ...]

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value, its keys named as the attributes."""
        value: dict[str, Any] = json_value(self)
        return value


def over_tokens(
    models: Sequence[Model],
    *,
    batch: int = 1,
    r: int | Sequence[int] = 32,
    target_modules: str | Iterable[str] | None = "all-linear",
    kv_dtype: str = "auto",
    lora_dtype: str = "auto",
    encoder_tokens: int | None = None,
    crosscheck: bool = True,
) -> OverTokens:
    """The numbers of the chart over tokens.

    Args:
        models: loaded models.
        r: one rank or several.
        batch, target_modules, kv_dtype, lora_dtype: as in :func:`hfkv.compare`.
        encoder_tokens, crosscheck: as in :meth:`hfkv.Model.kv_cache`.

    Raises:
        InputError: an argument is not usable.
        HfkvError: a figure that the chart needs cannot be had.

    >>> import hfkv
    >>> llama = hfkv.load("meta-llama/Meta-Llama-3-70B", source="snapshot")
    >>> (model,) = over_tokens([llama]).models
    >>> model.context.points[0].bytes_per_token, model.adapters[0].break_even.tokens
    (Fraction(327680, 1), 2528)
    """
    _any(models)

    def point(tokens: int, size: int) -> TokensPoint:
        share = Fraction(size, tokens * batch)
        return TokensPoint(tokens=tokens, bytes=size, bytes_per_token=share)

    ranks = (r,) if isinstance(r, int) else tuple(r)
    found = []
    for model in models:
        cache = model.kv_cache(
            tokens=LAST_TOKENS,
            batch=batch,
            dtype=kv_dtype,
            encoder_tokens=encoder_tokens,
            crosscheck=crosscheck,
        )
        adapters = [
            model.lora(r=rank, target_modules=target_modules, dtype=lora_dtype) for rank in ranks
        ]

        held = cache.curve.bytes
        lengths = _lengths(cache.curve.bends)
        crossings = [break_even(cache, adapter.bytes) for adapter in adapters]
        statement, weights = model.pretraining, model.weight_bytes
        level = None
        if statement.tokens is not None and weights is not None:
            level = Level(
                bytes=weights,
                tokens=statement.tokens,
                bytes_per_token=Fraction(weights, statement.tokens),
                qualifier=statement.qualifier,
                basis=statement.basis,
            )
        context = Line(
            label="in context",
            dtype=cache.dtype,
            basis=cache.basis,
            points=tuple(point(tokens, held(tokens)) for tokens in lengths),
        )
        lines = tuple(
            Line(
                label=f"LoRA r={rank}",
                r=rank,
                dtype=adapter.dtype,
                basis=adapter.basis,
                points=tuple(point(tokens, adapter.bytes) for tokens in lengths),
                break_even=None if crossing is None else point(crossing, held(crossing)),
            )
            for rank, adapter, crossing in zip(ranks, adapters, crossings, strict=True)
        )
        found.append(
            ModelOverTokens(
                model=model.model,
                name=_name(model),
                context=context,
                adapters=lines,
                pretraining=level,
            )
        )
    return OverTokens(batch=batch, models=tuple(found))


def over_rank(
    models: Sequence[Model],
    *,
    tokens: int = 100_000,
    batch: int = 1,
    target_modules: str | Iterable[str] | None = "all-linear",
    kv_dtype: str = "auto",
    lora_dtype: str = "auto",
    encoder_tokens: int | None = None,
    crosscheck: bool = True,
    assumed: Assumed | None = None,
) -> OverRank:
    """The numbers of the chart over ranks.

    Args:
        models: loaded models.
        tokens, batch, target_modules, kv_dtype, lora_dtype: as in :func:`hfkv.compare`.
        encoder_tokens, crosscheck: as in :meth:`hfkv.Model.kv_cache`.
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
    _any(models)
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
            assumed=assumed,
        )
        for rank in sorted(set(RANKS) - {row.r for row in named.rows}):
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
                name=_name(model),
                kv_cache_bytes=cache,
                kv_cache_basis=named.kv_cache_basis,
                lora_dtype=named.dtype,
                lora_basis=named.basis,
                weight_bytes=weights,
                points=points,
                sweet_spot=_sweet_spot(Rule(), points, cache, weights or 0),
                marks=_marks(named),
            )
        )
    return OverRank(
        title=f"how far does LoRA compress {tokens:,} tokens of context?",
        tokens=tokens,
        batch=batch,
        models=tuple(found),
    )


def _any(models: Sequence[Model]) -> None:
    if not models:
        raise InputError("no model", expected="at least one for a chart")


def _name(model: Model) -> str:
    return model.model.rstrip("/").rpartition("/")[2] or model.model


def _lengths(bends: Sequence[int]) -> list[int]:
    """Numbers of tokens to draw at: evenly spaced in the logarithm, and at every bend."""
    even = {round(10 ** (step / 40)) for step in range(241)}
    near = {bend + offset for bend in bends for offset in (-1, 0, 1)}
    return sorted(length for length in even | near if 1 <= length <= LAST_TOKENS)


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
