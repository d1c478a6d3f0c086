"""Several models for reading: one row each, in one table at any width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from hfkv.comparison import Comparison
from hfkv.errors import HfkvError
from hfkv.pretraining.statement import TURNED
from hfkv.reading import printable
from hfkv.render.compare import (
    WAYS,
    costs,
    cross_ratio,
    largest_ratio,
    notes,
    pretraining_sign,
    short_tokens,
)
from hfkv.render.merged import merged
from hfkv.render.origin import notes_of, origin_line
from hfkv.render.sheet import Sheet
from hfkv.render.words import SAID, SIGNS, number, times
from hfkv.units import format_bytes, format_count

if TYPE_CHECKING:
    from hfkv.cache import KVCache
    from hfkv.engines import Allocation
    from hfkv.peft.lora import Lora
    from hfkv.peft.prompts import Prompt

__all__ = ["many_sentence", "sheets"]


#: The way whose count can be a bound.
_LAST = "pretraining"


@dataclass(frozen=True, slots=True)
class _Column:
    """A heading, its cell, when it goes where there is no room (0: never), and what sorts by it."""

    heading: str
    cell: Callable[[Comparison], str]
    goes: int = 0
    order: str = ""


def _per_token(value: Fraction | None) -> str:
    return "-" if value is None else number(value)


def _whole(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _size(figure: KVCache | Allocation | Lora | Prompt | None) -> str:
    return "-" if figure is None else format_bytes(figure.bytes)


def _share(value: Fraction | None) -> str:
    return "-" if value is None else f"{float(value):.3%}"


def _pretraining(item: Comparison) -> str:
    value = item.pretraining_bytes_per_token
    return "-" if value is None else pretraining_sign(item) + number(value)


def _seen(item: Comparison) -> str:
    tokens = item.pretraining.tokens
    if tokens is None:
        return item.pretraining.basis
    return SIGNS[item.pretraining.qualifier or "exact"] + format_count(tokens)


def _parameters(item: Comparison) -> str:
    count = item.model.parameters
    return "-" if count is None else format_count(count)


#: In the order of the table. ``goes`` numbers them in the order in which they go.
_COLUMNS = (
    _Column("parameters", _parameters, 7, "parameters"),
    _Column("KV cache", lambda item: _size(item.kv_cache), 5),
    _Column("B/token\nin context", lambda item: _per_token(item.context_bytes_per_token), 0, "kv"),
    _Column("LoRA", lambda item: _size(item.lora), 4),
    _Column("of the\nweights", lambda item: _share(item.lora_share_of_weights), 2),
    _Column("B/token\nin LoRA", lambda item: _per_token(item.lora_bytes_per_token), 0, "lora"),
    _Column("cartridge", lambda item: _size(item.cartridge), 3),
    _Column("B/token in\ncartridge", lambda item: _per_token(item.cartridge_bytes_per_token), 9),
    _Column("pretraining\ntokens", _seen, 6),
    _Column("B/token in\npretraining", _pretraining),
    _Column("cache /\nLoRA", lambda item: times(item.compression["kv_over_lora"]), 0, "ratio"),
    _Column("context /\npretraining", lambda item: cross_ratio(item, "kv_over_pretraining"), 8),
    _Column("break-even\ntokens", lambda item: _whole(item.break_even_tokens), 0, "break-even"),
    _Column("rank at\nparity", lambda item: _whole(item.rank_at_parity), 1),
)


def sheets(
    results: Sequence[tuple[str, Comparison | HfkvError]], *, sort: str | None = None
) -> list[Sheet]:
    """The table of a ``compare`` of several models.

    Args:
        results: name as it was asked for, and the comparison or what kept the model from it.
        sort: what they are ordered by, whose column stays.
    """
    found = [item for _, item in results if isinstance(item, Comparison)]
    if not found:
        return []
    columns = [
        column
        for column in _COLUMNS
        if "cartridge" not in column.heading or any(item.cartridge for item in found)
    ]
    blank = ["not read" if column.order == "kv" else "-" for column in columns]
    rows = [
        (
            printable(name),
            *(blank if isinstance(item, HfkvError) else (column.cell(item) for column in columns)),
        )
        for name, item in results
    ]
    names = [printable(name) for name, _ in results]
    short = _short(names)
    going = sorted(
        (column.goes, place)
        for place, column in enumerate(columns, 1)
        if column.goes and not (sort and column.order == sort)
    )
    called = {id(item): name for name, (_, item) in zip(short, results, strict=True)}
    return [
        Sheet(
            title=many_sentence([(called[id(item)], item) for item in found]),
            columns=("", *(column.heading for column in columns)),
            rows=rows,
            facts=[
                ("basis", _basis([(called[id(item)], item) for item in found])),
                ("crosscheck", _crosschecks([(called[id(item)], item) for item in found])),
                *_origins([(called[id(item)], item) for item in found]),
            ],
            notes=_notes([(called[id(item)], item) for item in found]),
            short={} if short == names else {0: short},
            drop=[place for _, place in going],
        )
    ]


def _short(names: Sequence[str]) -> list[str]:
    """Names without their owners, or folders, where that leaves them different."""
    last = [name.rstrip("/\\").replace("\\", "/").rpartition("/")[2] for name in names]
    return last if len(set(last)) == len(set(names)) else list(names)


def many_sentence(found: Sequence[tuple[str, Comparison]]) -> str:
    """What a token costs in the cheapest and in the dearest of the models."""
    first = found[0][1]
    ranks = sorted({item.lora.r for _, item in found if item.lora is not None})
    parts = []
    for place, (way, words) in enumerate(WAYS.items()):
        values = [
            (value, SAID[TURNED[item.pretraining.qualifier or "exact"]] if way == _LAST else "")
            for _, item in found
            if (value := costs(item)[place]) is not None
        ]
        if not values:
            continue
        ends = dict.fromkeys(bound + number(value) for value, bound in (min(values), max(values)))
        parts.append(f"{' to '.join(ends)} B {words.format(r=', '.join(map(str, ranks)))}")
    text = f"{len(found)} models: each of {short_tokens(first)} costs {', '.join(parts)}"
    ratios = [(ratio, name) for name, item in found if (ratio := largest_ratio(item))]
    if ratios:
        (value, bound, which), name = max(ratios)
        text += f"; the largest ratio is {bound}{times(value)}, {which} ({name})"
    return text


def _basis(found: Sequence[tuple[str, Comparison]]) -> str:
    """``KV cache exact; LoRA exact; pretraining stated, not stated (a, b)``."""
    parts = []
    for label, bases in (
        ("KV cache", [item.kv_cache.basis if item.kv_cache else "refused" for _, item in found]),
        ("LoRA", [item.lora.basis if item.lora else "refused" for _, item in found]),
        ("pretraining", [item.pretraining.basis for _, item in found]),
    ):
        parts.append(f"{label} {', '.join(_grouped(bases, [name for name, _ in found]))}")
    return "; ".join(parts)


def _crosschecks(found: Sequence[tuple[str, Comparison]]) -> str:
    """``agrees; nothing to compare (a)``: the verdicts alone, the notes tell the rest."""
    verdicts = []
    for _, item in found:
        judged = item.kv_cache or item.lora
        verdicts.append("refused" if judged is None else judged.agreement.verdict)
    return ", ".join(_grouped(verdicts, [name for name, _ in found]))


def _origins(found: Sequence[tuple[str, Comparison]]) -> list[tuple[str, str]]:
    lines = _grouped([origin_line(item.model) for _, item in found], [name for name, _ in found])
    return [("" if place else "read from", line) for place, line in enumerate(lines)]


def _grouped(values: Sequence[str], names: Sequence[str]) -> list[str]:
    """The commonest value without names, the others with theirs."""
    groups: dict[str, list[str]] = {}
    for value, name in zip(values, names, strict=True):
        groups.setdefault(value, []).append(name)
    (most, _), *others = sorted(groups.items(), key=lambda group: -len(group[1]))
    return [most, *(f"{value} ({', '.join(given)})" for value, given in others)]


def _notes(found: Sequence[tuple[str, Comparison]]) -> list[str]:
    """Those of all models, each once. What a snapshot was made from is said of one model alone."""
    said = []
    for name, item in found:
        lines = notes(item, files=False)
        if item.pretraining.tokens is None and item.pretraining.reason:
            lines.append(f"pretraining {item.pretraining.basis}: {item.pretraining.reason}")
        elif item.model.weight_bytes is None:
            lines.append(f"no bytes per token in pretraining: {item.reasons['pretraining']}")
        files = notes_of(item.model)
        lines += files[1:] if item.model.source == "snapshot" else files
        said.append((name, [printable(line, 600) for line in lines]))
    made = merged(said, len(found))
    if any(item.model.source == "snapshot" for _, item in found):
        made.append("hfkv compare of one model says what its snapshot was made from")
    return made
