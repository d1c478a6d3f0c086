"""The ranks of the main example, and exact arithmetic between them."""

from __future__ import annotations

from fractions import Fraction

import hfkv
from hfkv.comparison.rank import ranks
from hfkv.lora.capacity import CAPACITIES, Affine

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
    flat = Affine(slope=0, constant=100)
    assert flat.smallest(101) is None
    assert flat.smallest(100) == 1
    assert flat.largest(1000) is None
    assert flat.covers(1, Fraction(1), CAPACITIES["facts"]) == 1
