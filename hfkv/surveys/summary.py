"""A survey in groups: how many models, what a token costs in their middle, what is refused."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from hfkv.json_value import attributes
from hfkv.surveys.formats import by_model, read_rows

__all__ = ["GROUPS", "SORTS", "Group", "Summary", "summarize"]

#: Columns that a summary reads.
_COLUMNS = (
    "model revision author created_at model_type parameters context_bytes_per_token kv_over_lora "
    "pretraining_tokens tokens_per_parameter kv_cache_error lora_error error_type source"
).split()
#: Edges of sizes in parameters, with their names.
_SIZES = (
    (10**9, "under 1B"),
    (3 * 10**9, "1B to 3B"),
    (10**10, "3B to 10B"),
    (3 * 10**10, "10B to 30B"),
    (10**11, "30B to 100B"),
)
_YEAR = re.compile(r"(\d{4})-")
#: What stands for a model of which the group is not known.
UNKNOWN = "not known"


def _year(row: Mapping[str, Any]) -> str:
    found = _YEAR.match(row["created_at"] or "")
    return found[1] if found else UNKNOWN


def _size(row: Mapping[str, Any]) -> str:
    if not row["parameters"]:
        return UNKNOWN
    return next((name for edge, name in _SIZES if row["parameters"] < edge), "100B and more")


#: How models are put in groups.
GROUPS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "model_type": lambda row: row["model_type"] or UNKNOWN,
    "year": _year,
    "size": _size,
    "author": lambda row: row["author"] or UNKNOWN,
}
#: What groups are sorted by; all but names the largest first.
SORTS = ("models", "name", "refused", "context", "parameters", "stated")


@dataclass(slots=True)
class Group:
    """Models of one kind.

    Attributes:
        name: what they have in common.
        models: how many; failed: could not be read; refused: were read and refused the cache or
            the adapter; stated: have a count of pretraining tokens.
        contexts, parameters, ratios: of each that has them.
    """

    name: str
    models: int = 0
    failed: int = 0
    refused: int = 0
    stated: int = 0
    contexts: array[float] = field(default_factory=lambda: array("d"))
    sizes: array[float] = field(default_factory=lambda: array("d"))
    ratios: array[float] = field(default_factory=lambda: array("d"))

    @property
    def context_bytes_per_token(self) -> float | None:
        """The median."""
        return median(self.contexts) if self.contexts else None

    @property
    def parameters(self) -> float | None:
        """The median."""
        return median(self.sizes) if self.sizes else None

    @property
    def tokens_per_parameter(self) -> float | None:
        """The median."""
        return median(self.ratios) if self.ratios else None

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        names = "name models failed refused stated context_bytes_per_token parameters"
        return attributes(self, f"{names} tokens_per_parameter")

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a model."""
        self.models += 1
        self.failed += bool(row["error_type"])
        self.refused += bool(row["kv_cache_error"] or row["lora_error"])
        self.stated += row["pretraining_tokens"] is not None
        for values, name in (
            (self.contexts, "context_bytes_per_token"),
            (self.sizes, "parameters"),
            (self.ratios, "tokens_per_parameter"),
        ):
            if row[name] is not None:
                values.append(row[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A survey at a glance.

    Attributes:
        by: what the groups have in common.
        groups: sorted.
        whole: all models as one group.
        rows: in the table; more than models where options were compared: then the first row of
            each model counts.
        errors: kinds of errors to models.
        refusals: types of models that refused a figure, to models.
        points: parameters and bytes per token in context of each model that has both.
        years: year and tokens per parameter of each model that has both.
    """

    by: str
    groups: tuple[Group, ...]
    whole: Group
    rows: int
    errors: Mapping[str, int]
    refusals: Mapping[str, int]
    points: tuple[array[float], array[float]]
    years: tuple[array[float], array[float]]

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            "by": self.by,
            "rows": self.rows,
            "all": self.whole.to_json(),
            "groups": [group.to_json() for group in self.groups],
            "errors": dict(self.errors),
            "refusals": dict(self.refusals),
        }


def summarize(path: Path, *, by: str = "model_type", sort: str = "models") -> Summary:
    """A survey's file or directory in groups.

    Raises:
        RecordError: it is none.
    """
    groups: dict[str, Group] = {}
    whole = Group("all")
    errors: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    points = array("d"), array("d")
    years = array("d"), array("d")
    rows = 0
    for row, *others in by_model(read_rows(path, _COLUMNS)):
        rows += 1 + len(others)
        name = GROUPS[by](row)
        groups.setdefault(name, Group(name)).add(row)
        whole.add(row)
        if row["error_type"]:
            errors[row["error_type"]] += 1
        if row["kv_cache_error"] or row["lora_error"]:
            refusals[row["model_type"] or UNKNOWN] += 1
        if row["parameters"] and row["context_bytes_per_token"]:
            points[0].append(row["parameters"])
            points[1].append(row["context_bytes_per_token"])
        if row["tokens_per_parameter"] and _year(row) != UNKNOWN:
            years[0].append(int(_year(row)))
            years[1].append(row["tokens_per_parameter"])
    return Summary(
        by=by,
        groups=tuple(sorted(groups.values(), key=lambda group: _order(group, sort))),
        whole=whole,
        rows=rows,
        errors=dict(errors.most_common()),
        refusals=dict(refusals.most_common()),
        points=points,
        years=years,
    )


def _order(group: Group, sort: str) -> tuple[float, str]:
    value = {
        "name": 0,
        "models": group.models,
        "refused": group.refused + group.failed,
        "context": group.context_bytes_per_token,
        "parameters": group.parameters,
        "stated": group.stated,
    }[sort]
    return -(value or 0), group.name
