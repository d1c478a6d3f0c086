"""A survey for reading: what it came to, what it will cost, what stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hfkv.reading import printable
from hfkv.render.sheet import Sheet
from hfkv.render.words import number
from hfkv.units import format_count

if TYPE_CHECKING:
    from hfkv.surveys.plan import Plan
    from hfkv.surveys.run import Done
    from hfkv.surveys.summary import Group, Summary

__all__ = ["counts", "done_sheets", "done_value", "plan_sheets", "span", "summary_sheets"]


def span(seconds: float) -> str:
    """A time as people say it.

    >>> span(5), span(300), span(7200), span(86400 * 7)
    ('5 s', '5 min', '2.0 h', '7.0 days')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * 86400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def counts(found: Mapping[str, int]) -> str:
    """``NotFoundError 3, GatedError 1``."""
    return ", ".join(f"{printable(name)} {count:,}" for name, count in found.items())


def done_value(done: Done, output: str) -> dict[str, Any]:
    """The documented JSON value of a survey that was written."""
    progress = done.progress
    return {
        "output": output,
        "models": done.manifest["models"],
        "rows": done.manifest["rows"],
        "answered": progress.done if progress else 0,
        "kept": progress.kept if progress else done.manifest["models"],
        "errors": dict(done.errors),
        "refused": dict(done.refused),
        "requests": dict(progress.budget.requests) if progress else {},
        "models_per_second": round(progress.rate, 2) if progress and progress.done else None,
        "notes": list(done.notes),
    }


def done_sheets(value: Mapping[str, Any]) -> list[Sheet]:
    """The same in a few lines."""
    lines = [f"{value['models']:,} models, {value['rows']:,} rows in {printable(value['output'])}"]
    if value["answered"]:
        asked = sum(value["requests"].values())
        rate = f"{value['models_per_second']:,.1f} a second"
        lines.append(f"{value['answered']:,} answered now, {rate}, {asked:,} requests")
    if value["kept"] and value["answered"]:
        lines.append(f"{value['kept']:,} of them as they were: nothing has changed")
    if value["errors"]:
        lines.append(f"not read: {counts(value['errors'])}")
    if value["refused"]:
        lines.append(f"refused: {counts(value['refused'])}")
    return [Sheet(title="", lines=lines, notes=value["notes"])]


def plan_sheets(plan: Plan) -> list[Sheet]:
    """What a survey will cost."""
    asked = "a table of" if plan.models is None else f"{plan.models:,}"
    lines = [f"{asked} models"]
    if sum(plan.requests.values()):
        each = ", ".join(f"{count:,} {kind}" for kind, count in plan.requests.items())
        lines.append(f"estimated: some {each} requests of models not read before")
    for kind, (quota, window) in plan.quotas.items():
        lines.append(f"the Hub's budget: {quota:,} {kind} requests in {span(window)}")
    if plan.seconds is not None:
        lines.append(f"at least {span(plan.seconds)} within it" if plan.seconds else "one window")
    if plan.why:
        lines.append(plan.why)
    return [Sheet(title="", lines=lines)]


_HEADINGS = (
    "models",
    "not read",
    "refused",
    "parameters",
    "B/token in context",
    "tokens stated",
    "tokens/parameter",
)


def summary_sheets(summary: Summary, most: int) -> list[Sheet]:
    """One table, a line for each group; figures are medians."""
    shown = summary.groups[:most]
    lines = ["parameters, bytes per token and tokens per parameter are medians"]
    if len(shown) < len(summary.groups):
        lines.append(f"{len(summary.groups) - len(shown):,} more groups: --most shows them")
    if summary.rows > summary.whole.models:
        lines.append(f"{summary.rows:,} rows: the first of each model counts")
    if summary.errors:
        lines.append(f"not read: {counts(summary.errors)}")
    if summary.refusals:
        lines.append(f"refused a figure: {counts(dict(list(summary.refusals.items())[:12]))}")
    return [
        Sheet(
            title=f"{summary.whole.models:,} models by {summary.by.replace('_', ' ')}",
            columns=(summary.by.replace("_", " "), *_HEADINGS),
            rows=[_row(group) for group in (*shown, summary.whole)],
            lines=lines,
            drop=(2, 3, 7),
        )
    ]


def _row(group: Group) -> tuple[str, ...]:
    return (
        printable(group.name, 60),
        f"{group.models:,}",
        f"{group.failed:,}",
        f"{group.refused:,}",
        "-" if group.parameters is None else format_count(int(group.parameters)),
        _figure(group.context_bytes_per_token),
        f"{group.stated:,}",
        _figure(group.tokens_per_parameter),
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else number(value)
