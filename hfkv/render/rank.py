"""The ranks of a model for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfkv.comparison.rules import LEFT_OUT
from hfkv.reading import printable
from hfkv.render.machine import flatten
from hfkv.render.sheet import Sheet
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from hfkv.comparison.rank import RankRow, Ranks
    from hfkv.comparison.rules import RankRule

__all__ = ["rows", "sheets"]


def sheets(found: Ranks, *, explain: bool = False) -> list[Sheet]:
    """The ranks, the rules with what they assume, and what they come to."""
    table = [
        (
            str(row.r),
            f"{row.parameters:,}",
            format_bytes(row.bytes),
            "-" if row.share_of_weights is None else f"{float(row.share_of_weights):.2%}",
            f"{float(row.compression):,.2f}x",
            ", ".join(rule.name for rule in found.rules if _broken(rule, row)) or "-",
        )
        for row in found.rows
    ]
    size = f"the cache of {found.tokens:,} tokens has {found.kv_cache_bytes:,} B"
    if found.weight_bytes is not None:
        size += f", the weights {found.weight_bytes:,} B"
    lines = [size]
    if found.experts is not None:
        lines += found.experts.sentences
    made = [
        Sheet(
            title=f"{printable(found.model)}: LoRA ranks at {found.tokens:,} tokens",
            columns=("rank", "parameters", "bytes", "of weights", "vs cache", "breaks"),
            rows=table,
            lines=lines,
            left=(5,),
        ),
        Sheet(
            title="Rules for choosing one (none is exact)",
            columns=("rule", "rank", "compared with", "source"),
            rows=[
                (rule.name, _rank(rule), printable(rule.label, 120), printable(rule.source, 300))
                for rule in found.rules
            ],
            lines=[
                f"{', '.join(names)} assumes: {printable(assumption, 400)}"
                for assumption, names in _assumptions(found).items()
            ],
            left=(1, 2, 3),
        ),
    ]
    if explain:
        made.append(_explained(found))
    made.append(Sheet(title="", columns=(), rows=[], lines=[found.verdict]))
    return made


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


def _explained(found: Ranks) -> Sheet:
    line = found.line
    lines = [
        f"an adapter of rank r has {line.constant:,} + {line.slope:,} r parameters of "
        f"{float(found.width):g} B"
        if line.constant
        else f"an adapter of rank r has {line.slope:,} r parameters of {float(found.width):g} B"
    ]
    for rule in found.rules:
        if rule.parameters is None:
            lines.append(f"{rule.name}: {printable(rule.reason, 400)}")
            continue
        size = rule.parameters * found.width
        lines.append(
            f"{rule.name}: at {rule.bound} {float(rule.parameters):,.6g} parameters "
            f"({format_bytes(size)})"
            + (
                f", r = {float((rule.parameters - line.constant) / line.slope):,.4f}"
                if line.slope
                else ""
            )
            + f": {_rank(rule)}"
        )
    lines += [f"left out: {item.name}, {item.source}: {item.reason}" for item in LEFT_OUT]
    return Sheet(title="How each rule comes to its rank", columns=(), rows=[], lines=lines)


def rows(found: Ranks) -> list[dict[str, str]]:
    """One flat row a rank."""
    return [
        flatten(
            {
                "model": found.model,
                "tokens": found.tokens,
                "dtype": found.dtype,
                "basis": found.basis,
                **row.to_json(),
            }
        )
        for row in found.rows
    ]
