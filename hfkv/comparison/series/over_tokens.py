"""The chart over tokens: bytes per token in context, in adapters and in the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from hfkv.comparison.breakeven import break_even
from hfkv.comparison.series.axis import Axis, Targets, at_least_one, name_of, named_targets
from hfkv.errors import spelling
from hfkv.json_value import json_value
from hfkv.model import Model

if TYPE_CHECKING:
    from hfkv.engines import Engine

__all__ = [
    "LAST_TOKENS",
    "Level",
    "Line",
    "ModelOverTokens",
    "OverTokens",
    "TokensPoint",
    "over_tokens",
]

#: Where the chart ends at least; it begins at one token.
LAST_TOKENS = 1_000_000


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
        at_tokens: the point at the chart's own number of tokens.
        compression: of an adapter: the cache's bytes there over its own.
        break_even: of an adapter the first length whose cache is at least as large, and the cache
            there, perhaps beyond the end of the chart; None where the cache never is.
    """

    label: str
    r: int | None = None
    dtype: str
    basis: str
    points: tuple[TokensPoint, ...]
    at_tokens: TokensPoint
    compression: Fraction | None = None
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
        context_over_pretraining: how many times fewer bytes pretraining leaves a token than the
            context, at the chart's number of tokens; a bound where the level is one.
    """

    model: str
    name: str
    context: Line
    adapters: tuple[Line, ...]
    pretraining: Level | None
    context_over_pretraining: Fraction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTokens:
    """Bytes per token against the number of tokens, for some models.

    Attributes:
        title: the question that the chart answers.
        x, y: the axes.
        tokens: the length at which values are read off; batch: sequences, each of so many.
        target_modules: what LoRA adapts; ``default`` is PEFT's own mapping.
        models: in the order that was asked.
    """

    over: Literal["tokens"] = "tokens"
    title: str = "how many bytes does a token leave behind?"
    x: Axis
    y: tuple[Axis, ...] = (
        Axis(field="bytes_per_token", label="bytes left behind per token", unit="bytes/token"),
    )
    tokens: int
    batch: int
    target_modules: Targets
    models: tuple[ModelOverTokens, ...]

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value, its keys named as the attributes."""
        value: dict[str, Any] = json_value(self)
        return value


def over_tokens(
    models: Sequence[Model],
    *,
    tokens: int = 100_000,
    batch: int = 1,
    r: int | Sequence[int] = 32,
    target_modules: str | Iterable[str] | None = "all-linear",
    kv_dtype: str = "auto",
    lora_dtype: str = "auto",
    encoder_tokens: int | None = None,
    crosscheck: bool = True,
    engine: Engine | None = None,
) -> OverTokens:
    """The numbers of the chart over tokens.

    Args:
        models: loaded models.
        tokens: the length at which values are read off.
        r: one rank or several.
        batch, target_modules, kv_dtype, lora_dtype: as in :func:`hfkv.compare`.
        encoder_tokens, crosscheck, engine: as in :meth:`hfkv.Model.kv_cache`.

    Raises:
        InputError: an argument is not usable.
        HfkvError: a figure that the chart needs cannot be had.

    >>> import hfkv
    >>> llama = hfkv.load("meta-llama/Meta-Llama-3-70B", source="snapshot")
    >>> (model,) = over_tokens([llama]).models
    >>> model.context.points[0].bytes_per_token, model.adapters[0].break_even.tokens
    (Fraction(327680, 1), 2528)
    """
    at_least_one(models)

    def point(tokens: int, size: int) -> TokensPoint:
        share = Fraction(size, tokens * batch)
        return TokensPoint(tokens=tokens, bytes=size, bytes_per_token=share)

    ranks = (r,) if isinstance(r, int) else tuple(r)
    last = max(LAST_TOKENS, tokens)
    found = []
    for model in models:
        with spelling(dtype="kv_dtype"):
            cache = model.kv_cache(
                tokens=tokens,
                batch=batch,
                dtype=kv_dtype,
                encoder_tokens=encoder_tokens,
                crosscheck=crosscheck,
                engine=engine,
            )
        with spelling(dtype="lora_dtype"):
            adapters = [
                model.lora(r=rank, target_modules=target_modules, dtype=lora_dtype)
                for rank in ranks
            ]
        held = cache.curve.bytes
        lengths = _lengths(cache.curve.bends, last)
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
            points=tuple(point(length, held(length)) for length in lengths),
            at_tokens=point(tokens, cache.bytes),
        )
        lines = tuple(
            Line(
                label=f"LoRA r={rank}",
                r=rank,
                dtype=adapter.dtype,
                basis=adapter.basis,
                points=tuple(point(length, adapter.bytes) for length in lengths),
                at_tokens=point(tokens, adapter.bytes),
                compression=Fraction(cache.bytes, adapter.bytes) if adapter.bytes else None,
                break_even=None if crossing is None else point(crossing, held(crossing)),
            )
            for rank, adapter, crossing in zip(ranks, adapters, crossings, strict=True)
        )
        found.append(
            ModelOverTokens(
                model=model.model,
                name=name_of(model),
                context=context,
                adapters=lines,
                pretraining=level,
                context_over_pretraining=(
                    context.at_tokens.bytes_per_token / level.bytes_per_token
                    if level is not None and level.bytes_per_token
                    else None
                ),
            )
        )
    return OverTokens(
        x=Axis(field="tokens", label="tokens", unit="tokens", domain=(1, last)),
        tokens=tokens,
        batch=batch,
        target_modules=named_targets(target_modules),
        models=tuple(found),
    )


def _lengths(bends: Sequence[int], last: int) -> list[int]:
    """Numbers of tokens to draw at: evenly spaced in the logarithm, and at every bend."""
    steps = math.ceil(40 * math.log10(last))
    even = {round(10 ** (step / 40)) for step in range(steps)} | {last}
    near = {bend + offset for bend in bends for offset in (-1, 0, 1)}
    return sorted(length for length in even | near if 1 <= length <= last)
