"""Blocks that layers share, held once in the checkpoint."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from hfkv.errors import UnsupportedError
from hfkv.facts import Facts
from hfkv.modules.shared_blocks import repeat_shared
from hfkv.tensors import Tensor, TensorTable

BLOCK = "m.layers.{}.shared.q.weight"


def shapes(stored: list[int]) -> dict[str, dict[tuple[int, ...], tuple[int, ...]]]:
    return {
        BLOCK: {(index,): (4, 4) for index in stored},
        "m.layers.{}.norm.weight": {(index,): (4,) for index in range(9)},
        "m.layers.{}.hybrid.x.weight": {(index,): (4, 4) for index in (1, 3, 5, 7)},
    }


@pytest.mark.parametrize(("stored", "blocks"), [([1], 1), ([1, 3], 2), ([1, 3, 5, 7], 1)])
def test_layers_take_the_blocks_in_turn(stored: list[int], blocks: int) -> None:
    found = shapes(stored)
    shared = repeat_shared(found, BLOCK, blocks, "tiny")
    assert sorted(found[BLOCK]) == [(1,), (3,), (5,), (7,)]
    last = "m.layers.1" if blocks == 1 else "m.layers.3"
    assert shared["m.layers.7.shared.q.weight"] == f"{last}.shared.q.weight"
    assert len(shared) == 4 - blocks


@pytest.mark.parametrize("stored", [[], [2], [3]])
def test_what_the_checkpoint_does_not_tell_is_refused(stored: list[int]) -> None:
    found = shapes(stored)
    found["m.layers.{}.norm.weight"] = {(0,): (4,)}
    with pytest.raises(UnsupportedError, match="does not show"):
        repeat_shared(found, BLOCK, 1, "tiny")


@pytest.mark.oracle
@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "zamba", "tie_word_embeddings": False, "num_hidden_layers": 14},
        {"model_type": "zamba2", "num_mem_blocks": 2, "tie_word_embeddings": True},
        {"model_type": "zamba2", "num_mem_blocks": 2, "tie_word_embeddings": False},
        {"model_type": "zamba2", "num_mem_blocks": 2, "use_shared_attention_adapter": True},
    ],
)
def test_zamba_counts_as_peft_does(config: dict[str, Any]) -> None:
    pytest.importorskip("peft")
    from hfkv.live.build import class_of, config_of
    from hfkv.live.lora import build_for, measure
    from tests.census.lora_cases import published
    from tests.census.lora_compare import counted, disagreement, summary

    model = build_for(config_of(config), class_of(config_of(config)).__name__)
    header = TensorTable(Tensor(name=n, dtype=d, shape=s) for n, d, s in published(model))
    facts = Facts(model="tiny/zamba", source="directory", config=config, tensors=header)
    options = {"r": 4, "target_modules": "all-linear"}
    theirs = summary(measure(copy.deepcopy(model), options))
    assert disagreement(counted(facts, options), theirs) is None
