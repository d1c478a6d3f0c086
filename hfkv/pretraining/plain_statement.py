"""What a card says of pretraining: the count, its qualifier and the sentence that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hfkv.errors import RecordError
from hfkv.reading import describe

__all__ = ["Evidence", "Pretraining"]

QUALIFIERS = ("exact", "at_least", "about", "up_to")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A sentence or table cell, as the card has it.

    Attributes:
        quote: the card's own text, white space collapsed.
        file: the file it stands in; line: its first line there, from 1.
        model: whose card it is; commit: where it was read, if known.
    """

    quote: str
    file: str = "README.md"
    line: int | None = None
    model: str | None = None
    commit: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            "quote": self.quote,
            "file": self.file,
            "line": self.line,
            "model": self.model,
            "commit": self.commit,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretraining:
    """What is known of the tokens a model saw in pretraining.

    Attributes:
        tokens: the count; None where the card does not state it.
        qualifier: ``exact``, ``at_least`` ("over"), ``about`` ("~"), ``up_to``; None without one.
        basis: ``stated`` or ``not stated``.
        evidence: the sentences that say so.
        reason: why there is no count, where there is none.
        notes: what a reader must be told, one sentence each.
    """

    tokens: int | None = None
    qualifier: str | None = None
    basis: str = "not stated"
    evidence: tuple[Evidence, ...] = ()
    reason: str | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            "tokens": self.tokens,
            "qualifier": self.qualifier,
            "basis": self.basis,
            "evidence": [item.to_json() for item in self.evidence],
            "reason": self.reason,
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], *, where: str) -> Pretraining:
        """The statement that a snapshot or lock recorded.

        Raises:
            RecordError: it is malformed.
        """
        tokens, qualifier, basis = (value.get(key) for key in ("tokens", "qualifier", "basis"))
        whole = tokens is None or (isinstance(tokens, int) and not isinstance(tokens, bool))
        if not whole or qualifier not in (None, *QUALIFIERS) or not isinstance(basis, str):
            raise RecordError(
                f"found {describe(value)}", where=f"{where}: statement", expected="a statement"
            )
        found = value.get("evidence") or []
        return cls(
            tokens=tokens,
            qualifier=qualifier,
            basis=basis,
            evidence=tuple(
                Evidence(
                    quote=str(item.get("quote")),
                    file=str(item.get("file")),
                    line=item.get("line") if isinstance(item.get("line"), int) else None,
                    model=item.get("model") if isinstance(item.get("model"), str) else None,
                )
                for item in found
                if isinstance(item, Mapping)
            ),
            reason=value.get("reason") if isinstance(value.get("reason"), str) else None,
            notes=tuple(str(note) for note in value.get("notes") or ()),
        )
