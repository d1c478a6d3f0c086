"""A pretraining statement for reading."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hfkv.reading import printable
from hfkv.render.compare import PER_TOKEN_SIGN
from hfkv.render.sheet import Sheet
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from hfkv.model import Model
    from hfkv.pretraining import Pretraining

__all__ = ["sheets"]

_WORDS = {"exact": "", "at_least": "at least ", "about": "about ", "up_to": "at most "}


def sheets(
    model: Model, statement: Pretraining, candidates: Sequence[dict[str, Any]] | None = None
) -> list[Sheet]:
    """What the card says, its sentence, and with ``candidates`` everything that was weighed."""
    name = printable(model.model)
    if statement.tokens is None:
        title = f"{name}: pretraining tokens {statement.basis}"
        lines = [printable(statement.reason or "", 400)] if statement.reason else []
    else:
        words = _WORDS.get(statement.qualifier or "exact", "")
        title = f"{name}: {words}{statement.tokens:,} pretraining tokens ({statement.basis})"
        lines = []
    for item in statement.possible:
        first = item.evidence[0]
        lines.append(
            f"{_WORDS.get(item.qualifier, '')}{item.tokens:,} ({item.probability:.0%}): "
            f'"{printable(first.quote, 300)}" ({printable(first.file)}:{first.line}); '
            f"in doubt: {printable(item.why, 200)}"
        )
    if statement.possible:
        lines.append("say which: --pretraining-tokens in compare and plot")
    for found in statement.evidence:
        where = f"{found.file}:{found.line}" if found.line else found.file
        whose = f"{found.model} " if found.model and found.model != model.model else ""
        lines.append(f'"{printable(found.quote, 400)}" ({printable(whose + where)})')
    if statement.tokens is not None and model.weight_bytes is not None:
        per_token = Fraction(model.weight_bytes, statement.tokens)
        sign = PER_TOKEN_SIGN.get(statement.qualifier or "exact", "")
        lines.append(
            f"{format_bytes(model.weight_bytes)} of weights: {sign}{format_bytes(per_token)} "
            f"({sign}{float(per_token * 8):.3g} bits) per token"
        )
    lines += [f"note: {printable(note, 400)}" for note in statement.notes]
    lines += [f"note: {printable(note, 400)}" for note in model.facts.notes]
    found_sheets = [Sheet(title=title, columns=(), rows=(), lines=lines)]
    if candidates is not None:
        several = any(item.get("model") != model.model for item in candidates)
        found_sheets.append(
            Sheet(
                title="Candidates",
                columns=(
                    *(("card",) if several else ()),
                    "line",
                    "tokens",
                    "verdict",
                    "why",
                    "text",
                ),
                rows=[
                    (
                        *((printable(str(item.get("model") or "")),) if several else ()),
                        str(item.get("line") or ""),
                        f"{item['tokens']:,}" if isinstance(item.get("tokens"), int) else "",
                        printable(str(item.get("verdict") or "")),
                        printable(str(item.get("why") or item.get("reason") or ""), 200),
                        printable(str(item.get("quote") or ""), 120),
                    )
                    for item in candidates
                ],
                lines=() if candidates else ("no number of tokens stands in the card",),
                left=(0, 3, 4, 5) if several else (2, 3, 4),
            )
        )
    return found_sheets
