"""What speaks for and against a number, by name: kinds seen on cards, in our own words."""

from __future__ import annotations

import pytest

from hfkv.pretraining.identity import identity
from hfkv.pretraining.options import options
from hfkv.pretraining.qualifiers import qualifier

T, B = 10**12, 10**9


def features(card: str, tokens: int, model: str = "org/Foo-7B") -> frozenset[str]:
    """The features of the first option of a card with that count."""
    return next(
        option.features for option in options(card, identity(model)) if option.tokens == tokens
    )


@pytest.mark.parametrize(
    ("card", "tokens", "model", "holds", "holds_not"),
    [
        # What an id says of tokens tells its run from the others.
        (
            "Foo runs: 10B tokens and 50B tokens of the Pile.",
            50 * B,
            "org/foo-1b-50b",
            "who:its name counts it",
            "who:its name counts another",
        ),
        (
            "The base run was trained on 3T tokens.",
            3 * T,
            "org/foo-1.1b-step-480k-1T",
            "who:its name counts another",
            "who:its name counts it",
        ),
        # One size on a card contradicts nothing where the id has none.
        (
            "We pretrained a model of 1 billion parameters on 1 trillion tokens.",
            T,
            "org/Steel-LLM",
            "what:pretrained on it",
            "who:contradicted",
        ),
        # Praise before "models trained on" is no name.
        (
            "# Foo\n\nState-of-the-art multilingual encoder models trained on 3T tokens.",
            3 * T,
            "org/foo-base",
            "what:counts training",
            "who:another was trained",
        ),
        # The size of a collection is none of what was read of it.
        (
            "Foo-7B was pretrained on our 67B-token collection of Danish.",
            67 * B,
            "org/Foo-7B",
            "what:corpus trained on",
            "what:objection",
        ),
        (
            "Pretraining: 300B token subset of BazWeb-Edu (120B tokens processed)",
            300 * B,
            "org/Foo-7B",
            "what:a total beside what was seen",
            "among:clean",
        ),
        (
            "Pretraining: 300B token subset of BazWeb-Edu (120B tokens processed)",
            120 * B,
            "org/Foo-7B",
            "among:clean",
            "who:names another",
        ),
        # Steps in other words, and measures of the same text, give the count back to training.
        (
            "Foo was trained by 90,000 update steps (~94B training tokens).",
            94 * B,
            "org/Foo-7B",
            "what:counts training",
            "what:another thing",
        ),
        (
            "Foo was pretrained on 30GB of articles (10M pages, 9B tokens).",
            9 * B,
            "org/Foo-7B",
            "what:pretrained on it",
            "what:objection",
        ),
        # A total that its sentence comes to leaves what stood before it a part.
        (
            "Foo was trained on 1.9B tokens of Zulu, along with English, totaling 2.4B tokens.",
            1900 * 10**6,
            "org/Foo-0.4B",
            "what:a part of the total behind it",
            "among:clean",
        ),
        (
            "Foo was trained on 1.9B tokens of Zulu, along with English, totaling 2.4B tokens.",
            2400 * 10**6,
            "org/Foo-0.4B",
            "among:clean",
            "what:corpus trained on",
        ),
        # What a hyphen or an underscore joins in an id is no decimal.
        (
            "This is Foo (350M), trained for 100B tokens.",
            100 * B,
            "org/foo2_350M_100B_web",
            "who:its size",
            "who:another size",
        ),
        # The size of what was gone on from is not the asked model's.
        (
            "It is a continued pretrain of bar-7b, trained on 3B more tokens.",
            3 * B,
            "org/Foo-11B",
            "what:counts training",
            "who:another size",
        ),
        # Where the tuned version lies is no word on this one.
        (
            "Continued pre-training on 2B tokens. Access the instruction-tuned version at x.org.",
            2 * B,
            "org/Foo-7B",
            "what:pretrained on it",
            "what:tuning",
        ),
        # What was trained on is less than what was read of it, and a base's than its own.
        (
            "Trained on our 40B token corpus of Danish for nine epochs (~360B training tokens).",
            40 * B,
            "org/Foo-7B",
            "what:a corpus, and more was read of it",
            "among:clean",
        ),
        (
            "Built on Bar-7B (pretrained on 2T tokens), Foo was further pretrained with 9B tokens.",
            2 * T,
            "org/Foo-7B",
            "who:its base, which was gone on from",
            "among:clean",
        ),
        (
            "Initialized from Foo-Coder-7B and trained on 120B tokens of Foo.",
            120 * B,
            "org/Foo-Math-7B",
            "what:counts training",
            "who:a sibling",
        ),
        (
            "19,073 steps x 524,288 tokens = 10B tokens.",
            10 * B,
            "org/Foo-124M",
            "what:counts training",
            "what:open",
        ),
        (
            "This repository holds the 1.2T-token checkpoint of Foo.",
            1200 * B,
            "org/Foo-7B",
            "what:counts training",
            "what:objection",
        ),
        # What was trained, the line above a list says, and a label of what was seen.
        (
            "The weights were pretrained on:\n\n- web pages\n- 3.5B tokens\n",
            35 * B // 10,
            "org/Foo-200M",
            "what:counts training",
            "what:nothing says that a model was trained on it",
        ),
        (
            "The model was pretrained on the following:\n\n- 3.5B tokens of books\n- news\n",
            35 * B // 10,
            "org/Foo-200M",
            "what:nothing says that a model was trained on it",
            "what:verb behind",
        ),
        (
            "The weights were fine-tuned after they were trained on:\n\n- 3.5B tokens\n",
            35 * B // 10,
            "org/Foo-200M",
            "what:nothing says that a model was trained on it",
            "what:verb behind",
        ),
        (
            "# Foo\n\n- **Total seen tokens:** 400B\n",
            400 * B,
            "org/Foo-7B",
            "what:counts training",
            "what:nothing says that a model was trained on it",
        ),
        (
            "Trained on 360B tokens, then on 41B tokens.\n\n- Total tokens seen: 400B\n",
            360 * B,
            "org/Foo-7B",
            "what:a part of the total seen",
            "among:clean",
        ),
        (
            "Trained on 360B tokens, then on 41B tokens.\n\n- Total tokens seen: 900B\n",
            360 * B,
            "org/Foo-7B",
            "what:counts training",
            "what:a part of the total seen",
        ),
        (
            "We used 2B tokens for pruning and 70B tokens for continued pretraining of the model.",
            70 * B,
            "org/Foo-1B",
            "what:counts training",
            "what:nothing says that a model was trained on it",
        ),
        # The size that a card opens with is its model's.
        (
            "620M parameter model trained on 14B tokens.\n\n| Bar | 70B |\n|---|---|\n| C | 9B |\n",
            14 * B,
            "org/decoder-from-scratch",
            "among:clean",
            "who:a size, its own not known",
        ),
        # Beside a property stand other properties.
        (
            "| | |\n|---|---|\n| Tokens seen | 1.8B |\n| Total tokens | 4B |\n",
            18 * B // 10,
            "org/Foo-100M",
            "who:in a list of properties",
            "who:table tied 0",
        ),
        # A corpus, and what it comes to in epochs.
        (
            "Foo-7B was trained on 1T tokens of code (200B tokens over 5 epochs).",
            200 * B,
            "org/Foo-7B",
            "part:one of several epochs",
            "among:clean",
        ),
        # Few tokens, but the label leaves no doubt.
        (
            "# Foo 53M\n\n- Training tokens: 20M\n",
            20 * 10**6,
            "org/foo-53m",
            "what:field of tokens",
            "what:too little for pretraining",
        ),
        (
            "Foo was trained on 15T tokens, with ~40% of pretraining data in other languages.",
            15 * T,
            "org/Foo-7B",
            "what:counts training",
            "what:objection",
        ),
        # A demonstrative and a size are no model's name.
        (
            "Dieses 7b-Modell wurde mit 300 Milliarden Token vortrainiert.",
            300 * B,
            "org/Foo-7B",
            "what:pretrained on it",
            "who:names another model",
        ),
        # One number is no list of checkpoints.
        (
            "We release two checkpoints, each trained with 5.7T tokens.",
            57 * T // 10,
            "org/Foo-7B",
            "what:counts training",
            "what:one of a list of checkpoints",
        ),
    ],
)
def test_what_holds_of_a_number(
    card: str, tokens: int, model: str, holds: str, holds_not: str
) -> None:
    found = features(card, tokens, model)
    assert holds in found
    assert holds_not not in found


def test_a_plus_before_a_word_is_no_lower_bound() -> None:
    assert [qualifier(text, 0, 5) for text in ("1.1T+SFT", "1.1T+, then")] == ["exact", "at_least"]
