"""The labelled cards against the statements. Skipped where they are absent."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from hfkv.facts import Facts
from hfkv.pretraining import Pretraining, pretraining
from hfkv.pretraining.statements import line_of

CARDS = Path(__file__).parents[3] / "shared" / "data" / "cards"


def _notes(row: dict[str, str], key: str) -> set[str]:
    found = re.findall(rf"\b{key}=([\w|]+)", row["difficulty_note"])
    return {value for part in found for value in part.split("|")}


@pytest.mark.skipif(not (CARDS / "LABELS.tsv").exists(), reason="no labelled cards here")
def test_labelled_cards_are_answered_with_the_statements_help() -> None:
    """The lines of the statements say what the labelled cards say. How good the reader is without
    them says ``test_owners``."""
    with (CARDS / "LABELS.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    failures = []
    stated = 0
    for row in rows:
        card = (CARDS / row["card_file"]).read_text(encoding="utf-8", errors="replace")
        said = pretraining(Facts(model=row["hub_id"], source="hub", card=card))
        right = {row["expected_tokens"] or "none"} | _notes(row, "accept")
        # Of continued pretraining the card's own count stands beside the sum.
        summed = [str(item.tokens) for item in said.alternatives] if _summed(said) else []
        if said.tokens is None:
            good = said.basis == "unclear" or "none" in right
            good = good and not (row["expected_tokens"] and line_of(row["hub_id"]))
        elif not row["expected_tokens"]:
            # Where the card is silent somebody else may say it.
            good = said.basis == "published" or str(said.tokens) in right
        else:
            good = bool({str(said.tokens), *summed} & right) or said.basis == "published"
        stated += said.basis == "stated"
        if not good:
            failures.append(f"{row['hub_id']}: {said.tokens} ({said.basis}), not {sorted(right)}")
        for found in said.evidence if said.basis == "stated" and not _summed(said) else ():
            assert found.line is not None
            assert found.quote in " ".join(card.split())
    assert not failures, "\n".join(failures)
    assert stated >= 130


def _summed(said: Pretraining) -> bool:
    return any(note.startswith("the sum of") and "its base" in note for note in said.notes)
