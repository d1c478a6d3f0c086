# ruff: noqa: E501 (a table)
"""Cards that mean harm: nothing raises, nothing takes long, nothing is invented."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfkv.pretraining import base_models, read_card
from hfkv.pretraining.text import LARGEST, normalise
from hfkv.reading import printable

PIECES = [
    "tokens", "trained on ", "1T ", "15 trillion ", "|", "|---|\n", "\n", "\n\n", "<table>", "<tr>",
    "<td rowspan=999 colspan=999>", "</table>", "<!--", "-->", "# ", "- ", "> ", "```\n", "**", "[",
    "](", ")", "\\", "&#0;", "&amp;", "$", "10^", "10¹²", "x10^12", ",", "000", "7B ", "respectively ",
    "---\n", "base_model: a/b\n", "&a ", "*a ", "\x00", "\x1b[31m", "\u202e", "训练", "万亿", "  ", "\r\n",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_mixture_is_read(pieces: list[str]) -> None:
    card = "".join(pieces)
    base_models(card)
    reading = read_card(card, model="org/Foo-7B")
    for candidate in reading.candidates:
        assert candidate.found.quote in " ".join(card.split())
        assert 1 <= candidate.found.line <= card.count("\n") + 1
        assert printable(candidate.found.quote).isprintable()


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_offsets_stay_within_the_card_and_in_order(card: str) -> None:
    text, offsets = normalise(card, 0, len(card))
    assert len(text) == len(offsets)
    assert offsets == sorted(offsets)
    assert all(0 <= at < len(card) for at in offsets)


@pytest.mark.parametrize("piece", PIECES)
def test_a_megabyte_of_one_thing_ends(piece: str) -> None:
    # No clock here: a quadratic step would make this test take minutes, which is noticed.
    read_card("tokens " + piece * (1_000_000 // len(piece)), model="org/Foo-7B")


@pytest.mark.parametrize(
    "card",
    [
        "| model | Training tokens |\n|---|---|\n" + "| m | 1T |\n" * 60_000,
        "|".join(["1T tokens"] * 50_000) + "\n" + "|".join(["---"] * 50_000),
        "<table>" + "<tr><td rowspan=999 colspan=999>1T tokens" * 20_000,
        "\n".join(">" * depth + " 1T tokens" for depth in range(1, 1_000)),
        "---\n" + "a: {" * 100_000 + "\n---\n tokens",
    ],
    ids=["rows", "columns", "spans", "quotes", "yaml"],
)
def test_large_structures_end(card: str) -> None:
    read_card(card, model="org/Foo-7B")
    base_models(card)


def test_what_is_not_read_is_said() -> None:
    card = "# Foo\n" + "word " * LARGEST + "\nFoo was pretrained on 3T tokens.\n"
    said = read_card(card, model="org/Foo").statement
    assert said.tokens is None
    assert any("were read" in note for note in said.notes)
