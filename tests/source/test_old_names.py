"""Ids that models had before the Hub gave them owners, or their owner another name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from hfkv.facts import Facts
from hfkv.pretraining import pretraining
from hfkv.pretraining.statements import line_of

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("source", ["auto", "snapshot"])
def test_an_old_id_is_answered_without_a_network(hfkv: Run, offline: None, source: str) -> None:
    code, out, err = hfkv("kv", "gpt2", "--source", source, "--format", "json")
    assert code == 0, err
    said = json.loads(out)
    assert said["model"] == "openai-community/gpt2"
    assert "gpt2 is called openai-community/gpt2 today" in said["notes"]


def test_statements_hold_for_old_ids(hfkv: Run, offline: None) -> None:
    assert "saw about 1,000,000,000,000 tokens" in hfkv("tokens", "t5-small")[1]
    assert line_of("bert-base-uncased") == line_of("google-bert/bert-base-uncased") is not None
    # The list may have either of two owners, and be asked for the other.
    assert line_of("zai-org/glm-130b") == line_of("THUDM/glm-130b") is not None


@pytest.mark.parametrize(
    "of",
    [{"card": "---\nbase_model: t5-small\n---\n"}, {"config": {"_name_or_path": "t5-small"}}],
)
def test_a_base_by_its_old_id(of: dict[str, Any]) -> None:
    said = pretraining(Facts(model="acme/summaries", source="hub", **of))
    assert said.tokens == 1_000_000_000_000
    assert said.notes[0].startswith("said of its base model")


def test_an_unknown_id_stays_unknown(hfkv: Run, offline: None) -> None:
    code, _, err = hfkv("kv", "gpt3")
    assert code == 1
    assert "today" not in err
