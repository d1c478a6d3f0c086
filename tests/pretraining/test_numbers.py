"""The grammar of numbers, and what is no number of its."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfkv.pretraining.numbers import find, parse

T, B, M = 10**12, 10**9, 10**6


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("15 trillion", 15 * T),
        ("15-trillion", 15 * T),
        ("14.8 trillion", 14_800 * B),
        ("1,500B", 1_500 * B),
        ("299,892,736,000", 299_892_736_000),
        ("299.892.736.000", 299_892_736_000),
        ("1'500'000'000", 1_500 * M),
        ("1.001T", 1_001 * B),
        ("3.2 T", 3_200 * B),
        ("15T+", 15 * T),
        ("3.5+ trillion", 3_500 * B),
        ("two trillion", 2 * T),
        ("half a trillion", T // 2),
        ("four hundred billion", 400 * B),
        ("300 bn", 300 * B),
        ("4.4x10^12", 4_400 * B),
        ("4.4 × 10^12", 4_400 * B),
        ("4.4 × 10¹²", 4_400 * B),
        ("10¹²", T),
        ("10^{12}", T),
        ("2.57E+11", 257 * B),
        ("1.5e12", 1_500 * B),
        ("3万亿", 3 * T),
        ("2.65 万亿", 2_650 * B),
        ("800亿", 80 * B),
        ("1000億", 100 * B),
        ("2兆", 2 * T),
        ("1.4 조", 1_400 * B),
        ("3 billones", 3 * T),
        ("1,5 billones", 1_500 * B),
        ("300 mil millones", 300 * B),
        ("3 000 milliards", 3 * T),
        ("3\u202f000 milliards", 3 * T),
        ("3.000 Milliarden", 3 * T),
        ("1,5 Billionen", 1_500 * B),
        ("1,5 trilhões", 1_500 * B),
        ("300 bilhões", 300 * B),
        ("2 mila miliardi", 2 * T),
        ("2,5 триллиона", 2_500 * B),
        ("300 млрд", 300 * B),
    ],
)
def test_counts_are_exact(text: str, value: int) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    "text", ["", "v1.5", "1,50,000", "about 3T", "1.5", "Llama2", "10^99", "3 tokens", "30GB"]
)
def test_no_single_number(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("5 tokens", [5]),
        ("14 Teratokens", [14 * T]),
        ("5,500 GT", [5_500 * B]),
        ("100BT", [100 * B]),
        ("累计学习1.5万亿中文token", [1_500 * B]),
        ("on 1T, 1.4T and 10¹² tokens", [T, 1_400 * B, T]),
    ],
)
def test_numbers_in_a_sentence(text: str, values: list[int]) -> None:
    assert [quantity.value for quantity in find(text)] == values


@given(st.text(alphabet="0123456789.,+^×x'¹²eETBG 万亿兆tokensrilmn\u202f", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_without_error_and_in_order(text: str) -> None:
    found = find(text)
    assert all(0 <= q.start < q.end <= len(text) and q.value >= 0 for q in found)
    assert all(a.end <= b.start for a, b in pairwise(found))


@given(st.integers(min_value=1_000, max_value=10**15))
def test_grouped_integers_are_read_back(value: int) -> None:
    assert parse(f"{value:,}") == value
    assert parse(f"{value}") == value
