# ruff: noqa: E501 (tables of sentences read better unbroken)
"""Each kind of statement and of trap in wordings of our own, in whole cards.

The reader is fitted on some of these too, so nothing here says how good it is: it says what
stays repaired. How good it is on cards of other owners, ``test_owners`` tells.
"""

from __future__ import annotations

from collections import Counter

import pytest

from hfkv.pretraining import read_card
from tests.pretraining.paraphrases import PAGES, cards

#: Kinds of fault that were seen in cards, each with what it must never give as the count.
FAULTS: dict[str, tuple[str, int]] = {
    "tuning called training": (
        "Training was done with 55 million tokens of roleplay data over 1.5 epochs.",
        55 * 10**6,
    ),
    "a field of a tuned model": ("Num of tokens: 131M", 131 * 10**6),
    "a table of tuning data": (
        "| SFT dataset | Tokens |\n|---|---|\n| Chat | 400M |\n| Math | 1.2B |",
        12 * 10**8,
    ),
    "another model of the document": (
        "- 2024-05: Bar-1B, trained on 500B tokens, is out.",
        5 * 10**11,
    ),
    "another model in brackets": ("We compare with Bar-7B (2T tokens).", 2 * 10**12),
    "a sibling": ("Foo-13B was trained on 2T tokens; the other sizes will follow.", 2 * 10**12),
    "a stage": ("Stage 2 of the training took 50B tokens.", 5 * 10**10),
    "a point of the schedule": ("The learning rate changes around 15B tokens.", 15 * 10**9),
    "a data set's own bullet": ("- Bazmix: 5T tokens of filtered web data", 5 * 10**12),
    "bytes": ("Trained with 2.5T of text (CC100).", 25 * 10**11),
    "a vocabulary": ("Our vocabulary was learned on 20B tokens.", 20 * 10**9),
    "any model": ("Training such a model usually takes more than 1T tokens.", 10**12),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_that_was_seen_is_not_made_again(kind: str) -> None:
    sentence, tokens = FAULTS[kind]
    for page in PAGES:
        said = read_card(page.replace("{s}", sentence), model="org/Foo-7B").statement
        assert said.tokens != tokens, said


@pytest.mark.parametrize(
    ("sentence", "tokens"),
    [
        ("Foo-7B has consumed 300B tokens.", 3 * 10**11),
        ("We release two checkpoints, Foo-3B and Foo-7B, both trained with 5.7T tokens.", 57 * 10**11),
        ("Foo-7B is a large Norwegian language model pretrained from scratch on 260 billion tokens.", 26 * 10**10),
        ("Foo-7B is an open Polish LLM trained on 260 billion tokens.", 26 * 10**10),
        ("Foo-7B was trained for 480K steps and 1007B tokens.", 1007 * 10**9),
        ("Foo-7B was pretrained on more than 20T tokens and then tuned with SFT and RLHF.", 20 * 10**12),
        ("Foo-7B leverages a training corpus of 3.4T tokens.", 34 * 10**11),
        ("Dataset size: 250B tokens / Training tokens: 1.4T tokens", 14 * 10**11),
        ("Foo-7B saw 3T tokens, then 600B more, adding up to a total of 3.6T tokens.", 36 * 10**11),
    ],
)  # fmt: skip
def test_what_was_missed_is_found(sentence: str, tokens: int) -> None:
    for page in PAGES:
        said = read_card(page.replace("{s}", sentence), model="org/Foo-7B").statement
        assert tokens in (said.tokens, *(item.tokens for item in said.possible)), said


def test_of_the_paraphrases_few_are_read_wrongly_and_most_are_given() -> None:
    count: Counter[str] = Counter()
    for card, model, _, tokens, _ in cards():
        said = read_card(card, model=model).statement
        count["stated"] += tokens is not None
        count["given"] += tokens is not None and said.tokens == tokens
        if said.tokens not in (None, tokens):
            count["wrong"] += 1
    assert count["given"] >= 0.75 * count["stated"], count
    assert count["wrong"] <= 4, count
