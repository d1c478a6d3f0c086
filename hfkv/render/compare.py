"""A comparison for reading: one model by ways of learning, several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from hfkv.comparison import Comparison
from hfkv.reading import printable
from hfkv.render.crosscheck import crosscheck_line
from hfkv.render.sheet import Sheet
from hfkv.units import format_bytes, format_count

__all__ = ["PER_TOKEN_SIGN", "sheets", "source_line"]

#: A count of at least N tokens makes at most so many bytes per token, and the other way round.
PER_TOKEN_SIGN = {"exact": "", "at_least": "<= ", "about": "~ ", "up_to": ">= "}
_COUNT_SIGN = {"exact": "", "at_least": ">= ", "about": "~ ", "up_to": "<= "}
#: Models side by side in 80 columns; more are printed in further tables.
_SIDE_BY_SIDE = 2


def source_line(comparison: Comparison) -> str:
    """Where the files came from, in one line."""
    model = comparison.model
    commit = f", commit {model.commit[:12]}" if model.commit else ""
    return f"{model.source}{commit}"


def sheets(comparisons: Sequence[Comparison], *, width: int = 80) -> list[Sheet]:
    """The tables of a ``compare``."""
    if len(comparisons) == 1:
        return [_one(comparisons[0])]
    beside = max(1, (width - 24) // 26) if width > 80 else _SIDE_BY_SIDE
    return [
        _several(comparisons[start : start + beside])
        for start in range(0, len(comparisons), beside)
    ]


def _one(item: Comparison) -> Sheet:
    cache, lora, pretraining = item.kv_cache, item.lora, item.pretraining
    sign = PER_TOKEN_SIGN.get(pretraining.qualifier or "exact", "")
    weights = item.model.weight_bytes
    rows = [
        _way(
            "in context: KV cache",
            None if cache is None else cache.bytes,
            item.context_bytes_per_token,
            "" if cache is None else cache.basis,
        ),
        _way(
            f"fine-tuned: LoRA r={lora.r}" if lora else "fine-tuned: LoRA",
            None if lora is None else lora.bytes,
            item.lora_bytes_per_token,
            "" if lora is None else lora.basis,
        ),
        *_cartridge(item),
        _way(
            "pretrained: weights",
            weights,
            item.pretraining_bytes_per_token,
            pretraining.basis,
            sign,
        ),
    ]
    return Sheet(
        title=f"{printable(item.model.model)}: {_tokens(item)} (from: {source_line(item)})",
        columns=("way of learning", "bytes", "bytes/token", "bits/token", "known"),
        rows=rows,
        lines=[*_facts(item), *_quotes(item), *_notes(item)],
        left=(4,),
    )


def _cartridge(item: Comparison) -> list[tuple[str, ...]]:
    """Its row, where one was asked for."""
    found = item.cartridge
    if found is None and "cartridge" not in item.reasons:
        return []
    return [
        _way(
            f"cartridge: {found.virtual_tokens:,} tokens" if found else "cartridge",
            None if found is None else found.bytes,
            item.cartridge_bytes_per_token,
            "" if found is None else found.basis,
        )
    ]


def _tokens(item: Comparison) -> str:
    times = f" x {item.batch} sequences" if item.batch > 1 else ""
    return f"{item.tokens:,} tokens{times}"


def _way(
    name: str, size: int | None, per_token: Fraction | None, basis: str, sign: str = ""
) -> tuple[str, ...]:
    return (
        name,
        "-" if size is None else f"{size:,}",
        "-" if per_token is None else sign + _plain(per_token),
        "-" if per_token is None else sign + _plain(per_token * 8),
        basis or "refused",
    )


def _plain(value: Fraction) -> str:
    """A number of bytes or bits: whole ones in full, small ones to three digits."""
    if value.denominator == 1:
        return f"{int(value):,}"
    if value >= 1000:
        return f"{float(value):,.0f}"
    if value >= 1:
        return f"{float(value):.4g}"
    return f"{float(value):.4f}" if value >= Fraction(1, 1000) else f"{float(value):.3g}"


def times(value: Fraction | None) -> str:
    """A ratio: ``39.56x``, ``34,833,039x``."""
    if value is None:
        return "-"
    return f"{float(value):,.0f}x" if value >= 1000 else f"{float(value):.4g}x"


def _facts(item: Comparison) -> list[str]:
    lines = []
    ratios = item.compression
    if ratios["kv_over_lora"] is not None:
        lines.append(f"compression  {times(ratios['kv_over_lora'])} cache over adapter")
    if ratios["kv_over_pretraining"] is not None:
        more = f"             {times(ratios['kv_over_pretraining'])} context over pretraining"
        if ratios["lora_over_pretraining"] is not None:
            more += f", {times(ratios['lora_over_pretraining'])} LoRA over pretraining (per token)"
        lines.append(more)
    if item.break_even_tokens is not None:
        lines.append(f"break-even   {item.break_even_tokens:,} tokens")
    if item.kv_cache is not None:
        cache = item.kv_cache
        lines.append(
            f"KV cache     {format_bytes(cache.bytes)} in {cache.dtype}, "
            f"{_plain(Fraction(cache.bytes_per_token))} bytes for the next token"
        )
    if item.lora is not None:
        lora = item.lora
        share = item.lora_share_of_weights
        lines.append(
            f"LoRA         {lora.parameters:,} parameters, {format_bytes(lora.bytes)} in "
            f"{lora.dtype}, {lora.modules:,} modules"
            + ("" if share is None else f", {float(share):.3%} of the weights")
        )
    if item.cartridge is not None:
        found = item.cartridge
        lines.append(
            f"cartridge    {found.parameters:,} parameters trained of {found.saved_parameters:,}, "
            f"{format_bytes(found.bytes)} in {found.dtype}, {times(ratios['kv_over_cartridge'])} "
            "cache over cartridge"
        )
    if item.rank_at_parity is not None:
        lines.append(
            f"parity       rank {item.rank_at_parity:,} is the largest no larger than the cache"
        )
    if item.pretraining.tokens is not None:
        sign = _COUNT_SIGN.get(item.pretraining.qualifier or "exact", "")
        lines.append(f"pretraining  {sign}{item.pretraining.tokens:,} tokens")
    return lines


def _quotes(item: Comparison) -> list[str]:
    lines = []
    for found in item.pretraining.evidence[:2]:
        where = f"{found.file}:{found.line}" if found.line else found.file
        lines.append(f'  "{printable(found.quote, 300)}" ({printable(where)})')
    return lines


def _notes(item: Comparison) -> list[str]:
    lines = [
        f"no {name.replace('_', ' ')}: {printable(reason, 600)}"
        for name, reason in item.reasons.items()
    ]
    if (judged := item.kv_cache or item.lora) is not None:
        lines.append(crosscheck_line(judged.agreement))
    if item.lora is not None:
        lines += [f"note: {printable(note, 400)}" for note in item.lora.notes]
    if item.kv_cache is not None:
        lines += [f"note: {printable(note, 400)}" for note in item.kv_cache.notes]
    if item.cartridge is not None:
        lines += [f"note: cartridge: {printable(note, 400)}" for note in item.cartridge.notes]
    lines += [f"note: {printable(note, 400)}" for note in item.pretraining.notes]
    lines += [f"note: {printable(note, 400)}" for note in item.model.facts.notes]
    return list(dict.fromkeys(lines))


def _verdict(item: Comparison) -> str:
    judged = item.kv_cache or item.lora
    return "-" if judged is None else judged.agreement.verdict


def _several(items: Sequence[Comparison]) -> Sheet:
    def row(name: str, cells: Sequence[str]) -> tuple[str, ...]:
        return (name, *cells)

    def sign(item: Comparison) -> str:
        return PER_TOKEN_SIGN.get(item.pretraining.qualifier or "exact", "")

    rows = [
        row("source", [source_line(item).split(",")[0] for item in items]),
        row("crosscheck", [_verdict(item) for item in items]),
        row("KV cache, bytes", [_int(item.kv_cache, "bytes") for item in items]),
        row("  per token", [_value(item.context_bytes_per_token) for item in items]),
        row("  next token", [_int(item.kv_cache, "bytes_per_token") for item in items]),
        row("  dtype", [_word(item.kv_cache, "dtype") for item in items]),
        row("  known", [_word(item.kv_cache, "basis") for item in items]),
        row("LoRA, bytes", [_int(item.lora, "bytes") for item in items]),
        row("  parameters", [_int(item.lora, "parameters") for item in items]),
        row("  per token", [_value(item.lora_bytes_per_token) for item in items]),
        row("  of the weights", [_percent(item.lora_share_of_weights) for item in items]),
        row("  known", [_word(item.lora, "basis") for item in items]),
        *_cartridge_rows(items),
        row("weights, bytes", [_bare(item.model.weight_bytes) for item in items]),
        row("pretraining tokens", [_count(item) for item in items]),
        row(
            "  bytes per token",
            [
                sign(item) + _value(item.pretraining_bytes_per_token)
                if item.pretraining_bytes_per_token is not None
                else "-"
                for item in items
            ],
        ),
        row("  known", [item.pretraining.basis for item in items]),
        row("cache / adapter", [times(item.compression["kv_over_lora"]) for item in items]),
        row(
            "context / pretraining",
            [times(item.compression["kv_over_pretraining"]) for item in items],
        ),
        row("break-even tokens", [_bare(item.break_even_tokens) for item in items]),
        row("rank at parity", [_bare(item.rank_at_parity) for item in items]),
    ]
    lines = [
        f"{printable(item.model.model)}: {note}"
        for item in items
        for note in (*_quotes(item), *_notes(item))
    ]
    ranks = sorted({item.lora.r for item in items if item.lora is not None})
    return Sheet(
        title=f"{_tokens(items[0])}, LoRA r={', '.join(map(str, ranks)) or '-'}",
        columns=("", *(printable(item.model.model) for item in items)),
        rows=rows,
        lines=lines,
    )


def _cartridge_rows(items: Sequence[Comparison]) -> list[tuple[str, ...]]:
    if not any(item.cartridge is not None or "cartridge" in item.reasons for item in items):
        return []
    return [
        ("cartridge, bytes", *(_int(item.cartridge, "bytes") for item in items)),
        ("  virtual tokens", *(_int(item.cartridge, "virtual_tokens") for item in items)),
        ("  per token", *(_value(item.cartridge_bytes_per_token) for item in items)),
        ("  known", *(_word(item.cartridge, "basis") for item in items)),
    ]


def _int(figure: object, name: str) -> str:
    return "-" if figure is None else f"{int(getattr(figure, name)):,}"


def _word(figure: object, name: str) -> str:
    return "refused" if figure is None else str(getattr(figure, name))


def _bare(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _value(value: Fraction | None) -> str:
    return "-" if value is None else _plain(value)


def _percent(value: Fraction | None) -> str:
    return "-" if value is None else f"{float(value):.3%}"


def _count(item: Comparison) -> str:
    if item.pretraining.tokens is None:
        return "not stated"
    sign = _COUNT_SIGN.get(item.pretraining.qualifier or "exact", "")
    return sign + format_count(item.pretraining.tokens)
