"""An adapter's parameters are a line over the ranks that PEFT takes, and no adapter elsewhere."""

from __future__ import annotations

from functools import cache
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from hfkv.errors import HfkvError, TargetError
from hfkv.model import Model
from hfkv.modules.built import CONVOLUTIONS, LINEAR, Built, leaf
from hfkv.peft.lora import LoraOptions
from hfkv.peft.lora.inject import Injection, inject
from hfkv.peft.lora.rank_line import RankLine
from tests.census.lora_compare import facts_of, unpack
from tests.census.lora_goldens import records


@cache
def models() -> list[dict[str, Any]]:
    """Every class with a module table, small, with its recorded header."""
    return records()


@cache
def built(number: int) -> Built:
    item = models()[number]
    return Model(facts_of(item["config"], item["class"], unpack(item["header"]))).built


#: Even and a multiple of small groups; small enough for the limits of KaSA and MiCA.
FIRST = 8
VARIANTS: list[dict[str, Any]] = [
    {},
    {},
    {"use_dora": True},
    {"lora_bias": True},
    {"init_lora_weights": "orthogonal"},
    {"init_lora_weights": "mica"},
    {"init_lora_weights": "gaussian"},
    {"kasa_config": {}},
    {"monteclora_config": {"num_samples": 3}},
    {"velora_config": {}},
    {"alora_invocation_tokens": [1]},
    {"use_bdlora": {"nblocks": 4, "target_modules_bd_a": ["q_", "c_"], "match_strict": False}},
    {"use_bdlora": {"nblocks": 2, "target_modules_bd_b": ["o_", "f"], "match_strict": False}},
]


@st.composite
def options(draw: st.DrawFn, model: Built) -> dict[str, Any]:
    names = sorted(
        {
            leaf(module.name)
            for module in model.modules
            if module.kind in (*LINEAR, *CONVOLUTIONS, "embedding", "attention")
        }
    )
    short = st.sampled_from(names)
    targets = st.one_of(
        st.just("all-linear"), st.none(), st.lists(short, min_size=1, max_size=3, unique=True)
    )
    parameters = sorted({short for module in model.modules for short in module.parameters})
    extra = {
        "bias": st.sampled_from(["all", "lora_only"]),
        "rank_pattern": st.dictionaries(short, st.integers(1, 64), min_size=1, max_size=2),
        "modules_to_save": st.lists(short, min_size=1, max_size=1),
        "exclude_modules": st.lists(short, min_size=1, max_size=1),
        "target_parameters": st.lists(st.sampled_from(parameters), min_size=1, max_size=1),
        "trainable_token_indices": st.just([0, 1]),
        "layer_replication": st.just([[0, 2], [1, 2]]),
        "ensure_weight_tying": st.just(True),
        "task_type": st.sampled_from(["SEQ_CLS", "CAUSAL_LM"]),
    }
    found = {"target_modules": draw(targets), **draw(st.sampled_from(VARIANTS))}
    for name in draw(st.sets(st.sampled_from(sorted(extra)), max_size=2)):
        found[name] = draw(extra[name])
    return found


def made(model: Built, r: int, fields: dict[str, Any]) -> Injection:
    return inject(model, LoraOptions.from_options(r=r, **fields), where="test")


@hypothesis.settings(max_examples=150, deadline=None, derandomize=True)
@hypothesis.given(data=st.data())
def test_every_other_rank_is_on_the_line(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(models()) - 1))
    hypothesis.note(models()[number]["class"])
    model = built(number)
    fields = data.draw(options(model))
    try:
        one = made(model, FIRST, fields)
    except HfkvError:
        hypothesis.reject()
    assert one.line.takes(FIRST)
    low_rank = sum(item.parameters for item in one.adapted)
    assert one.trainable == low_rank + sum(one.saved.values()) + sum(one.biases.values())
    for r in data.draw(st.lists(st.integers(1, 200), min_size=4, max_size=4)):
        if one.line.takes(r):
            hypothesis.event("on the line")
            other = made(model, r, fields)
            assert other.trainable == one.line.parameters(r)
            assert other.line == one.line
        else:
            hypothesis.event("not possible")
            with pytest.raises(TargetError):
                made(model, r, fields)


@hypothesis.given(
    slope=st.integers(0, 50),
    constant=st.integers(0, 1000),
    step=st.integers(1, 6),
    most=st.one_of(st.none(), st.integers(1, 200)),
    parameters=st.integers(0, 5000),
)
def test_the_named_ranks_are_found_as_by_trying(
    slope: int, constant: int, step: int, most: int | None, parameters: int
) -> None:
    line = RankLine(slope=slope, constant=constant, step=step, most=most)
    possible = [r for r in range(1, 5100) if line.takes(r)]
    within = [r for r in possible if line.parameters(r) <= parameters]
    enough = [r for r in possible if line.parameters(r) >= parameters]
    assert line.smallest(parameters) == (enough[0] if enough else None)
    assert line.largest(parameters) == (within[-1] if within and slope else None)
