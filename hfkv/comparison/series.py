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
from hfkv.comparison.side_by_side import json_number
from hfkv.errors import InputError
from hfkv.model import Model

__all__ = [
    "FAIR_SHARE",
    "LAST_TOKENS",
    "SMALL_SHARE",
    "Axis",
    "Band",
    "Crossing",
    "Level",
    "Line",
    "ModelOverRank",
    "ModelOverTokens",
    "OverRank",
    "OverTokens",
    "RankMark",
    "RankPoint",
    "TokensPoint",
    "over_rank",
    "over_tokens",
]

#: The sweet spot, a convention for the eye: the adapter has at most this share of the bytes of the
#: weights, and at least this share of those of the cache.
SMALL_SHARE = Fraction(1, 100)
FAIR_SHARE = Fraction(1, 100)
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
    """

    field: str
    label: str
    unit: str
    scale: Literal["log10", "log2"] = "log10"

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {name: getattr(self, name) for name in ("field", "label", "unit", "scale")}


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

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            "tokens": self.tokens,
            "bytes": self.bytes,
            "bytes_per_token": json_number(self.bytes_per_token),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One way of learning against the number of tokens.

    Attributes:
        way: ``context`` or ``lora``.
        label: its name in a legend.
        r: the rank of an adapter.
        dtype: element type of the cache or the adapter.
        basis: how its bytes are known.
        points: by rising number of tokens, also beside each bend of the curve.
    """

    way: Literal["context", "lora"]
    label: str
    r: int | None = None
    dtype: str
    basis: str
    points: tuple[TokensPoint, ...]

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            "way": self.way,
            "label": self.label,
            "r": self.r,
            "dtype": self.dtype,
            "basis": self.basis,
            "points": [point.to_json() for point in self.points],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The weights per pretraining token, the same at every length.

    Attributes:
        bytes: of the weights.
        tokens: of pretraining, as ``qualifier`` (exact, at_least, about, up_to) has them.
        basis: how the tokens are known.
    """

    bytes: int
    tokens: int
    qualifier: str | None
    basis: str

    @property
    def bytes_per_token(self) -> Fraction:
        """The height; a bound the other way round where the count of tokens is one."""
        return Fraction(self.bytes, self.tokens)

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            "label": "pretraining",
            "bytes": self.bytes,
            "tokens": self.tokens,
            "bytes_per_token": json_number(self.bytes_per_token),
            "qualifier": self.qualifier,
            "basis": self.basis,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """A break-even: the first length whose cache is at least as large as the adapter.

    Attributes:
        r: the adapter's rank.
        point: the cache there, which may lie beyond the end of the chart; None where it never is.
    """

    r: int
    point: TokensPoint | None

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value; its numbers are null where the cache never is so large."""
        nowhere = {"tokens": None, "bytes": None, "bytes_per_token": None}
        return {
            "label": "break-even",
            "r": self.r,
            **(nowhere if self.point is None else self.point.to_json()),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOverTokens:
    """One model in the chart over tokens.

    Attributes:
        model: what was asked; name: the last part of it, for labels.
        context: its cache; adapters: one line a rank.
        pretraining: None where no count is stated, or no header was seen.
        break_even: one for each adapter.
    """

    model: str
    name: str
    context: Line
    adapters: tuple[Line, ...]
    pretraining: Level | None
    break_even: tuple[Crossing, ...]

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            "model": self.model,
            "name": self.name,
            "lines": [line.to_json() for line in (self.context, *self.adapters)],
            "pretraining": None if self.pretraining is None else self.pretraining.to_json(),
            "break_even": [crossing.to_json() for crossing in self.break_even],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTokens:
    """Bytes per token against the number of tokens, for some models.

    Attributes:
        batch: sequences, each of so many tokens.
        models: in the order that was asked.
    """

    batch: int
    models: tuple[ModelOverTokens, ...]

    title = "how many bytes does a token leave behind?"
    x = Axis(field="tokens", label="tokens", unit="tokens")
    y = (Axis(field="bytes_per_token", label="bytes left behind per token", unit="bytes/token"),)

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            "over": "tokens",
            "title": self.title,
            "x": {**self.x.to_json(), "domain": [1, LAST_TOKENS]},
            "y": [axis.to_json() for axis in self.y],
            "batch": self.batch,
            "models": [model.to_json() for model in self.models],
        }


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

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            "r": self.r,
            "parameters": self.parameters,
            "bytes": self.bytes,
            "compression": json_number(self.compression),
            "share_of_weights": json_number(self.share_of_weights),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The ranks of the sweet spot, both ends among them."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RankMark:
    """A rank with a name.

    Attributes:
        name: ``covers``, ``at_one_percent`` or ``at_parity``, as in :class:`Ranks`.
        label: what it is, for reading.
        r: which, also beyond the end of the chart; None where no rank is one.
    """

    name: Literal["covers", "at_one_percent", "at_parity"]
    label: str
    r: int | None

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {"name": self.name, "label": self.label, "r": self.r}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOverRank:
    """One model in the chart over ranks.

    Attributes:
        model: what was asked; name: the last part of it, for labels.
        kv_cache_bytes: of the cache after the chart's tokens; kv_cache_basis: how they are known.
        weight_bytes: of the checkpoint; None without a header.
        dtype: element type of the adapters; lora_basis: how their bytes are known.
        points: rank 1 to 1024.
        sweet_spot: the ranks whose adapter is a small share of the weights and yet a fair share of
            the cache's bytes; None where no rank of the chart is both.
        marks: the ranks that have a name.
    """

    model: str
    name: str
    kv_cache_bytes: int
    kv_cache_basis: str
    weight_bytes: int | None
    dtype: str
    lora_basis: str
    points: tuple[RankPoint, ...]
    sweet_spot: Band | None
    marks: tuple[RankMark, ...]

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        band = self.sweet_spot
        return {
            "model": self.model,
            "name": self.name,
            "kv_cache": {"bytes": self.kv_cache_bytes, "basis": self.kv_cache_basis},
            "lora": {"dtype": self.dtype, "basis": self.lora_basis},
            "weight_bytes": self.weight_bytes,
            "points": [point.to_json() for point in self.points],
            "sweet_spot": None if band is None else {"first": band.first, "last": band.last},
            "marks": [mark.to_json() for mark in self.marks],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OverRank:
    """Compression and share of the weights against the LoRA rank, for some models.

    Attributes:
        tokens: in each sequence of the cache; batch: sequences.
        models: in the order that was asked.
    """

    tokens: int
    batch: int
    models: tuple[ModelOverRank, ...]

    sweet_spot = "adapter at most 1% of the weights and at least 1% of the cache's bytes"
    x = Axis(field="r", label="LoRA rank", unit="rank", scale="log2")
    y = (
        Axis(field="compression", label="KV cache / adapter", unit="ratio"),
        Axis(field="share_of_weights", label="adapter / weights", unit="ratio"),
    )

    @property
    def title(self) -> str:
        """The question that the chart answers."""
        return f"how far does LoRA compress {self.tokens:,} tokens of context?"

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            "over": "rank",
            "title": self.title,
            "x": {**self.x.to_json(), "domain": [RANKS[0], RANKS[-1]]},
            "y": [axis.to_json() for axis in self.y],
            "tokens": self.tokens,
            "batch": self.batch,
            "sweet_spot": {
                "label": self.sweet_spot,
                "share_of_weights": json_number(SMALL_SHARE),
                "share_of_cache": json_number(FAIR_SHARE),
            },
            "models": [model.to_json() for model in self.models],
        }


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
    >>> model.context.points[0].bytes_per_token, model.break_even[0].point.tokens
    (Fraction(327680, 1), 2528)
    """
    _any(models)
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

        def point(tokens: int, size: int) -> TokensPoint:
            share = Fraction(size, tokens * batch)
            return TokensPoint(tokens=tokens, bytes=size, bytes_per_token=share)

        curve = cache.curve
        lengths = _lengths(curve.bends)
        crossings = [break_even(cache, adapter.bytes) for adapter in adapters]
        statement, weights = model.pretraining, model.weight_bytes
        found.append(
            ModelOverTokens(
                model=model.model,
                name=_name(model),
                context=Line(
                    way="context",
                    label="in context",
                    dtype=cache.dtype,
                    basis=cache.basis,
                    points=tuple(point(tokens, curve.bytes(tokens)) for tokens in lengths),
                ),
                adapters=tuple(
                    Line(
                        way="lora",
                        label=f"LoRA r={rank}",
                        r=rank,
                        dtype=adapter.dtype,
                        basis=adapter.basis,
                        points=tuple(point(tokens, adapter.bytes) for tokens in lengths),
                    )
                    for rank, adapter in zip(ranks, adapters, strict=True)
                ),
                pretraining=None
                if statement.tokens is None or weights is None
                else Level(
                    bytes=weights,
                    tokens=statement.tokens,
                    qualifier=statement.qualifier,
                    basis=statement.basis,
                ),
                break_even=tuple(
                    Crossing(
                        r=rank, point=None if tokens is None else point(tokens, curve.bytes(tokens))
                    )
                    for rank, tokens in zip(ranks, crossings, strict=True)
                ),
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
    capacity: str = "facts",
    bits_per_token: Fraction = Fraction(2),
) -> OverRank:
    """The numbers of the chart over ranks.

    Args:
        models: loaded models.
        tokens, batch, target_modules, kv_dtype, lora_dtype: as in :func:`hfkv.compare`.
        encoder_tokens, crosscheck: as in :meth:`hfkv.Model.kv_cache`.
        capacity, bits_per_token: as in :func:`hfkv.comparison.rank.ranks`, for the marks.

    Raises:
        InputError: an argument is not usable.
        HfkvError: a figure that the chart needs cannot be had.

    >>> import hfkv
    >>> llama = hfkv.load("meta-llama/Meta-Llama-3-70B", source="snapshot")
    >>> (model,) = over_rank([llama]).models
    >>> model.sweet_spot, [mark.r for mark in model.marks]
    (Band(first=13, last=54), [1, 54, 1265])
    """
    _any(models)
    found = []
    for model in models:
        cache = model.kv_cache(
            tokens=tokens,
            batch=batch,
            dtype=kv_dtype,
            encoder_tokens=encoder_tokens,
            crosscheck=crosscheck,
        )
        weights = model.weight_bytes
        adapters = [
            model.lora(r=rank, target_modules=target_modules, dtype=lora_dtype) for rank in RANKS
        ]
        named = named_ranks(
            model,
            tokens=tokens,
            batch=batch,
            target_modules=target_modules,
            kv_dtype=kv_dtype,
            lora_dtype=lora_dtype,
            encoder_tokens=encoder_tokens,
            crosscheck=crosscheck,
            capacity=capacity,
            bits_per_token=bits_per_token,
        )
        points = tuple(
            RankPoint(
                r=rank,
                parameters=adapter.parameters,
                bytes=adapter.bytes,
                compression=Fraction(cache.bytes, adapter.bytes),
                share_of_weights=Fraction(adapter.bytes, weights) if weights else None,
            )
            for rank, adapter in zip(RANKS, adapters, strict=True)
        )
        found.append(
            ModelOverRank(
                model=model.model,
                name=_name(model),
                kv_cache_bytes=cache.bytes,
                kv_cache_basis=cache.basis,
                weight_bytes=weights,
                dtype=adapters[0].dtype,
                lora_basis=adapters[0].basis,
                points=points,
                sweet_spot=_sweet_spot(points, cache.bytes, weights or 0),
                marks=_marks(named),
            )
        )
    return OverRank(tokens=tokens, batch=batch, models=tuple(found))


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


def _sweet_spot(points: Sequence[RankPoint], cache: int, weights: int) -> Band | None:
    """The ranks from the first whose adapter is a fair share of the cache to the last whose adapter
    is a small share of the weights, on the line through the first and the last point."""
    first, last = points[0], points[-1]
    slope = Fraction(last.bytes - first.bytes, last.r - first.r)

    def rank_of(size: Fraction) -> Fraction | None:
        return first.r + (size - first.bytes) / slope if slope else None

    fair, small = rank_of(cache * FAIR_SHARE), rank_of(weights * SMALL_SHARE)
    if fair is None or small is None:
        return None
    low, high = max(first.r, math.ceil(fair)), min(last.r, math.floor(small))
    return Band(first=low, last=high) if low <= high else None


def _marks(named: Ranks) -> tuple[RankMark, ...]:
    capacity = named.capacity
    covers = (
        f"{float(capacity.bits):g} bits a parameter cover {float(named.bits_per_token):g} bits a "
        f"token (a model: {capacity.name}, {capacity.paper})"
    )
    return (
        RankMark(name="covers", label=covers, r=named.covers),
        RankMark(name="at_one_percent", label="1% of the weights", r=named.at_one_percent),
        RankMark(name="at_parity", label="as large as the cache", r=named.at_parity),
    )
