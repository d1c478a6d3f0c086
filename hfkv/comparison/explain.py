"""The arithmetic of a comparison: three ways to spend bytes on a token, and their ratios."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from hfkv.lines import wrapped

if TYPE_CHECKING:
    from hfkv.cache import KVCache
    from hfkv.engines import Allocation
    from hfkv.model import Model
    from hfkv.peft.lora import Lora
    from hfkv.peft.prompts import Prompt

__all__ = ["explain"]

_SYMBOLS = (
    "symbols:",
    "  context      bytes of the KV cache / tokens that were read",
    "  LoRA         bytes of the adapter / the same tokens, were it trained on them",
    "  pretraining  bytes of the weights / tokens that the model saw in pretraining",
    "  break-even   the least number of tokens whose cache has the adapter's bytes",
    "  parity       the largest rank whose adapter has no more bytes than the cache",
    "",
)
_BOUNDS = {"at_least": "at least ", "about": "about ", "up_to": "at most "}
_RATIOS = {
    "kv_over_lora": "cache / LoRA",
    "kv_over_cartridge": "cache / cartridge",
    "kv_over_pretraining": "context / pretraining",
    "lora_over_pretraining": "LoRA / pretraining",
}


def explain(
    model: Model,
    *,
    tokens: int,
    batch: int,
    cache: KVCache | Allocation | None,
    adapter: Lora | None,
    cartridge: Prompt | None,
    compression: Mapping[str, Fraction | None],
    break_even: int | None,
    parity: int | None,
    reasons: Mapping[str, str],
) -> list[str]:
    """Lines of at most 80 columns: the symbols, each division with this model's numbers, then the
    arithmetic of the cache and of the adapter. The arguments are fields of a ``Comparison``."""
    lines = list(_SYMBOLS)
    asked = f"{tokens:,} tokens" + (f" x {batch:,} sequences" if batch > 1 else "")
    for name, figure in (("context", cache), ("LoRA", adapter), ("cartridge", cartridge)):
        if figure is not None:
            lines += _per_token(name, figure.bytes, asked, tokens * batch)
    lines += _pretraining(model, reasons)
    for name, label in _RATIOS.items():
        value = compression[name]
        if value is not None:
            lines.append(f"{label} = {_decimal(value)}")
    if cache is not None and adapter is not None:
        for line in _crossing(cache, adapter, break_even, parity, reasons):
            lines += wrapped(line)
    for title, part in (("the KV cache", cache), ("the LoRA adapter", adapter)):
        if part is not None:
            lines += ["", title, *(f"  {line}".rstrip() for line in part.explain())]
    return lines


def _per_token(name: str, size: int, asked: str, tokens: int) -> list[str]:
    return wrapped(
        f"{name} = {size:,} B / {asked} = {_decimal(Fraction(size, tokens))} B per token"
    )


def _pretraining(model: Model, reasons: Mapping[str, str]) -> Iterator[str]:
    tensors, said = model.core.tensors, model.pretraining
    if tensors is not None:
        held = " + ".join(f"{count:,} of {dtype}" for dtype, count in tensors.dtypes.items())
        yield from wrapped(f"weights = {tensors.bytes:,} B: elements {held}, by the header")
    if said.tokens is None or model.weight_bytes is None:
        yield from wrapped(f"pretraining: {reasons.get('pretraining', said.basis)}")
        return
    count = f"{_BOUNDS.get(said.qualifier or '', '')}{said.tokens:,} tokens ({said.basis})"
    yield from _per_token("pretraining", model.weight_bytes, count, said.tokens)


def _crossing(
    cache: KVCache | Allocation,
    adapter: Lora,
    break_even: int | None,
    parity: int | None,
    reasons: Mapping[str, str],
) -> Iterator[str]:
    if break_even is None:
        yield f"break-even: {reasons['break_even_tokens']}"
    else:
        curve, before = cache.curve, break_even - 1
        less = f" ({curve.at(before):,} B after {before:,})" if before else ""
        yield (
            f"break-even = {break_even:,} tokens: the cache then has {curve.at(break_even):,} "
            f"B{less}, the adapter {adapter.bytes:,} B"
        )
    if parity is None:
        yield f"parity: {reasons['rank_at_parity']}"
        return
    line = adapter.line
    constant = f"{line.constant:,} + " if line.constant else ""
    yield (
        f"parity = rank {parity:,}: an adapter of rank r has {constant}{line.slope:,} r parameters "
        f"in {adapter.dtype}, the cache {cache.bytes:,} B"
    )


def _decimal(value: Fraction) -> str:
    if value.denominator == 1:
        return f"{int(value):,}"
    return f"{float(value):,.4f}" if value >= 1 else f"{float(value):.4g}"
