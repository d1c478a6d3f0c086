"""The steps of the reading, each alone: found, described, weighed."""

from __future__ import annotations

import pytest

from hfkv.pretraining.candidates import candidates
from hfkv.pretraining.fitted import Fit
from hfkv.pretraining.governor import governor
from hfkv.pretraining.identity import identity
from hfkv.pretraining.options import options
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
        ("Bar {7B}를 기반으로 90억 토큰을 추가로 사전학습했습니다.", False, "nothing"),
        ("Bar {7B}를 사전학습했습니다.", True, "사전학습"),
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
        ("2T 개 이상의 토큰", "at_least"),
        ("2T左右", "about"),
    ],
)
def test_qualifiers_stand_beside_the_number(text: str, how: str) -> None:
    start = text.index("2T")
    assert qualifier(text, start, start + 2) == how


def _features(card: str, model: str = "org/Foo-7B") -> list[frozenset[str]]:
    return [option.features for option in options(card, identity(model))]


@pytest.mark.parametrize(
    ("card", "features"),
    [
        ("Foo-7B was trained on 2T tokens.", {"what:counts training", "who:nearest name is it"}),
        ("We plan to train Foo on 2T tokens.", {"what:ahead: a plan", "what:objection"}),
        ("Bar-9B was trained on 2T tokens.", {"who:another was trained", "who:contradicted"}),
        ("Sampled from a pool of 2T tokens.", {"what:drawn from it", "what:objection"}),
        ("We did not train on 2T tokens.", {"what:denied"}),
        ("It uses the 2T CC100 data.", {"what:a letter without tokens", "what:doubt"}),
        ("Training tokens: 2T", {"what:field of tokens", "what:counts training"}),
        ("## Fine-tuning\n\nTrained on 2T tokens.", {"what:under tuning", "what:tuning"}),
        ("In stage 2 it was trained on 2T tokens.", {"part:stage"}),
        ("Trained on a total of 2T tokens.", {"part:total"}),
    ],
)
def test_each_feature_answers_one_question(card: str, features: set[str]) -> None:
    assert features <= _features(card)[0]


def test_a_table_is_read_as_a_table_before_its_numbers() -> None:
    card = "| Model | Tokens |\n|---|---|\n| Foo-7B | 1T |\n| Foo-13B | 2T |\n"
    first, second, *_ = _features(card)
    assert "who:table best +" in first
    assert {"who:table worse +", "who:another size"} & second


def test_fields_of_a_paragraph_are_lines_of_their_own() -> None:
    card = "Dataset size: 250B tokens\nTraining tokens: 1.4T tokens\nGPUs: 96\n"
    assert [item.text for item in candidates(card)] == [
        "Dataset size: 250B tokens",
        "Training tokens: 1.4T tokens",
    ]


def test_stages_are_added_up_as_an_answer_of_their_own() -> None:
    card = "Stage 1: trained on 3T tokens.\n\nStage 2: trained on 1T tokens.\n"
    sums = [o for o in options(card, identity("org/Foo")) if len(o.support) > 1]
    assert [option.tokens for option in sums] == [4 * T]
    assert {"sum", "sum:numbered"} <= sums[0].features


def test_the_words_around_a_number_are_features_of_its_answer() -> None:
    card = "# Foo\n\n## Training data\n\nIn the end it devoured 3T tokens of prose.\n"
    option = options(card, identity("org/Foo"))[0]
    words = {name.removeprefix("word:") for name in option.features if name.startswith("word:")}
    assert {"ahead devoured", "next ahead devoured", "near behind tokens", "behind prose"} <= words
    assert {"heading training", "above foo"} <= words
    assert not any("3" in word for word in words)


def test_words_speak_together() -> None:
    weights = {"word:ahead a": 0.4, "word:near behind b": 0.3, "word:ahead c": -0.1, "what:d": 0.5}
    fit = Fit(weights=weights, given=1, silent=1)
    assert fit.spoken(weights, against=False) == ["word:a, b, c", "what:d"]
    assert fit.spoken(weights, against=True) == []


def test_the_weights_decide_and_nothing_else() -> None:
    fit = Fit(weights={"a": 2.0, "b": -1.0}, given=0.8, silent=0.8)
    first, second, third = fit.probabilities([["a"], ["a", "b"], ["unheard of"]])
    assert first > second > third
    assert first + second + third == pytest.approx(1)
    assert fit.spoken(["a", "b"], against=True) == ["b"]
    assert fit.spoken(["a", "b"], against=False) == ["a"]
