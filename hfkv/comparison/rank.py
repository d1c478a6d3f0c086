"""Which ranks are worth a look: the adapter against the cache, the weights and the literature."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from hfkv.dtypes import BITS
from hfkv.errors import InputError, spelling
from hfkv.json_value import attributes
from hfkv.model import Model
from hfkv.peft.lora.capacity import CAPACITIES, LIMIT, Capacity
from hfkv.peft.lora.rank_line import RankLine
from hfkv.shown import Shown, Table, cell, size

if TYPE_CHECKING:
    from collections.abc import Iterable


__all__ = ["RANKS", "CapacityName", "RankRow", "Ranks", "ranks"]

#: The keys of :data:`hfkv.peft.lora.capacity.CAPACITIES`.
CapacityName = Literal["facts", "memorization"]

RANKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankRow:
    """One rank.

    Attributes:
        r: the rank.
        parameters, bytes: of the adapter.
        share_of_weights: its bytes over those of the weights; None without a header.
        bytes_per_token: its bytes over the tokens.
        compression: the cache's bytes over its.
        capacity_bits: what so many parameters hold by the capacity model.
    """

    r: int
    parameters: int
    bytes: int
    share_of_weights: Fraction | None
    bytes_per_token: Fraction
    compression: Fraction
    capacity_bits: Fraction

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        share = self.share_of_weights
        return {
            "r": self.r,
            "parameters": self.parameters,
            "bytes": self.bytes,
            "share_of_weights": None if share is None else float(share),
            "bytes_per_token": float(self.bytes_per_token),
            "compression": float(self.compression),
            "capacity_bits": float(self.capacity_bits),
        }


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Ranks(Shown):
    """The ranks of a model at so many tokens.

    Attributes:
        model: what was asked.
        tokens: of all sequences together.
        dtype: element type of the adapter.
        basis: how the adapter's parameters are known.
        kv_cache_bytes: of the cache after so many tokens; kv_cache_basis: how they are known.
        weight_bytes: of the checkpoint; None without a header.
        rows: rank 1 to 1024, of them those that PEFT takes.
        at_parity: the largest rank whose adapter is no larger than the cache.
        at_one_percent: the largest rank whose adapter is no more than 1% of the weights.
        covers: the smallest rank whose capacity covers the tokens, by the capacity model.
        capacity: that model.
        bits_per_token: the assumption beside it.
    """

    _brief = "model tokens dtype covers at_one_percent at_parity basis"

    model: str
    tokens: int
    dtype: str
    basis: str
    kv_cache_bytes: int
    kv_cache_basis: str
    weight_bytes: int | None
    rows: tuple[RankRow, ...]
    at_parity: int | None
    at_one_percent: int | None
    covers: int | None
    capacity: Capacity
    bits_per_token: Fraction

    def _table(self) -> Table:
        named = (
            ("its capacity covers the tokens", self.covers),
            ("1% of the weights", self.at_one_percent),
            ("as large as the cache", self.at_parity),
        )
        return Table(
            title=f"{self.model}: LoRA ranks at {self.tokens:,} tokens",
            columns=("rank", "parameters", "bytes", "of the weights", "cache / adapter"),
            rows=tuple(
                (
                    cell(row.r),
                    cell(row.parameters),
                    size(row.bytes),
                    "-" if row.share_of_weights is None else f"{float(row.share_of_weights):.3%}",
                    f"{float(row.compression):,.4g}x",
                )
                for row in self.rows
            ),
            notes=tuple(
                f"{label}: {'no rank' if r is None else f'rank {r:,}'}" for label, r in named
            ),
        )

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        names = "model tokens dtype kv_cache_bytes weight_bytes at_parity at_one_percent"
        return attributes(self, names) | {
            "capacity": {
                "model": self.capacity.name,
                "bits_per_parameter": float(self.capacity.bits),
                "bits_per_token": float(self.bits_per_token),
                "covers": self.covers,
                "citation": self.capacity.citation,
                "limit": LIMIT,
            },
            "ranks": [row.to_json() for row in self.rows],
        }


def ranks(
    model: Model,
    *,
    tokens: int = 100_000,
    batch: int = 1,
    target_modules: str | Iterable[str] | None = "all-linear",
    kv_dtype: str = "auto",
    lora_dtype: str = "auto",
    encoder_tokens: int | None = None,
    crosscheck: bool = True,
    capacity: CapacityName = "facts",
    bits_per_token: Fraction | float = 2,
) -> Ranks:
    """Every rank of interest.

    Args:
        tokens, batch, target_modules, kv_dtype, lora_dtype: as in :func:`hfkv.compare`.
        encoder_tokens, crosscheck: as in :meth:`hfkv.Model.kv_cache`.
        capacity: a key of :data:`hfkv.peft.lora.capacity.CAPACITIES`.
        bits_per_token: what a token carries, an assumption.

    Raises:
        HfkvError: the cache or the adapter cannot be counted.
    """
    if capacity not in CAPACITIES:
        raise InputError(
            f"no capacity model '{capacity}'", where="`capacity`", expected=" or ".join(CAPACITIES)
        )
    if not 0 < bits_per_token <= 64:
        raise InputError(
            f"found {bits_per_token}", where="`bits_per_token`", expected="more than 0, at most 64"
        )
    # As it is written: 0.1 bits are a tenth.
    carried = Fraction(str(bits_per_token))
    with spelling(dtype="kv_dtype"):
        cache = model.kv_cache(
            tokens=tokens,
            batch=batch,
            dtype=kv_dtype,
            encoder_tokens=encoder_tokens,
            crosscheck=crosscheck,
        )
    tokens *= batch
    # Counted once: every other rank is on its line.
    with spelling(dtype="lora_dtype"):
        adapter = model.lora(r=RANKS[-1], target_modules=target_modules, dtype=lora_dtype)
    line = adapter.line
    width = Fraction(BITS[adapter.element], 8)
    weights = model.weight_bytes
    chosen = CAPACITIES[capacity]
    return Ranks(
        model=model.model,
        tokens=tokens,
        dtype=adapter.dtype,
        basis=adapter.basis,
        kv_cache_bytes=cache.bytes,
        kv_cache_basis=cache.basis,
        weight_bytes=weights,
        rows=tuple(
            _row(r, line, width, cache.bytes, weights, tokens, chosen.bits)
            for r in RANKS
            if line.takes(r)
        ),
        at_parity=adapter.largest_rank(cache.bytes),
        at_one_percent=None if weights is None else adapter.largest_rank(Fraction(weights, 100)),
        covers=line.smallest(tokens * carried / chosen.bits),
        capacity=chosen,
        bits_per_token=carried,
    )


def _row(
    r: int,
    line: RankLine,
    width: Fraction,
    cache: int,
    weights: int | None,
    tokens: int,
    bits: Fraction,
) -> RankRow:
    parameters = line.parameters(r)
    size = parameters * width
    return RankRow(
        r=r,
        parameters=parameters,
        bytes=-(-size.numerator // size.denominator),
        share_of_weights=None if not weights else size / weights,
        bytes_per_token=size / tokens,
        compression=cache / size,
        capacity_bits=parameters * bits,
    )
