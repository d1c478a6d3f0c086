"""A pretraining statement for reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hfkv.pretraining.statement import TURNED
from hfkv.reading import printable
from hfkv.render.origin import notes_of, origin_line
from hfkv.render.sheet import Sheet
from hfkv.render.tidy import Column, Tidy, pick
from hfkv.render.words import SAID, SIGNS, number
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from hfkv.model import Model
    from hfkv.pretraining import Pretraining
    from hfkv.pretraining.statement import Alternative, Evidence

__all__ = ["CANDIDATE_COLUMNS", "COLUMNS", "sheets", "tidy"]


def _count(row: Mapping[str, Any]) -> str:
    tokens = row.get("tokens")
    return "-" if tokens is None else SIGNS[row.get("qualifier") or "exact"] + number(tokens)


def _per_token(row: Mapping[str, Any]) -> str:
    value = row.get("bytes_per_token")
    return "-" if value is None else SIGNS[TURNED[row.get("qualifier") or "exact"]] + number(value)


#: One row. ``quote``, ``file`` and ``line`` are those of the first sentence that says it.
COLUMNS = (
    Column(name="model", heading="model", words=True),
    Column(name="source", heading="source", words=True),
    Column(name="revision"),
    Column(name="commit", heading="commit", words=True),
    Column(name="tokens", heading="pretraining tokens", write=_count),
    Column(name="qualifier"),
    Column(name="basis", heading="basis", words=True),
    Column(name="weight_bytes"),
    Column(name="bytes_per_token", heading="B/token", write=_per_token),
    Column(name="quote", heading="quote", words=True),
    Column(name="file", heading="file", words=True),
    Column(name="line", heading="line"),
    Column(name="reason"),
)
#: With ``--explain``: one row for each candidate.
CANDIDATE_COLUMNS = (
    Column(name="model", heading="model", words=True),
    Column(name="source"),
    Column(name="commit"),
    Column(name="card", heading="card", words=True),
    Column(name="line", heading="line"),
    Column(name="tokens", heading="tokens"),
    Column(name="qualifier"),
    Column(name="verdict", heading="verdict", words=True),
    Column(name="probability"),
    Column(name="why", heading="why", words=True),
    Column(name="quote", heading="quote", words=True),
)


def sheets(
    model: Model, statement: Pretraining, candidates: Sequence[dict[str, Any]] | None = None
) -> list[Sheet]:
    """What the card says, its sentence, and with ``candidates`` everything that was weighed."""
    quotes = [_quote(found, model.model) for found in statement.evidence]
    facts = [("" if place else "says", quote) for place, quote in enumerate(quotes)]
    # What was added to a base's count is quoted above, with that count.
    others = [item for item in statement.alternatives if item.evidence not in statement.evidence]
    beside = "other" if statement.tokens is None else "also said"
    facts += [("" if place else beside, _other(item)) for place, item in enumerate(others)]
    facts += _possible(statement)
    if statement.tokens is not None and model.weight_bytes is not None:
        per_token = Fraction(model.weight_bytes, statement.tokens)
        sign = SIGNS[TURNED[statement.qualifier or "exact"]]
        facts.append(
            (
                "per token",
                f"{sign}{number(per_token)} B ({sign}{number(per_token * 8)} bits) of the "
                f"{format_bytes(model.weight_bytes)} of weights",
            )
        )
    facts += [("basis", statement.basis), ("read from", origin_line(model))]
    found_sheets = [
        Sheet(
            title=_title(model, statement),
            facts=facts,
            notes=[printable(note, 600) for note in (*statement.notes, *notes_of(model))],
        )
    ]
    if candidates is not None:
        found_sheets.append(_candidates(model, candidates))
    return found_sheets


def _title(model: Model, statement: Pretraining) -> str:
    name = printable(model.model)
    if statement.tokens is None:
        reason = f": {printable(statement.reason, 600)}" if statement.reason else ""
        return f"{name}: pretraining tokens {statement.basis}{reason}"
    words = SAID[statement.qualifier or "exact"]
    return f"{name} saw {words}{statement.tokens:,} tokens in pretraining"


def _quote(found: Evidence, model: str) -> str:
    where = f"{found.file}:{found.line}" if found.line else found.file
    whose = f"{found.model} " if found.model and found.model != model else ""
    return f'"{printable(found.quote, 400)}" ({printable(whose + where, 500)})'


def _other(item: Alternative) -> str:
    found = item.evidence
    said = f"{SAID[item.qualifier]}{item.tokens:,}"
    if found.line:
        return f'{said}: "{printable(found.quote, 300)}" ({printable(found.file)}:{found.line})'
    # Of what was read elsewhere, in the words of who read it.
    words = f": {printable(found.quote, 300)}" if found.quote else ""
    return f"{said}{words} ({printable(found.file, 300)})"


def _possible(statement: Pretraining) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    for item in statement.possible:
        first = item.evidence[0]
        facts.append(
            (
                "" if facts else "it may be",
                f"{SAID[item.qualifier]}{item.tokens:,} ({item.probability:.0%}): "
                f'"{printable(first.quote, 300)}" ({printable(first.file)}:{first.line}); '
                f"in doubt: {printable(item.why, 200)}",
            )
        )
    if facts:
        facts.append(("", "say which: --pretraining-tokens in compare and plot"))
    return facts


def _candidates(model: Model, candidates: Sequence[dict[str, Any]]) -> Sheet:
    several = any(item.get("model") != model.model for item in candidates)
    nothing = (
        "no number of tokens stands in the card"
        if model.core.card is not None
        else "no card was read, so nothing was weighed"
    )
    return Sheet(
        title="Candidates",
        columns=(*(("card",) if several else ()), "line", "tokens", "verdict", "why", "text"),
        rows=[
            (
                *((printable(str(item.get("model") or "")),) if several else ()),
                str(item.get("line") or ""),
                f"{item['tokens']:,}" if isinstance(item.get("tokens"), int) else "",
                _verdict(item),
                printable(_why(item), 200),
                printable(str(item.get("quote") or ""), 120),
            )
            for item in candidates
        ],
        lines=() if candidates else (nothing,),
        left=(0, 3, 4, 5) if several else (2, 3, 4),
    )


def _verdict(item: Mapping[str, Any]) -> str:
    verdict, probability = item.get("verdict") or "", item.get("probability")
    share = f" {probability:.2f}" if isinstance(probability, float) else ""
    return printable(f"{verdict}{share}")


def _why(item: Mapping[str, Any]) -> str:
    return str(item.get("why") or item.get("reason") or "")


def tidy(
    model: Model,
    statement: Pretraining,
    value: Mapping[str, Any],
    candidates: Sequence[dict[str, Any]] | None = None,
) -> Tidy:
    """One row; with ``candidates`` one for each of them. ``value`` is the JSON."""
    sheet = sheets(model, statement)[0]
    notes = [f"read from {origin_line(model)}", *sheet.notes]
    if candidates is None:
        first = statement.evidence[0] if statement.evidence else None
        row = {
            **pick(value, COLUMNS),
            "weight_bytes": model.weight_bytes,
            "bytes_per_token": statement.bytes_per_token(model.weight_bytes),
            "quote": first and first.quote,
            "file": first and first.file,
            "line": first and first.line,
        }
        return Tidy(columns=COLUMNS, rows=[row], title=sheet.title, notes=notes)
    same = pick(value, CANDIDATE_COLUMNS[:3])
    rows = [{**item, **same, "card": item.get("model"), "why": _why(item)} for item in candidates]
    return Tidy(columns=CANDIDATE_COLUMNS, rows=rows, title=sheet.title, notes=notes)
