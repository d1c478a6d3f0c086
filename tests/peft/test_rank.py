"""The ranks of the main example, and exact arithmetic between them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import hfkv
from hfkv.comparison.rank import ranks
from hfkv.comparison.series import over_rank
from hfkv.peft.lora.rank_line import RankLine
from hfkv.render.chart import draw

LLAMA = hfkv.load("meta-llama/Meta-Llama-3-70B", source="snapshot")


def test_the_three_ranks() -> None:
    found = ranks(LLAMA, tokens=100_000)
    per_rank = 414_187_520 // 32
    assert {row.r: row.parameters for row in found.rows}[32] == 414_187_520
    assert found.at_parity == 32_768_000_000 // (2 * per_rank)
    assert found.at_one_percent == 141_107_412_992 // 100 // (2 * per_rank)
    assert found.covers == 1
    assert ranks(LLAMA, tokens=10**9).covers == -(-(10**9) // per_rank)


def test_every_row_is_what_the_count_says() -> None:
    for row in ranks(LLAMA, tokens=1000).rows:
        figure = LLAMA.lora(r=row.r)
        assert (row.parameters, row.bytes) == (figure.parameters, figure.bytes)


def test_what_does_not_grow_has_no_rank() -> None:
    flat = RankLine(slope=0, constant=100)
    assert flat.smallest(101) is None
    assert flat.smallest(100) == 1
    assert flat.largest(1000) is None


def test_the_marks_of_the_chart_are_the_named_ranks() -> None:
    asked: dict[str, Any] = {
        "tokens": 10**9,
        "bits_per_token": Fraction(1),
        "capacity": "memorization",
    }
    found = ranks(LLAMA, **asked)
    (model,) = over_rank([LLAMA], **asked).models
    covers, one_percent, parity = model.marks
    assert covers.r == found.covers
    assert "3.6 bits a parameter cover 1 bits a token" in covers.label
    assert "arXiv" in covers.label
    assert (one_percent.r, parity.r) == (found.at_one_percent, found.at_parity)


def test_the_chart_names_all_three_and_draws_those_that_are_on_it() -> None:
    figure = draw(over_rank([LLAMA], tokens=100_000))
    label = figure.axes[1].get_xlabel()
    assert "rank 54: 1% of the weights" in label
    assert "rank 1,265, beyond the chart: as large as the cache" in label
    assert "rank 1: 2 bits a parameter" in label
    drawn = {text.get_text() for text in figure.axes[0].texts}
    assert {"r=1", "r=54"} <= drawn
    assert "r=1,265" not in drawn


def test_sequences_count_together() -> None:
    one, two = ranks(LLAMA, tokens=1000), ranks(LLAMA, tokens=500, batch=2)
    assert (one.tokens, one.kv_cache_bytes) == (two.tokens, two.kv_cache_bytes)
