"""Invented cards of every kind of statement, and of every trap."""

from __future__ import annotations

import pytest

from hfkv.pretraining import Pretraining, read_card

T, B = 10**12, 10**9

STATED = [
    ("Foo was pretrained on over 15 trillion tokens of data.", 15 * T, "at_least"),
    ("Foo is trained on 1,500B tokens.", 1_500 * B, "exact"),
    ("The model saw 299,892,736,000\ntokens during training.", 299_892_736_000, "exact"),
    ("We pre-train it on 14.8 trillion diverse and high-quality tokens.", 14_800 * B, "exact"),
    ("We scale up the training tokens into 5.5 trillion.", 5_500 * B, "exact"),
    ("- **Pretraining tokens:** 3.5+ trillion", 3_500 * B, "at_least"),
    ("- Total seen tokens: **366B**", 366 * B, "exact"),
    ("* Training tokens: 150B tokens\n* Dataset size: 30B tokens", 150 * B, "exact"),
    ("Foo was trained on \\~2T tokens.", 2 * T, "about"),
    ("Foo was trained on approximately **600B** tokens.", 600 * B, "about"),
    ("Foo has been pretrained on up to 3T tokens.", 3 * T, "up_to"),
    ("Foo was trained on $4.4 \\times 10^{12}$ tokens.", 4_400 * B, "exact"),
    ("Foo was trained on 10¹² tokens.", T, "exact"),
    ("Foo was trained on 10<sup>12</sup> tokens.", None, None),
    ("模型使用超过2.4万亿tokens的数据进行预训练。", 2_400 * B, "at_least"),
    ("本模型在包含3万亿个token的语料上进行了预训练。", 3 * T, "exact"),
    ("Il a été pré-entraîné sur plus de 2 000 milliards de jetons.", 2 * T, "at_least"),
    ("Foo was trained on 300GB of text (about 100B tokens) for 300B tokens.", 300 * B, "exact"),
    ("模型在约 3 万亿词元上进行预训练。", 3 * T, "about"),
    ("本モデルは2兆トークンで学習しました。", 2 * T, "exact"),
    ("이 모델은 3조 토큰으로 사전 학습되었습니다.", 3 * T, "exact"),
    ("El modelo fue entrenado con más de 3 billones de tokens.", 3 * T, "at_least"),
    ("Le modèle a été entraîné sur 3 000 milliards de tokens.", 3 * T, "exact"),
    ("Das Modell wurde mit 1,5 Billionen Tokens trainiert.", 1_500 * B, "exact"),
    ("Il modello è stato addestrato su 2 mila miliardi di token.", 2 * T, "exact"),
    ("O modelo foi treinado com 1,5 trilhões de tokens.", 1_500 * B, "exact"),
    ("Модель обучена на 300 млрд токенов.", 300 * B, "exact"),
    ("| Training data | 9.8T tokens |\n|---|---|\n| Context | 16K tokens |", None, None),
    ("| | |\n|---|---|\n| Training data | 9.8T tokens |", 9_800 * B, "exact"),
    ("| Source | Tokens (Billion) |\n|---|---|\n| Web | 900 |\n| Code | 100 |\n| Total | 1000 |",
     T, "exact"),
    ("In phase 1, our model is trained on 4 trillion tokens. "
     "In phase 2, our model is trained on 500 billion tokens.", 4_500 * B, "exact"),
]  # fmt: skip

NOT_STATED = [
    "Foo supports a context length of up to 128K tokens and of 1,000,000,000 tokens.",
    "Foo was trained with a batch size of 400M tokens.",
    "Foo has a vocabulary of 150M tokens and was trained well.",
    "The learning rate was warmed up over 10B tokens during training.",
    "Training ran at 3B tokens per day.",
    "The training data contains 180B tokens.",
    "Our pre-training dataset contains RedPajama and Dolma, totaling approximately 1.8T tokens.",
    "In 1.5TB of text, converted into 350B unique tokens",
    "Foo was fine-tuned on 3B tokens.",
    "## Fine-tuning data\n\nIt was trained on 3B tokens.",
    "Foo will be trained on 4 trillion tokens.",
    "We plan to pretrain Foo-1.1B on 3 trillion tokens.",
    "It follows Bar-8B-100B-tokens and was trained with RedPajama-1T.",
    "The importance matrix is trained for ~100M tokens.",
    "Checkpoints were saved every 10B tokens during training.",
    "We release checkpoints trained on 500B, 1T, 1.5T and 2T tokens.",
    "Foo-7B has 7 billion parameters and was trained with 5 tokenizers.",
    "Trained on 5 t tokens-free bytes; 3 TB of text",
    "用于训练的Atlas 800T A2服务器",
    "| Model | Training tokens |\n|---|---|\n| Bar2-13B | 2T |\n| Baz3-70B | 3T |",
    "Unlike Bar-7B, which has been trained on 8T tokens, our model is small.",
    "Compared with models trained on 15T tokens, Foo needs less data.",
    "We trained ablation models on 28B tokens.",
    "The tokenizer was trained on 10B tokens.",
    "<!-- Foo was pretrained on 3T tokens. -->",
    "```\nFoo was pretrained on 3T tokens.\n```",
]

FAMILY_COLUMN = """
| Model | Params | Context | # of Pretrained Tokens |
|-------|--------|---------|------------------------|
| Foo 1B | 1B | 4k | 3 Trillion |
| Foo 7B | 7B | 4k | 2.5 Trillion |
| Foo 7B Twin | 7B | 4k | 2T |
"""
FAMILY_ROW = """
| | 1B | 7B |
|---|---|---|
| Layers | 16 | 32 |
| # Training tokens | 3T | **2.5T** |
"""
FAMILY_HTML = """
<table>
<tr><th>Data</th><th>Model</th><th>Token count</th></tr>
<tr><td rowspan=2>Web</td><td>Foo 1B</td><td>3T</td></tr>
<tr><td>Foo 7B</td><td rowspan="1">2.5T+</td></tr>
</table>
"""


def _shown(said: Pretraining) -> list[int | None]:
    """The count that is given, or those that the card may mean."""
    return [said.tokens, *(item.tokens for item in said.possible)]


@pytest.mark.parametrize(("card", "tokens", "how"), STATED)
def test_what_is_stated(card: str, tokens: int | None, how: str | None) -> None:
    said = read_card(card, model="org/Foo").statement
    if tokens is None:
        return
    if said.basis != "unclear":
        assert (said.tokens, said.qualifier, said.basis) == (tokens, how, "stated")
        assert said.evidence[0].line is not None
    assert tokens in _shown(said)


@pytest.mark.parametrize("card", NOT_STATED)
def test_what_is_not_stated(card: str) -> None:
    reading = read_card(card, model="org/Foo")
    assert reading.statement.tokens is None, reading.statement
    assert reading.statement.reason


@pytest.mark.parametrize(
    ("card", "model", "tokens", "how"),
    [
        (FAMILY_COLUMN, "org/Foo-1B", 3 * T, "exact"),
        (FAMILY_COLUMN, "org/Foo-7B", 2_500 * B, "exact"),
        (FAMILY_COLUMN, "org/Foo-7B-Twin", 2 * T, "exact"),
        (FAMILY_COLUMN, "org/Foo-13B", None, None),
        (FAMILY_ROW, "org/foo-1b-instruct", 3 * T, "exact"),
        (FAMILY_ROW, "org/foo-7b", 2_500 * B, "exact"),
        (FAMILY_HTML, "org/Foo-1B", 3 * T, "exact"),
        (FAMILY_HTML, "org/Foo-7B", 2_500 * B, "at_least"),
        ("Foo4 Big was trained on ~40T tokens and Foo4 Small on ~22T tokens.", "o/Foo4-Small",
         22 * T, "about"),
        ("The 2B and 8B models are trained on 12T and 10T tokens, respectively.", "o/Foo-8B",
         10 * T, "exact"),
        ("We train a 7B model on 1T tokens and a 13B model on 600B tokens.", "o/foo_13b",
         600 * B, "exact"),
        ("Foo3 is trained on only 4 trillion tokens.", "o/foo2-7b", None, None),
        ("We train a 7B model on 1T tokens and a 13B model on 600B tokens.", "o/foo", None, None),
        (FAMILY_ROW, "org/foo-base", None, None),
        ("Foo3 is trained on only 4 trillion tokens.", "o/foo3-7b", 4 * T, "exact"),
    ],
)  # fmt: skip
def test_which_model(card: str, model: str, tokens: int | None, how: str | None) -> None:
    said = read_card(card, model=model).statement
    if said.tokens is not None:
        assert (said.tokens, said.qualifier) == (tokens, how)
    assert tokens is None or tokens in _shown(said)


def test_parameters_say_which_size_where_the_name_does_not() -> None:
    for parameters, tokens in ((1_100_000_000, 3 * T), (6_900_000_000, 2_500 * B)):
        said = read_card(FAMILY_ROW, model="org/foo-base", parameters=parameters).statement
        assert said.tokens == tokens


def test_the_name_of_a_directory_is_no_models_name() -> None:
    card = "Bar-7B was pretrained on 2T tokens."
    assert 2 * T in _shown(read_card(card, model="/home/me/download").statement)
    assert read_card(card, model="org/Foo").statement.tokens is None


@pytest.mark.parametrize(
    "card",
    [
        "Pretraining tokens: 500B\n\nFoo was trained on 500 trillion tokens.\n",
        "# Foo-7B\n\nTraining tokens: 500B\n\nFoo-7B was trained on 500 trillion tokens.\n",
        "# Foo\n\nTraining tokens: 2T\n\nFoo was trained on 3T tokens.\n",
    ],
)
def test_a_contradiction_gives_both(card: str) -> None:
    said = read_card(card, model="org/Foo").statement
    shown = {*_shown(said), *(other.tokens for other in said.alternatives)} - {None}
    assert len(shown) == 2
    assert said.basis == "unclear" or any("also gives" in note for note in said.notes)


def test_an_unclear_card_shows_what_it_may_mean_and_why_it_is_in_doubt() -> None:
    card = (
        "# Foo-7B\n\n| | |\n|---|---|\n| Parameters | 7B |\n| Training tokens | 1.4T |\n\n"
        "Foo-7B was trained on 1.5 trillion tokens.\n"
    )
    said = read_card(card, model="org/Foo-7B").statement
    assert (said.tokens, said.qualifier, said.basis) == (None, None, "unclear")
    assert [item.tokens for item in said.possible] == [1_400 * B, 1_500 * B]
    assert [item.evidence[0].line for item in said.possible] == [6, 8]
    assert all(item.why and 0 < item.probability < 1 for item in said.possible)
    assert Pretraining.from_json(said.to_json()) == said


def test_epochs_of_a_corpus_are_spoken_of() -> None:
    said = read_card("Foo was trained on 250B tokens for 3 epochs.", model="org/Foo").statement
    assert said.tokens == 250 * B
    assert any("3 epochs" in note for note in said.notes)


def test_sums_are_answers_with_each_of_their_parts() -> None:
    stages = "Stage 1 trained on 3T tokens.\n\nStage 2 trained on 1T tokens.\n"
    said = read_card(stages, model="org/Foo").statement
    total = next(item for item in (said, *said.possible) if item.tokens == 4 * T)
    assert [found.line for found in total.evidence] == [1, 3]
    parts = "Foo was trained on 1T tokens of text and 500B tokens of code."
    assert 1_500 * B in _shown(read_card(parts, model="org/Foo").statement)


def test_a_row_of_the_whole_name_is_the_models_whatever_its_size() -> None:
    card = (
        "| Model | Params | Tokens | Checkpoint |\n|---|---|---|---|\n"
        "| Foo | 1.4b | 10b | [org/foo-1b](https://example.org/a) |\n"
        "| Foo | 1.4b | 50b | [org/foo-1b-long](https://example.org/b) |\n"
        "| Bar | 1.4b | 20b | [org/bar-1b](https://example.org/c) |\n"
    )
    for name, tokens in (("foo-1b", 10 * B), ("foo-1b-long", 50 * B), ("bar-1b", 20 * B)):
        said = read_card(card, model=f"org/{name}").statement
        assert _shown(said)[0] == tokens


def test_the_sizes_of_what_a_model_is_built_of_are_not_its_own() -> None:
    card = (
        "Built upon a 70B language model (Bar) and a 2B vision encoder, Foo-VL has been further"
        " pretrained on **3 trillion tokens** of text and images."
    )
    assert read_card(card, model="org/Foo-VL").statement.tokens == 3 * T


def test_a_count_of_tokens_is_no_second_size() -> None:
    card = "Foo has about 20M parameters and was trained on roughly 10 billion tokens."
    said = read_card(card, model="org/Foo").statement
    assert (said.tokens, said.qualifier) == (10 * B, "about")


def test_the_implausible_is_flagged() -> None:
    said = read_card("Foo was trained on 500 trillion tokens.", model="org/Foo-7B").statement
    assert any("implausible" in note for note in said.notes)


def test_evidence_is_the_cards_own_text_with_its_line() -> None:
    card = "---\nlicense: mit\n---\n# Foo\n\nIntro.\nIt was *pretrained* on **2T**\ntokens. End.\n"
    found = read_card(card, model="org/Foo").statement.evidence[0]
    assert (found.line, found.model) == (7, "org/Foo")
    assert found.quote == "It was *pretrained* on **2T** tokens."


@pytest.mark.parametrize(
    ("card", "model", "tokens"),
    [
        (
            "# Foo 200M\n\nThe weights in this repository were pretrained on:\n\n"
            "- web pages and books\n- 3.5B tokens\n\nThey are not tuned.\n",
            "org/foo-200M",
            3_500_000_000,
        ),
        (
            "620M parameter decoder trained on WebFoo 14B tokens.\n\n"
            "| Model | Params | Training tokens |\n|---|---|---|\n"
            "| Bar-2 | 1.5B | 9T |\n| Quux 70B | 70B | 15T |\n",
            "org/decoder-from-scratch",
            14 * B,
        ),
        (
            "# Foo-7B\n\n- **Total seen tokens:** 400B\n\n## Training\n\n"
            "The run took 360B tokens, and 41B tokens more were seen while the rate fell.\n",
            "org/Foo-7B",
            400 * B,
        ),
        (
            "# Foo-1B\n\nWe spent 2B tokens on pruning and 70B tokens for continued "
            "pretraining of what remained.\n",
            "org/Foo-1B",
            70 * B,
        ),
    ],
)
def test_a_count_that_its_surroundings_explain(card: str, model: str, tokens: int) -> None:
    assert read_card(card, model=model).statement.tokens == tokens


def test_one_case_of_several_is_no_answer() -> None:
    card = (
        "We pretrain Foo on smaller datasets (1M, 10M, 100M, 1B tokens). We release 3 models for "
        "each data size out of 25 runs (or 10 in the case of 1B tokens).\n"
    )
    assert read_card(card, model="org/foo-base-100M-2").statement.tokens is None
