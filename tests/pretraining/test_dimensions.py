"""A base that only the dimensions of a config tell."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.data import read_json
from hfkv.facts import Facts
from hfkv.model import load
from hfkv.pretraining import Pretraining, pretraining
from hfkv.pretraining.dimensions import alike, fingerprint
from hfkv.pretraining.statements import line_of

T = 10**12
LLAMA = load("meta-llama/Meta-Llama-3-70B", source="snapshot").core.config or {}
LLAMA_2 = {
    "model_type": "llama",
    "vocab_size": 32_000,
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "intermediate_size": 11_008,
}


def _said(config: Any, card: str | None = "# A model\n", name: str = "me/mine") -> Pretraining:
    return pretraining(Facts(model=name, source="hub", config=config, card=card))


@pytest.mark.parametrize("card", [None, "# A model\n"])
def test_the_base_of_the_same_dimensions(card: str | None) -> None:
    said = _said(LLAMA, card)
    assert (said.tokens, said.basis) == (15 * T, "inferred")
    assert said.notes[0].startswith("inferred: its config has every dimension")
    assert "meta-llama/Meta-Llama-3-70B" in said.notes[0]
    assert Pretraining.from_json(said.to_json()) == said


@pytest.mark.parametrize("key", ["vocab_size", "hidden_size", "num_hidden_layers", "model_type"])
def test_another_dimension_is_another_model(key: str) -> None:
    value = "mistral" if key == "model_type" else LLAMA[key] + 1
    assert _said({**LLAMA, key: value}).basis == "not stated"


def test_what_is_no_dimension_does_not_matter() -> None:
    other = {**LLAMA, "rope_theta": 1e6, "max_position_embeddings": 7, "head_dim": 128}
    assert _said(other).basis == "inferred"
    assert fingerprint({"model_type": "x", "text_config": LLAMA}) != fingerprint(LLAMA)


def test_several_bases_of_other_counts_leave_it_unclear() -> None:
    said = _said(LLAMA_2)
    assert (said.tokens, said.basis) == (None, "unclear")
    assert {item.tokens for item in said.possible} >= {1 * T, 2 * T}
    assert Pretraining.from_json(said.to_json()) == said


def test_a_name_or_a_card_comes_first() -> None:
    named = "---\nbase_model: nobody/knows-it\n---\n# A model\n"
    assert _said(LLAMA, named).basis == "not stated"
    stated = "# Mine-70B\n\nMine-70B was pretrained from scratch on 3T tokens.\n"
    said = _said(LLAMA, stated, "me/Mine-70B")
    assert (said.tokens, said.basis) == (3 * T, "stated")


@pytest.mark.parametrize("config", [{}, {"vocab_size": True}, {"hidden_size": "x", "n_layer": []}])
def test_too_little_is_nothing(config: dict[str, Any]) -> None:
    assert alike(config) == ()


def test_every_base_has_a_count() -> None:
    for ids in read_json("base_dimensions.json").values():
        for name in ids:
            line = line_of(name)
            assert line is not None, name
            assert line.tokens is not None, name
