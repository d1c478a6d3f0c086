"""The ranks of a model for reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hfkv.comparison.rules import LEFT_OUT
from hfkv.lines import wrapped
from hfkv.reading import printable
from hfkv.render.explained import explained
from hfkv.render.origin import notes_of, origin_line
from hfkv.render.sheet import Sheet
from hfkv.render.tidy import Column, Tidy, pick
from hfkv.render.words import times
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from hfkv.comparison.rank import RankRow, Ranks
    from hfkv.comparison.rules import RankRule
    from hfkv.model import Model

__all__ = ["COLUMNS", "explain", "sheets", "tidy"]


def _share(row: Mapping[str, Any]) -> str:
    share = row.get("share_of_weights")
    return "-" if share is None else f"{float(share):.2%}"


#: One row for each rank. Those with a heading are the columns of Markdown and LaTeX.
COLUMNS = (
    Column(name="model", heading="model", words=True),
    Column(name="source"),
    Column(name="revision"),
    Column(name="commit"),
    Column(name="tokens", heading="tokens"),
    Column(name="dtype"),
    Column(name="basis", heading="basis", words=True),
    Column(name="kv_cache_bytes"),
    Column(name="kv_cache_basis"),
    Column(name="weight_bytes"),
    Column(name="r", heading="rank"),
    Column(name="parameters", heading="parameters"),
    Column(name="bytes", heading="bytes"),
    Column(name="share_of_weights", heading="of the weights", write=_share),
    Column(name="bytes_per_token"),
    Column(name="compression", heading="cache / LoRA", write=lambda row: times(row["compression"])),
    Column(name="meets", heading="meets", words=True),
)


def sheets(model: Model, found: Ranks, *, explain_it: bool = False) -> list[Sheet]:
    """The ranks, the rules with what they assume, and what they come to."""
    table = [
        (
            str(row.r),
            f"{row.parameters:,}",
            format_bytes(row.bytes),
            _share({"share_of_weights": row.share_of_weights}),
            f"{float(row.compression):,.2f}x",
            ", ".join(rule.name for rule in found.rules if _broken(rule, row)) or "-",
        )
        for row in found.rows
    ]
    facts = [("KV cache", f"{found.kv_cache_bytes:,} B ({found.kv_cache_basis})")]
    if found.weight_bytes is not None:
        facts.append(("weights", f"{found.weight_bytes:,} B"))
    facts.append(("LoRA", f"in {found.dtype} ({found.basis})"))
    experts = () if found.experts is None else found.experts.sentences
    facts += [("" if place else "experts", said) for place, said in enumerate(experts)]
    facts.append(("read from", origin_line(model)))
    first, _, rest = found.verdict.partition(". ")
    made = [
        Sheet(
            title=f"{_title(found)}: {first[:1].lower()}{first[1:]}",
            columns=("rank", "parameters", "bytes", "of weights", "vs cache", "breaks"),
            rows=table,
            facts=facts,
            notes=[printable(note, 600) for note in notes_of(model)],
            left=(5,),
        ),
        Sheet(
            title="Rules for choosing one (none is exact)",
            columns=("rule", "rank", "compared with", "source"),
            rows=[
                (rule.name, _rank(rule), printable(rule.label, 120), printable(rule.source, 300))
                for rule in found.rules
            ],
            facts=[
                (", ".join(names), f"assumes: {printable(assumption, 400)}")
                for assumption, names in _assumptions(found).items()
            ],
            lines=["", rest] if rest else [],
            left=(1, 2, 3),
        ),
    ]
    if explain_it:
        made.append(explained(explain(found), "How each rule comes to its rank"))
    return made


def _title(found: Ranks) -> str:
    return f"{printable(found.model)}, LoRA at {found.tokens:,} tokens"


def _broken(rule: RankRule, row: RankRow) -> bool:
    return rule.parameters is not None and rule.name not in row.meets


def _assumptions(found: Ranks) -> dict[str, list[str]]:
    """Assumptions to the names of the rules that make them."""
    names: dict[str, list[str]] = {}
    for rule in found.rules:
        names.setdefault(rule.assumption, []).append(rule.name)
    return names


def _rank(rule: RankRule) -> str:
    if rule.parameters is None:
        return "not known"
    if rule.rank is None:
        return f"none: {printable(rule.reason, 300)}"
    return f"{rule.rank:,} at {rule.bound}"


def explain(found: Ranks) -> list[str]:
    """Lines of at most 80 columns: the symbols, the adapter over the rank, and each rule."""
    line = found.line
    constant = f"{line.constant:,} + " if line.constant else ""
    lines = [
        "symbols:",
        "  r  rank",
        "  b  bytes of an element",
        "",
        *wrapped(
            f"an adapter of rank r has {constant}{line.slope:,} r parameters of "
            f"b={float(found.width):g} B ({found.dtype}); hfkv lora --explain adds them up"
        ),
    ]
    for rule in found.rules:
        if rule.parameters is None:
            lines += wrapped(f"{rule.name}: {printable(rule.reason, 400)}")
            continue
        size = rule.parameters * found.width
        rank = (
            f", r = {float((rule.parameters - line.constant) / line.slope):,.4f}"
            if line.slope
            else ""
        )
        lines += wrapped(
            f"{rule.name}: at {rule.bound} {float(rule.parameters):,.6g} parameters "
            f"({format_bytes(size)}){rank}: {_rank(rule)}"
        )
    for item in LEFT_OUT:
        lines += wrapped(f"left out: {item.name}, {item.source}: {item.reason}")
    return lines


def tidy(model: Model, found: Ranks, value: Mapping[str, Any]) -> Tidy:
    """One row for each rank. ``value`` is the JSON."""
    first, rules = sheets(model, found)
    same = pick(value, COLUMNS[:10])
    return Tidy(
        columns=COLUMNS,
        rows=[{**same, **row.to_json()} for row in found.rows],
        title=_title(found),
        notes=[
            *(f"{rule.name} ({rule.label}): {_rank(rule)}" for rule in found.rules),
            *(f"{names} {said}" for names, said in rules.facts),
            printable(found.verdict, 2000),
            f"read from {origin_line(model)}",
            *first.notes,
        ],
        explained=value.get("explain", ()),
    )
