"""The rows of one model: its figures, or the error that kept it from being read."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from hfkv.errors import ConfigError, GatedError, HfkvError, NetworkError, NotFoundError
from hfkv.reading import printable
from hfkv.surveys.columns import COLUMNS, NAMES
from hfkv.surveys.question import Question

if TYPE_CHECKING:
    from hfkv.model import Model
    from hfkv.pretraining import Pretraining

__all__ = ["Row", "answer", "failed"]

Row = dict[str, Any]
#: What one asks about: ``model``, and what else the list or table gives of it.
Item = Mapping[str, Any]
#: Whole numbers beyond this have no column; no real model comes near it.
_LARGEST = 2**63 - 1


def answer(item: Item, kind: str, question: Question, place: Mapping[str, Any]) -> list[Row]:
    """The rows of one item.

    Args:
        item: ``model``; of the Hub perhaps ``revision`` and ``commit``, with ``before`` the rows of
            an earlier survey (``settled``: they hold); else ``card``, ``path``, or ``config`` and
            ``header``.
        kind: ``hub``, ``cards`` or ``configs``.
        question: what is asked.
        place: ``source`` and ``token`` for the Hub.
    """
    try:
        if "error" in item:
            raise ConfigError(item["error"], where=item["model"])
        if kind == "cards":
            return [_of_card(item)]
        if _as_before(item, place):
            return [dict(row) for row in item["before"]]
        model = _read(item, kind, place)
        return _figures(model, item, question)
    except HfkvError as error:
        return [failed(item, error)]
    except CancelledError:
        raise
    except Exception as bug:
        # Of two million models one finds what nobody thought of; it must not cost the others.
        said = HfkvError(f"a bug in hfkv: {type(bug).__name__}: {printable(str(bug), 300)}")
        return [failed(item, said)]


def _as_before(item: Item, place: Mapping[str, Any]) -> bool:
    """Whether the rows of an earlier survey still hold: the revision has not moved."""
    if not item.get("before"):
        return False
    if item.get("settled"):
        return True
    from hfkv.source.listing import current_commit

    now = item.get("commit") or current_commit(
        item["model"], revision=item.get("revision"), token=place.get("token")
    )
    return bool(now == item["before"][0]["commit"])


def _read(item: Item, kind: str, place: Mapping[str, Any]) -> Model:
    from pathlib import Path

    from hfkv.model import load
    from hfkv.source import is_path

    name = item["model"]
    if kind == "hub":
        if is_path(name):
            raise NotFoundError(
                f"'{printable(name)}' is a path and no Hub id",
                hint="hfkv survey --configs takes directories",
            )
        return load(
            name,
            revision=item.get("revision"),
            source=place["source"],
            token=place.get("token"),
        )
    if "path" in item:
        return load(Path(item["path"]))
    return load(item["config"], header=item.get("header"), card=item.get("card"), name=name)


def _figures(model: Model, item: Item, question: Question) -> list[Row]:
    from hfkv.comparison import compare_model

    rows = []
    for rank, dtype, engine in question.combinations:
        found = compare_model(model, **question.arguments(rank, dtype, engine))
        value = found.to_json()
        row = _blank(item)
        for column in COLUMNS:
            if column.path:
                row[column.name] = _pick(value, column.path)
        row.update(
            tokens=question.tokens, batch=question.batch, engine=engine, lora_r=rank,
            notes=[printable(note, 500) for note in model.facts.notes],
        )  # fmt: skip
        row["created_at"] = row["created_at"] or model.facts.created
        row.update(_stated(found.pretraining))
        if found.pretraining.tokens is not None and model.parameters:
            row["tokens_per_parameter"] = found.pretraining.tokens / model.parameters
        rows.append(_typed(row))
    return rows


def _of_card(item: Item) -> Row:
    from hfkv.facts import Facts
    from hfkv.pretraining import pretraining

    card = item.get("card")
    facts = Facts(
        model=item["model"],
        source="given",
        commit=item.get("commit"),
        card=card if isinstance(card, str) else None,
        missing={} if isinstance(card, str) else {"README.md": "the table has no card of it"},
    )
    found = pretraining(facts)
    row = _blank(item)
    row.update(source="given", commit=item.get("commit"), **_stated(found))
    row["notes"] = [printable(note, 500) for note in found.notes]
    return _typed(row)


def _stated(found: Pretraining) -> Row:
    first = found.evidence[0] if found.evidence else None
    return {
        "pretraining_tokens": found.tokens,
        "pretraining_qualifier": found.qualifier,
        "pretraining_basis": found.basis,
        "pretraining_quote": first and printable(first.quote, 2000),
        "pretraining_file": first and printable(first.file, 500),
        "pretraining_line": first and first.line,
        "pretraining_reason": found.reason and printable(found.reason, 500),
    }


def failed(item: Item, error: HfkvError) -> Row:
    """The row of a model that could not be read."""
    row = _blank(item)
    row.update(
        error_type=type(error).__name__,
        error=printable(str(error), 1000),
        passing=isinstance(error, (NetworkError, GatedError)),
    )
    return row


def _blank(item: Item) -> Row:
    row: Row = dict.fromkeys(NAMES)
    name = item["model"]
    author = name.partition("/")[0] if "/" in name and "path" not in item else None
    created = item.get("created_at")
    row.update(
        model=name,
        author=author,
        created_at=created if isinstance(created, str) else None,
        revision=item.get("revision"),
        notes=[],
    )
    return row


def _pick(value: Mapping[str, Any], path: str) -> Any:
    found: Any = value
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _typed(row: Row) -> Row:
    """Each value as its column has it."""
    for column in COLUMNS:
        value = row[column.name]
        if value is None:
            continue
        if column.kind == "number":
            row[column.name] = float(value)
        elif column.kind == "whole":
            if not isinstance(value, int) or abs(value) > _LARGEST:
                row[column.name] = None
                row["notes"].append(f"{column.name} is no whole number of 64 bits: {value}"[:200])
        elif column.kind == "text":
            row[column.name] = printable(str(value), 2000)
    return row
