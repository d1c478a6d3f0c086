"""Comparisons as tidy columns: one row for each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hfkv.comparison import Comparison
from hfkv.errors import HfkvError
from hfkv.pretraining.statement import TURNED
from hfkv.render.compare import notes, sentence
from hfkv.render.compare_many import many_sentence
from hfkv.render.merged import merged
from hfkv.render.origin import origin_line
from hfkv.render.tidy import Column, Tidy, pick
from hfkv.render.words import SIGNS, number, times

__all__ = ["COLUMNS", "tidy"]


def _ratio(name: str) -> Column:
    heading = {"kv_over_lora": "cache / LoRA", "kv_over_pretraining": "context / pretraining"}
    path = f"compression.{name}"
    bound = name.endswith("pretraining")

    def write(row: Mapping[str, Any]) -> str:
        sign = SIGNS[row.get("pretraining.qualifier") or "exact"] if bound else ""
        return "-" if row.get(path) is None else sign + times(row[path])

    return Column(name=path, heading=heading.get(name, ""), write=write)


def _bound(path: str, heading: str, *, turned: bool) -> Column:
    def write(row: Mapping[str, Any]) -> str:
        qualifier = row.get("pretraining.qualifier") or "exact"
        sign = SIGNS[TURNED[qualifier] if turned else qualifier]
        return "-" if row.get(path) is None else sign + number(row[path])

    return Column(name=path, heading=heading, write=write)


def _bases(row: Mapping[str, Any]) -> str:
    if row.get("source") is None:
        return "not read"
    names = ("kv_cache.basis", "lora.basis", "pretraining.basis")
    return ", ".join(row.get(name) or "refused" for name in names)


#: The same for every model. Those with a heading are the columns of Markdown and LaTeX.
COLUMNS = (
    Column(name="model", heading="model", words=True),
    Column(name="source"),
    Column(name="revision"),
    Column(name="commit"),
    Column(name="model_type"),
    Column(name="parameters", heading="parameters"),
    Column(name="stored_elements"),
    Column(name="weight_bytes"),
    Column(name="tokens", heading="tokens"),
    Column(name="batch"),
    Column(name="kv_cache.bytes", heading="KV cache, B"),
    Column(name="kv_cache.bytes_per_token"),
    Column(name="kv_cache.constant_bytes"),
    Column(name="kv_cache.dtype"),
    Column(name="kv_cache.basis"),
    Column(name="lora.r", heading="LoRA r"),
    Column(name="lora.parameters"),
    Column(name="lora.bytes", heading="LoRA, B"),
    Column(name="lora.dtype"),
    Column(name="lora.basis"),
    Column(name="lora_share_of_weights"),
    Column(name="cartridge.virtual_tokens"),
    Column(name="cartridge.bytes"),
    Column(name="cartridge.basis"),
    _bound("pretraining.tokens", "pretraining tokens", turned=False),
    Column(name="pretraining.qualifier"),
    Column(name="pretraining.basis"),
    Column(name="bytes_per_token.context", heading="B/token in context"),
    Column(name="bytes_per_token.lora", heading="B/token in LoRA"),
    Column(name="bytes_per_token.cartridge"),
    _bound("bytes_per_token.pretraining", "B/token in pretraining", turned=True),
    _ratio("kv_over_lora"),
    _ratio("kv_over_cartridge"),
    _ratio("kv_over_pretraining"),
    _ratio("lora_over_pretraining"),
    Column(name="break_even_tokens", heading="break-even tokens"),
    Column(name="rank_at_parity"),
    Column(name="", heading="basis (cache, LoRA, pretraining)", write=_bases, words=True),
    Column(name="error"),
)


def tidy(results: Sequence[tuple[str, Comparison | HfkvError]], *, explain: bool = False) -> Tidy:
    """One row for each model; of one that could not be read, its name and the error."""
    rows: list[dict[str, Any]] = []
    for name, item in results:
        if isinstance(item, HfkvError):
            rows.append({"model": name, "error": str(item)})
            continue
        refused = [
            f"no {key}: {item.reasons[key]}"
            for key in ("kv_cache", "lora", "cartridge")
            if key in item.reasons
        ]
        row = pick(item.to_json(), COLUMNS)
        error = "; ".join(refused) or None
        rows.append({**row, "tokens": item.tokens, "batch": item.batch, "error": error})
    found = [(item.model.model, item) for _, item in results if isinstance(item, Comparison)]
    title = ""
    if found:
        title = sentence(found[0][1]) if len(found) == 1 else many_sentence(found)
    said = [(name, [*notes(item), f"read from {origin_line(item.model)}"]) for name, item in found]
    explained = [
        line for name, item in found if explain for line in (f"# {name}", *item.explain(), "")
    ]
    return Tidy(
        columns=COLUMNS,
        rows=rows,
        title=title,
        notes=merged(said, len(found)),
        explained=explained[:-1],
    )
