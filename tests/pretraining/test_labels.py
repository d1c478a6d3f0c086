"""The labelled cards: precision, recall and qualifiers, by kind. Skipped where they are absent."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from pathlib import Path

import pytest

from hfkv.pretraining import read_card

CARDS = Path(__file__).parents[3] / "shared" / "data" / "cards"


def _notes(row: dict[str, str], key: str) -> set[str]:
    found = re.findall(rf"\b{key}=([\w|]+)", row["difficulty_note"])
    return {value for part in found for value in part.split("|")}


@pytest.mark.skipif(not (CARDS / "LABELS.tsv").exists(), reason="no labelled cards here")
def test_labelled_cards() -> None:
    with (CARDS / "LABELS.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    # By kind: given a number, rightly; has a number, rightly; qualifier asked, rightly.
    counts: dict[str, list[int]] = defaultdict(lambda: [0] * 6)
    failures = []
    for row in rows:
        card = (CARDS / row["card_file"]).read_text(encoding="utf-8", errors="replace")
        said = read_card(card, model=row["hub_id"]).statement
        right = {row["expected_tokens"] or "none"} | _notes(row, "accept")
        good = (str(said.tokens) if said.tokens else "none") in right
        count = counts[row["kind"]]
        if said.tokens is not None:
            count[0] += 1
            count[1] += good
        if row["expected_tokens"]:
            count[2] += 1
            count[3] += good
            if good and said.tokens is not None:
                count[4] += 1
                count[5] += said.qualifier in {row["qualifier"]} | _notes(row, "accept_qualifier")
        if not good:
            failures.append(f"{row['hub_id']}: {said.tokens}, not {sorted(right)}")
        for found in said.evidence:
            assert found.line is not None
            assert found.quote in " ".join(card.split())
    print()
    for kind, numbers in sorted(counts.items()):
        g, gr, h, hr, q, qr = numbers
        print(f"{kind}: given {gr}/{g}, right {hr}/{h}, qualifier {qr}/{q}")
    given, rightly, has, found_right, asked, qualified = map(
        sum, zip(*counts.values(), strict=True)
    )
    print(f"all: given {rightly}/{given}, right {found_right}/{has}, qualifier {qualified}/{asked}")
    message = "\n".join(failures)
    # What has been reached; it may only rise.
    assert rightly == given, message
    assert found_right == has, message
    assert qualified == asked, message
