"""The steps of the reading, each alone: found, classified, whose, chosen."""

from __future__ import annotations

import pytest

from hfkv.pretraining.candidates import Found, candidates
from hfkv.pretraining.choose import choose
from hfkv.pretraining.classify import Verdict, classify
from hfkv.pretraining.governor import governor
from hfkv.pretraining.identity import identity, same_name, tokens_of
from hfkv.pretraining.qualifiers import qualifier

T, B = 10**12, 10**9

TABLE = "| Model | Params | Tokens (T) |\n|---|---|---|\n| Foo | 7B | 1.5 |\n| Foo | 13B | 2 |\n"


def test_candidates_are_all_numbers_of_a_size_with_their_places() -> None:
    card = "# Foo\n\nTrained on 2T tokens with a batch of 16M tokens.\n\n" + TABLE
    found = candidates(card)
    assert [(item.form, item.tokens, item.line) for item in found] == [
        ("prose", 2 * T, 3),
        ("prose", 16_000_000, 3),
        ("column", 1_500 * B, 7),
        ("column", 2 * T, 8),
    ]
    assert [item.text[item.start : item.end] for item in found] == ["2T", "16M", "1.5", "2"]
    assert [item.sizes for item in found] == [(), (), (7 * B,), (13 * B,)]
    assert found[0].quote == "Trained on 2T tokens with a batch of 16M tokens."


def test_classification_knows_no_model() -> None:
    verdicts = {item.tokens: classify(item) for item in candidates("Bar saw 3T tokens; 9B params.")}
    assert verdicts[3 * T].taken
    assert "saw" in verdicts[3 * T].why
    first, second = candidates("Stage 1 trains on 1T tokens. Stage 2 trains on 200B tokens.")
    assert [classify(first).kind, classify(second).kind] == ["stage", "stage"]


@pytest.mark.parametrize(
    ("sentence", "trains", "word"),
    [
        ("It was trained with a context of 8192 on {2T} tokens.", True, "trained"),
        ("It was trained with a context of {2T} tokens.", False, "context"),
        ("It was trained on a corpus of {2T} tokens.", True, "trained"),
        ("The training corpus has {2T} tokens.", False, "corpus"),
        ("After training, it handles {2T} tokens.", False, "handles"),
        ("{2T} tokens were used for pretraining.", True, "pretraining"),
        ("在{2T} tokens上训练。", True, "训练"),
        ("Each step of training processes {2T} tokens.", False, "step"),
    ],
)
def test_the_nearest_word_governs(sentence: str, trains: bool, word: str) -> None:
    start = sentence.index("{")
    text = sentence.replace("{", "").replace("}", "")
    found = governor(text, start, start + 2)
    assert found.trains is trains
    assert word in found.why


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("over 2T", "at_least"),
        ("no less than 2T", "at_least"),
        ("less than 2T", "up_to"),
        ("a little under 2T", "up_to"),
        ("~2T", "about"),
        ("just 2T", "exact"),
        ("超过2T", "at_least"),
        ("plus de 2T", "at_least"),
        ("до 2T", "up_to"),
        ("2T以上", "at_least"),
        ("2T左右", "about"),
    ],
)
def test_qualifiers_stand_beside_the_number(text: str, how: str) -> None:
    start = text.index("2T")
    assert qualifier(text, start, start + 2) == how


@pytest.mark.parametrize(
    ("label", "own", "rank"),
    [
        ("Foo 7B", "Foo-7B", 1_000),
        ("foo_7b", "Foo-7B", 1_000),
        ("Foo-1.8B", "Foo-1_8B", 1_000),
        ("Foo2-7B", "Foo-2-7b-hf", 13),
        ("Foo", "Foo-7B", 11),
        ("Foo-S", "Foo-Small", 0),
        ("Bar-7B", "Foo-7B", 0),
        ("Foo-7B (ours)", "Foo-7B", 6),
    ],
)
def test_names_are_compared_piece_by_piece(label: str, own: str, rank: int) -> None:
    assert same_name(label, own) == rank
    assert tokens_of(own)


def test_the_choice_is_made_among_verdicts_alone() -> None:
    found = candidates("Trained on 1T tokens.\n\nTrained on 2T tokens.\n")
    weighed: list[tuple[Found, Verdict]] = [
        (item, Verdict(taken=True, why="said so", kind="total", weight=weight))
        for item, weight in zip(found, (40, 50), strict=True)
    ]
    choice = choose(weighed, identity("org/Foo"))
    assert (choice.tokens, choice.qualifier) == (2 * T, "exact")
    assert [item.tokens for item in choice.others] == [T]
    assert [item.verdict for item in choice.every] == ["alternative", "chosen"]
    none = choose([(found[0], Verdict(taken=False, why="not"))], identity("org/Foo"))
    assert none.tokens is None
    assert none.reason
