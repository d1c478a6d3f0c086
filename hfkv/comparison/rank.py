"""Which ranks are worth a look: the adapter against the cache, the weights and the literature."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hfkv.comparison.experts import Experts, experts_of
from hfkv.comparison.rules import LEFT_OUT, Assumed, RankRule, rules, verdict
from hfkv.dtypes import BITS
from hfkv.errors import spelling
from hfkv.json_value import attributes, json_number
from hfkv.model import Model
from hfkv.peft.lora.rank_line import RankLine
from hfkv.shown import Shown, Table, cell, size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hfkv.engines import Engine

__all__ = ["RANKS", "RankRow", "Ranks", "ranks"]

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
        meets: names of the rules that it keeps to.
    """

    r: int
    parameters: int
    bytes: int
    share_of_weights: Fraction | None
    bytes_per_token: Fraction
    compression: Fraction
    meets: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return attributes(
            self, "r parameters bytes share_of_weights bytes_per_token compression meets"
        )


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
        line: parameters over the rank; width: bytes of one of them.
        rows: rank 1 to 1024, of them those that PEFT takes.
        rules: the rules for choosing one, side by side.
        experts: what a rank means for the experts of a mixture; None for other models.
        warnings: what was asked of the adapter and PEFT does nothing with.
    """

    _brief = "model tokens dtype kv_cache_bytes weight_bytes largest basis"

    model: str
    tokens: int
    dtype: str
    basis: str
    kv_cache_bytes: int
    kv_cache_basis: str
    weight_bytes: int | None
    line: RankLine
    width: Fraction
    rows: tuple[RankRow, ...]
    rules: tuple[RankRule, ...]
    experts: Experts | None = None
    warnings: tuple[str, ...] = ()

    @property
    def largest(self) -> int | None:
        """The largest rank within the limits on size that can be set: the share of the weights,
        and the bytes; None where there is none, or neither is known."""
        limits = [rule for rule in self.rules if rule.name in ("share", "bytes")]
        found = [rule.rank for rule in limits if rule.parameters is not None]
        if not found or None in found:
            return None
        return min(rank for rank in found if rank is not None)

    @property
    def verdict(self) -> str:
        """What the rules agree on and where they do not, in plain words."""
        return verdict(self.rules, self.line.step)

    def _table(self) -> Table:
        rows = [
            (
                cell(row.r),
                cell(row.parameters),
                size(row.bytes),
                "-" if row.share_of_weights is None else f"{float(row.share_of_weights):.3%}",
                f"{float(row.compression):,.4g}x",
            )
            for row in self.rows
        ]
        rules = [
            f"{rule.label}: {rule.reason or f'rank {rule.rank:,} at {rule.bound}'}"
            for rule in self.rules
        ]
        return Table(
            title=f"{self.model}: LoRA ranks at {self.tokens:,} tokens",
            columns=("rank", "parameters", "bytes", "of the weights", "cache / adapter"),
            rows=tuple(rows),
            notes=(*rules, self.verdict),
        )

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        names = "model tokens dtype basis kv_cache_bytes kv_cache_basis weight_bytes"
        return attributes(self, names) | {
            "per_rank": {
                "parameters": self.line.slope,
                "constant": self.line.constant,
                "bytes_of_a_parameter": json_number(self.width),
            },
            "rules": [rule.to_json() for rule in self.rules],
            "largest": self.largest,
            "verdict": self.verdict,
            "experts": None if self.experts is None else self.experts.to_json(),
            "left_out": [attributes(item, "name source reason") for item in LEFT_OUT],
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
    engine: Engine | None = None,
    assumed: Assumed | None = None,
) -> Ranks:
    """Every rank of interest, and what each rule makes of them.

    Args:
        model: the model.
        tokens, batch, target_modules, kv_dtype, lora_dtype: as in :func:`hfkv.compare`.
        encoder_tokens, crosscheck, engine: as in :meth:`hfkv.Model.kv_cache`.
        assumed: what the rules take for granted.

    Raises:
        HfkvError: the cache or the adapter cannot be counted.

    >>> import hfkv
    >>> found = ranks(hfkv.load("meta-llama/Meta-Llama-3-70B", source="snapshot"), tokens=100_000)
    >>> {rule.name: rule.rank for rule in found.rules if rule.bound == "most"}
    {'cache': 1265, 'share': 54, 'cartridge': 32}
    """
    with spelling(dtype="kv_dtype"):
        cache = model.kv_cache(
            tokens=tokens,
            batch=batch,
            dtype=kv_dtype,
            encoder_tokens=encoder_tokens,
            crosscheck=crosscheck,
            engine=engine,
        )
    tokens *= batch
    # Counted once: every other rank is on its line.
    with spelling(dtype="lora_dtype"):
        adapter = model.lora(r=RANKS[-1], target_modules=target_modules, dtype=lora_dtype)
    line, width = adapter.line, Fraction(BITS[adapter.element], 8)
    found = rules(
        model,
        line=line,
        width=width,
        tokens=tokens,
        cache_bytes=cache.bytes,
        kv_dtype=kv_dtype,
        assumed=assumed,
    )
    weights = model.weight_bytes

    def row(r: int) -> RankRow:
        parameters = line.parameters(r)
        size = parameters * width
        return RankRow(
            r=r,
            parameters=parameters,
            bytes=-(-size.numerator // size.denominator),
            share_of_weights=None if not weights else size / weights,
            bytes_per_token=size / tokens,
            compression=cache.bytes / size,
            meets=tuple(rule.name for rule in found if rule.met(parameters)),
        )

    return Ranks(
        model=model.model,
        tokens=tokens,
        dtype=adapter.dtype,
        basis=adapter.basis,
        kv_cache_bytes=cache.bytes,
        kv_cache_basis=cache.basis,
        weight_bytes=weights,
        line=line,
        width=width,
        rows=tuple(row(r) for r in RANKS if line.takes(r)),
        rules=found,
        experts=experts_of(model.base, adapter),
        warnings=adapter.warnings,
    )
