"""The table of the docs is the registry's, and no recording disagrees with its plan."""

from __future__ import annotations

from tests.census.summary import EXACT, TARGET, document, headline, pairs


def test_the_committed_table_is_up_to_date() -> None:
    written = TARGET.read_text(encoding="utf-8")
    assert written == document(), "run: python -m tests.census.summary --write"


def test_no_pair_differs_from_its_recording() -> None:
    found = pairs()
    assert not [pair for pair in found if pair.verdict.startswith(("differs", "refused at"))]
    assert headline(found).startswith(f"{sum(pair.verdict == EXACT for pair in found)} of the ")
