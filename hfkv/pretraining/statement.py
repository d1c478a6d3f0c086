"""What is known of a model's pretraining tokens, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hfkv.errors import RecordError
from hfkv.json_value import json_value
from hfkv.reading import describe, whole_number
from hfkv.shown import Shown, Table, cell

__all__ = ["TURNED", "Alternative", "Evidence", "Possible", "Pretraining", "given"]

#: The qualifier of ``bytes / tokens``, given that of the tokens.
TURNED = {"exact": "exact", "about": "about", "at_least": "up_to", "up_to": "at_least"}

_BASES = ("stated", "published", "inferred", "given", "unclear", "not stated")
#: Bases of an answer that has no count.
_WITHOUT = ("unclear", "not stated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Where a figure stands.

    Attributes:
        quote: the card's own text (white space collapsed); untrusted, so escape it to print it.
        file: the file it stands in, or the citation of a published figure.
        line: its line, counted from 1; None where there is none.
        model: whose card it is, if recorded.
        commit: the commit of that card, if known.
    """

    quote: str
    file: str = "README.md"
    line: int | None = None
    model: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """Another count that the same card states for the same model."""

    tokens: int
    qualifier: str
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Possible:
    """A count that an unclear card may mean: how probable it is, and why it is in doubt.

    ``evidence`` is where it stands; several sentences where it adds up stages.
    """

    tokens: int
    qualifier: str
    probability: float
    why: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Pretraining(Shown):
    """How many tokens a model saw in pretraining.

    Attributes:
        tokens: the count; None where nothing states it.
        qualifier: ``exact``, ``at_least``, ``about`` or ``up_to``; None without a count.
        basis: ``stated`` (a card), ``published`` (its developer, elsewhere), ``inferred``
            (of a base by its dimensions), ``given`` (by you), ``unclear`` or ``not stated``.
        evidence: where it stands; several where stages are added up.
        alternatives: other counts the card gives for the same model, less well supported; without
            a count, numbers that were read and count something else.
        possible: where it is unclear, the one to three counts that the card may mean.
        notes: what a reader must know of it, one sentence each.
        reason: why there is no count; None where there is one.
    """

    _brief = "tokens qualifier basis"

    tokens: int | None = None
    qualifier: str | None = None
    basis: str = "not stated"
    evidence: tuple[Evidence, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    possible: tuple[Possible, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str | None = None

    def bytes_per_token(self, weight_bytes: int | None) -> Fraction | None:
        """Bytes of weights for each token seen; None where either is not known.

        >>> Pretraining(tokens=4, qualifier="exact", basis="stated").bytes_per_token(6)
        Fraction(3, 2)
        """
        if self.tokens is None or weight_bytes is None:
            return None
        return Fraction(weight_bytes, self.tokens)

    def _table(self) -> Table:
        quotes = [
            (f"{item.file}:{item.line}" if item.line else item.file, item.quote)
            for item in self.evidence
        ]
        return Table(
            title="pretraining tokens",
            rows=(
                ("tokens", cell(self.tokens)),
                ("as", cell(self.qualifier)),
                ("basis", self.basis),
                *(
                    (f"perhaps, by {item.probability:.0%}", cell(item.tokens))
                    for item in self.possible
                ),
                *quotes,
            ),
            notes=(*((self.reason,) if self.reason else ()), *self.notes),
            texts=(1,),
        )

    def to_json(self) -> dict[str, Any]:
        """The value as JSON has it; :meth:`from_json` reads it back."""
        value: dict[str, Any] = json_value(self)
        if not self.possible:
            del value["possible"]
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any], *, where: str = "") -> Pretraining:
        """Read back what :meth:`to_json` wrote; keys it does not know are passed over.

        Raises:
            RecordError: a field has another type, or contradicts another.
        """
        read = _Reader(f"{where}: pretraining statement" if where else "pretraining statement")
        if not isinstance(value, Mapping):
            raise read.wrong("", value, "an object")
        tokens = value.get("tokens")
        if tokens is not None:
            read.count(tokens, "tokens")
        qualifier = value.get("qualifier")
        if tokens is None and qualifier is not None:
            raise read.wrong("qualifier", qualifier, "null where there are no tokens")
        if tokens is not None:
            read.qualifier(qualifier, "qualifier")
        basis = value.get("basis", "not stated")
        if basis not in _BASES or (basis in _WITHOUT) != (tokens is None):
            raise read.wrong("basis", basis, f"one of {', '.join(_BASES)}, as the tokens need")
        return cls(
            tokens=tokens,
            qualifier=qualifier,
            basis=basis,
            evidence=tuple(read.evidence(item) for item in read.listed(value, "evidence")),
            alternatives=tuple(
                read.alternative(item) for item in read.listed(value, "alternatives")
            ),
            possible=tuple(read.possible(item) for item in read.listed(value, "possible")),
            notes=tuple(read.text(item, "notes") for item in read.listed(value, "notes")),
            reason=read.optional(value, "reason"),
        )


def given(tokens: int) -> Pretraining:
    """A count of your own, which you answer for.

    >>> given(4 * 10**12).basis
    'given'

    Raises:
        InputError: it is not a positive integer.
    """
    whole_number(tokens, "`pretraining_tokens`")
    return Pretraining(
        tokens=tokens, qualifier="exact", basis="given", notes=("the count was given to hfkv",)
    )


class _Reader:
    """Typed reads of a recorded statement, with the place in every error."""

    def __init__(self, where: str) -> None:
        self.where = where

    def wrong(self, key: str, value: object, expected: str) -> RecordError:
        where = f"{self.where}: {key}" if key else self.where
        return RecordError(f"found {describe(value)}", where=where, expected=expected)

    def count(self, value: object, key: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise self.wrong(key, value, "a positive integer")
        return value

    def qualifier(self, value: object, key: str) -> str:
        if not isinstance(value, str) or value not in TURNED:
            raise self.wrong(key, value, f"one of {', '.join(TURNED)}")
        return value

    def listed(self, value: Mapping[str, Any], key: str) -> list[Any]:
        found = value.get(key, [])
        if not isinstance(found, (list, tuple)):
            raise self.wrong(key, found, "a list")
        return list(found)

    def text(self, value: object, key: str) -> str:
        if not isinstance(value, str):
            raise self.wrong(key, value, "a text")
        return value

    def optional(self, value: Mapping[str, Any], key: str) -> str | None:
        found = value.get(key)
        return None if found is None else self.text(found, key)

    def evidence(self, value: object) -> Evidence:
        if not isinstance(value, Mapping):
            raise self.wrong("evidence", value, "an object")
        line = value.get("line")
        return Evidence(
            quote=self.text(value.get("quote"), "evidence: quote"),
            file=self.text(value.get("file", "README.md"), "evidence: file"),
            line=None if line is None else self.count(line, "evidence: line"),
            model=self.optional(value, "model"),
            commit=self.optional(value, "commit"),
        )

    def possible(self, value: object) -> Possible:
        if not isinstance(value, Mapping):
            raise self.wrong("possible", value, "an object")
        chance = value.get("probability")
        if isinstance(chance, bool) or not isinstance(chance, (int, float)) or not 0 <= chance <= 1:
            raise self.wrong("possible: probability", chance, "a number from 0 to 1")
        return Possible(
            tokens=self.count(value.get("tokens"), "possible: tokens"),
            qualifier=self.qualifier(value.get("qualifier"), "possible: qualifier"),
            probability=float(chance),
            why=self.text(value.get("why"), "possible: why"),
            evidence=tuple(self.evidence(item) for item in self.listed(value, "evidence")),
        )

    def alternative(self, value: object) -> Alternative:
        if not isinstance(value, Mapping):
            raise self.wrong("alternatives", value, "an object")
        return Alternative(
            tokens=self.count(value.get("tokens"), "alternatives: tokens"),
            qualifier=self.qualifier(value.get("qualifier"), "alternatives: qualifier"),
            evidence=self.evidence(value.get("evidence")),
        )
