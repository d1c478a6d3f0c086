"""A comparison for reading: one sentence, one table, and what stands behind its figures."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from hfkv.comparison import Comparison
from hfkv.model import Model
from hfkv.pretraining.statement import TURNED
from hfkv.reading import printable
from hfkv.render.crosscheck import crosscheck_line
from hfkv.render.origin import notes_of, origin_line
from hfkv.render.sheet import Sheet
from hfkv.render.words import SAID, SIGNS, number, times
from hfkv.units import format_bytes

__all__ = ["costs", "cross_ratio", "largest_ratio", "notes", "sentence", "sheets", "short_tokens"]

#: What a token costs, by the key of ``bytes_per_token``, to the words for it.
WAYS = {
    "context": "in context",
    "lora": "in a LoRA of rank {r}",
    "cartridge": "in a cartridge",
    "pretraining": "in pretraining",
}


def sheets(item: Comparison) -> list[Sheet]:
    """The table of a ``compare`` of one model."""
    lora, pretraining = item.lora, item.pretraining
    rows = [
        _row("in context: KV cache", item.kv_cache, item.context_bytes_per_token),
        _row(f"fine-tuned: LoRA r={lora.r}" if lora else "fine-tuned: LoRA", lora, costs(item)[1]),
    ]
    if _has_cartridge(item):
        found = item.cartridge
        name = f"cartridge: {found.virtual_tokens:,} tokens" if found else "cartridge"
        rows.append(_row(name, found, item.cartridge_bytes_per_token))
    weights = item.model.weight_bytes
    rows.append(
        (
            "pretrained: weights",
            "-" if weights is None else f"{weights:,}",
            *_per_token(item.pretraining_bytes_per_token, pretraining_sign(item)),
            pretraining.basis,
        )
    )
    return [
        Sheet(
            title=sentence(item),
            columns=("", "bytes", "bytes/token", "bits/token", "basis"),
            rows=rows,
            facts=_facts(item),
            notes=notes(item),
            left=(4,),
        )
    ]


def _has_cartridge(item: Comparison) -> bool:
    return item.cartridge is not None or "cartridge" in item.reasons


def _row(name: str, figure: object, per_token: Fraction | None) -> tuple[str, ...]:
    if figure is None:
        return (name, "-", "-", "-", "refused")
    size, basis = getattr(figure, "bytes"), getattr(figure, "basis")  # noqa: B009
    return (name, f"{size:,}", *_per_token(per_token), basis)


def _per_token(value: Fraction | None, sign: str = "") -> tuple[str, str]:
    if value is None:
        return ("-", "-")
    return (sign + number(value), sign + number(value * 8))


def pretraining_sign(item: Comparison) -> str:
    """The sign before bytes per token: a count of at least N tokens makes at most so many."""
    return SIGNS[TURNED[item.pretraining.qualifier or "exact"]]


def costs(item: Comparison) -> list[Fraction | None]:
    """Bytes per token in context, in the adapter, in the cartridge and in pretraining."""
    return [
        item.context_bytes_per_token,
        item.lora_bytes_per_token,
        item.cartridge_bytes_per_token,
        item.pretraining_bytes_per_token,
    ]


def largest_ratio(item: Comparison) -> tuple[Fraction, str, str] | None:
    """How many times the dearest way costs of the cheapest, the word for the bound that it may be,
    and which they are; None where there are no two."""
    found = sorted(
        (value, name) for value, name in zip(costs(item), WAYS, strict=True) if value is not None
    )
    if len(found) < 2 or not found[0][0]:
        return None
    (least, cheap), (most, dear) = found[0], found[-1]
    names = {"lora": "LoRA"}
    qualifier = item.pretraining.qualifier or "exact"
    bound = {"pretraining": qualifier}.get(cheap, "exact")
    if dear == "pretraining":
        bound = TURNED[qualifier]
    return most / least, SAID[bound], f"{names.get(dear, dear)} over {names.get(cheap, cheap)}"


def sentence(item: Comparison) -> str:
    """What a token costs, and the largest ratio."""
    name = printable(item.model.model)
    rank = item.lora.r if item.lora is not None else 0
    bound = SAID[TURNED[item.pretraining.qualifier or "exact"]]
    parts = [
        f"{bound if way == 'pretraining' else ''}{number(value)} B {words.format(r=rank)}"
        for value, (way, words) in zip(costs(item), WAYS.items(), strict=True)
        if value is not None
    ]
    if not parts:
        return f"{name}: no figure at {short_tokens(item)}"
    text = f"{name}: each of {short_tokens(item)} costs {_listed(parts)}"
    ratio = largest_ratio(item)
    if ratio is not None:
        text += f"; the largest ratio is {ratio[1]}{times(ratio[0])}, {ratio[2]}"
    return text


def _listed(parts: Sequence[str]) -> str:
    *before, last = parts
    return f"{', '.join(before)} and {last}" if before else last


def short_tokens(item: Comparison) -> str:
    """``100,000 tokens``, with the number of sequences where there are several."""
    sequences = f" in each of {item.batch:,} sequences" if item.batch > 1 else ""
    return f"{item.tokens:,} token{'s' if item.tokens > 1 else ''}{sequences}"


def cross_ratio(item: Comparison, name: str) -> str:
    """A ratio to pretraining, a bound where its count is one."""
    value = item.compression[name]
    return "-" if value is None else SIGNS[item.pretraining.qualifier or "exact"] + times(value)


def _facts(item: Comparison) -> list[tuple[str, str]]:
    cache, lora, found, ratios = item.kv_cache, item.lora, item.cartridge, item.compression
    facts = []
    if ratios["kv_over_lora"] is not None:
        facts.append(("cache / LoRA", times(ratios["kv_over_lora"])))
    if ratios["kv_over_cartridge"] is not None:
        facts.append(("cache / cartridge", times(ratios["kv_over_cartridge"])))
    for name, label in (("kv", "context"), ("lora", "LoRA")):
        if ratios[f"{name}_over_pretraining"] is not None:
            ratio = cross_ratio(item, f"{name}_over_pretraining")
            facts.append((f"{label} / pretraining", f"{ratio} per token"))
    if cache is not None and lora is not None:
        reasons = item.reasons
        facts.append(
            ("break-even", reasons["break_even_tokens"])
            if item.break_even_tokens is None
            else ("break-even", f"{item.break_even_tokens:,} tokens")
        )
        facts.append(
            ("rank at parity", reasons["rank_at_parity"])
            if item.rank_at_parity is None
            else (
                "rank at parity",
                f"{item.rank_at_parity:,}, the largest whose adapter is no larger than the cache",
            )
        )
    if cache is not None:
        facts.append(
            (
                "KV cache",
                f"{format_bytes(cache.bytes)} in {cache.dtype}; the next token adds "
                f"{cache.bytes_per_token:,} B",
            )
        )
    if lora is not None:
        share = item.lora_share_of_weights
        facts.append(
            (
                "LoRA",
                f"{lora.parameters:,} parameters in {lora.modules:,} modules, "
                f"{format_bytes(lora.bytes)} in {lora.dtype}"
                + ("" if share is None else f", {float(share):.3%} of the weights"),
            )
        )
    if found is not None:
        facts.append(
            (
                "cartridge",
                f"{found.parameters:,} parameters trained of {found.saved_parameters:,}, "
                f"{format_bytes(found.bytes)} in {found.dtype}",
            )
        )
    if item.model.weight_bytes is not None:
        facts.append(("weights", _weights(item.model)))
        if "parameters" in item.reasons:
            reason = printable(item.reasons["parameters"], 600)
            facts.append(("", f"no number of parameters: {reason}"))
    facts += _pretraining(item)
    if (judged := item.kv_cache or item.lora) is not None:
        facts.append(("crosscheck", crosscheck_line(judged.agreement)))
    facts.append(("read from", origin_line(item.model)))
    return facts


def _weights(model: Model) -> str:
    """Parameters and bytes; of packed weights the elements that hold them as well."""
    count, stored = model.parameters, model.stored_elements
    parts = [] if count is None else [f"{count:,} parameters"]
    if stored is not None and stored != count:
        parts.append(f"{stored:,} packed elements")
    return ", ".join([*parts, format_bytes(model.weight_bytes or 0)])


def _pretraining(item: Comparison) -> list[tuple[str, str]]:
    said = item.pretraining
    if said.tokens is None:
        reason = f": {printable(said.reason, 600)}" if said.reason else ""
        return [("pretraining", f"{said.basis}{reason}")]
    facts = [("pretraining", f"{SIGNS[said.qualifier or 'exact']}{said.tokens:,} tokens")]
    for found in said.evidence[:2]:
        where = f"{found.file}:{found.line}" if found.line else found.file
        facts.append(("", f'"{printable(found.quote, 300)}" ({printable(where)})'))
    if item.model.weight_bytes is None:
        facts.append(("", f"no bytes per token: {printable(item.reasons['pretraining'], 600)}"))
    return facts


def notes(item: Comparison, *, files: bool = True) -> list[str]:
    """What a reader must be told, each once; ``files``: of the files that were read as well."""
    found: list[str] = []
    for figure in (item.lora, item.kv_cache, item.pretraining):
        found += () if figure is None else figure.notes
    if item.cartridge is not None:
        found += [f"cartridge: {note}" for note in item.cartridge.notes]
    found += notes_of(item.model) if files else ()
    return [printable(note, 600) for note in dict.fromkeys(found)]
