"""An unknown type is inferred right, or refused: wrong at most once in a hundred answers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import pytest

from tests.census.inference import Case, cases, measured, summary

#: Its file has a fused projection that the class takes apart; others of that name keep it fused.
KNOWN = {"qianfan_ocr-QianfanOCRForConditionalGeneration"}


def _check(chosen: Iterable[Case]) -> None:
    found = [measured(case) for case in chosen]
    print("\n".join(summary(found)))
    for what in ("adapter", "cache"):
        verdicts = [getattr(item, what) for item in found]
        assert verdicts.count("right") > len(found) // 4
        wrong = {item.name for item in found if getattr(item, what) == "wrong"}
        assert wrong <= KNOWN
        assert len(wrong) * 100 <= verdicts.count("right") or len(found) < 100


def test_a_few_types_taken_away() -> None:
    _check(islice(cases(), 3, None, 25))


@pytest.mark.oracle
def test_every_type_taken_away() -> None:
    _check(cases())
