"""Every architecture of the registry against recordings of the pinned transformers."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.cache import ROWS, plan
from hfkv.dtypes import torch_name
from hfkv.facts.config import Config
from tests.cache.stored import layers
from tests.census.goldens import compact, load, title

GOLDENS = load()


def planned(
    config: dict[str, Any], tokens: int, encoder_tokens: int | None = None
) -> list[list[Any]]:
    """What the plan says, in the form of a recording."""
    made = plan(Config(config, where="test"))
    assert made.crosses == (encoder_tokens is not None)
    held = layers(made, tokens=tokens, encoder_tokens=encoder_tokens)
    return compact(
        [(t.name, t.shape, torch_name(t.dtype)) for t in layer.tensors] for layer in held
    )


@pytest.mark.parametrize("golden", GOLDENS, ids=title)
def test_every_tensor_of_every_layer(golden: dict[str, Any]) -> None:
    for run in golden["runs"]:
        assert planned(golden["config"], run["tokens"], run.get("encoder_tokens")) == run["layers"]


def test_every_exact_row_has_a_recording() -> None:
    recorded = {golden["model_type"] for golden in GOLDENS}
    # Types of nested configs have no class of their own: their composite's recording is theirs.
    nested = {Config(golden["config"], where="test").text().model_type for golden in GOLDENS}
    exact = {key for key, row in ROWS.items() if row.basis == "exact"}
    assert recorded <= exact <= recorded | nested
