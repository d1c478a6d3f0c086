# ruff: noqa: E501 (a table)
"""Cards that mean harm: nothing raises, nothing takes long, nothing is invented."""

from __future__ import annotations

import time

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
    "; ", ": ", "Foo-7B was ", "like Bar (", "followed by ", "from ", "to ", "stage 1 ", "for the 7B, ", "1T (7B), ", "<sup>12</sup>",
    "<li>", "| Params | 7B |", "Training tokens: ", "of the ", "twenty-", "a ", "1 000 ", "+ ", "would ", "compared to ", "over ",
    "---\n", "base_model: a/b\n", "&a ", "*a ", "\x00", "\x1b[31m", "\u202e", "训练", "万亿", "  ", "\r\n",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_mixture_is_read(pieces: list[str]) -> None:
    card = "".join(pieces)
    base_models(card)
    reading = read_card(card, model="org/Foo-7B")
    for found in [item for candidate in reading.candidates for item in candidate.support]:
        assert found.quote in " ".join(card.split())
        assert 1 <= found.line <= card.count("\n") + 1
        assert printable(found.quote).isprintable()


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_offsets_stay_within_the_card_and_in_order(card: str) -> None:
    text, offsets = normalise(card, 0, len(card))
    assert len(text) == len(offsets)
    assert offsets == sorted(offsets)
    assert all(0 <= at < len(card) for at in offsets)


#: What has been the slowest of all pieces tried, one for each step of the reading.
SLOW = ["; ", "[", "7B ", "1 ", "- 1T tokens\n", "trained on 1T tokens, ", "1T (7B), "]


@pytest.mark.parametrize("piece", SLOW)
def test_a_megabyte_of_one_thing_ends(piece: str) -> None:
    before = time.process_time()
    read_card("Trained on tokens " + piece * (1_000_000 // len(piece)), model="org/Foo-7B")
    # Some tenths of a second of one processor; a quadratic step takes minutes.
    assert time.process_time() - before < 2


@pytest.mark.parametrize(
    "card",
    [
        "| model | Training tokens |\n|---|---|\n" + "| m | 1T |\n" * 60_000,
        "|".join(["1T tokens"] * 50_000) + "\n" + "|".join(["---"] * 50_000),
        "<table>" + "<tr><td rowspan=999 colspan=999>1T tokens" * 20_000,
        "\n".join(">" * depth + " 1T tokens" for depth in range(1, 1_000)),
        "---\n" + "a: {" * 100_000 + "\n---\n tokens",
        "---\nbase_model: " + "[" * 100_000 + "\n---\n tokens",
        "---\nbase_model:\n" + "- a/b\n" * 100_000 + "---\n tokens",
        "<table><tr><th>M<th>Params<th>Training tokens"
        + "<tr><td>Foo<td>7B<td rowspan=200>1T tokens" * 20_000,
        "Trained on " + ", ".join(f"{n}B tokens and Foo-{n}B" for n in range(1, 40_000)),
        "".join(f"Foo-{n}B was trained on {n}T tokens. " for n in range(1, 25_000)),
        "".join(f"## Foo-{n}B\n\nTrained on {n}T tokens\n\n" for n in range(1, 25_000)),
    ],
    ids=[
        "rows",
        "columns",
        "spans",
        "quotes",
        "yaml",
        "yaml flow",
        "yaml list",
        "row spans",
        "one sentence",
        "sentences",
        "headings",
    ],
)
def test_large_structures_end(card: str) -> None:
    before = time.process_time()
    read_card(card, model="org/Foo-7B")
    base_models(card)
    assert time.process_time() - before < 2


def test_what_is_not_read_is_said() -> None:
    card = "# Foo\n" + "word " * LARGEST + "\nFoo was pretrained on 3T tokens.\n"
    said = read_card(card, model="org/Foo").statement
    assert said.tokens is None
    assert any("were read" in note for note in said.notes)
