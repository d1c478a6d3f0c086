"""LoRA against PEFT under other configs than the census records: flags turned over, options given
and taken away, one to three at once, each class another few.

``HFKV_SEED`` draws others.
"""

from __future__ import annotations

import copy
import json
import os
import random
from typing import Any

import pytest

from tests.census.lora_compare import counted, disagreement, facts_of, summary

pytestmark = pytest.mark.oracle

SEED = os.environ.get("HFKV_SEED", "0")
#: Draws until one is a config that the class accepts.
TRIES = 25


def _classes() -> list[str]:
    from hfkv.modules.table import _index

    return [f"{kind}-{name}" for kind, found in _index()["types"].items() for name in found]


def _draw(model_type: str, name: str, chance: random.Random) -> dict[str, Any]:
    """A config with one to three of its keys changed."""
    from hfkv.generate.trials import changes, merge
    from hfkv.live.lora import own_config
    from tests.census.lora_cases import small_config

    config = small_config(model_type, name)
    own, path = own_config(config, name)
    tries = [change for _, change in changes(own, set()) if _leaf(change) != 0]
    raw: dict[str, Any] = json.loads(config.to_json_string(use_diff=False))
    inner = raw
    for key in path.split(".") if path else []:
        inner = inner[key]
    for change in chance.sample(tries, min(len(tries), chance.choice([1, 1, 2, 3]))):
        merge(inner, change)
    return raw


def _leaf(change: Any) -> Any:
    """The value of a change; sizes of zero are no models."""
    while isinstance(change, dict) and change:
        change = next(iter(change.values()))
    return 1 if isinstance(change, bool) else change


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("key", _classes())
def test_counts_are_pefts_under_other_configs(key: str) -> None:
    pytest.importorskip("peft")
    from hfkv.live.build import config_of
    from hfkv.live.lora import build_for, measure
    from hfkv.tensors import Tensor, TensorTable
    from tests.census.lora_cases import cases, published

    model_type, _, name = key.rpartition("-")
    chance = random.Random(f"{SEED} {key}")
    for _ in range(TRIES):
        raw = _draw(model_type, name, chance)
        try:
            config = config_of(copy.deepcopy(raw))
            model = build_for(copy.deepcopy(config), name)
            values = json.loads(config.to_json_string(use_diff=False))
            header = TensorTable(
                Tensor(name=tensor, dtype=dtype, shape=shape)
                for tensor, dtype, shape in published(model)
            )
        except Exception:
            continue  # not a config of this class
        break
    else:
        pytest.skip("no draw was a config of this class")
    options = cases(model)
    facts = facts_of(values, name, header)
    wrong = {}
    for case in ("all_linear", chance.choice(sorted(options))):
        # PEFT rewrites the lists that it is given.
        given = copy.deepcopy(options[case])
        theirs = summary(measure(build_for(copy.deepcopy(config), name), given))
        mine = counted(facts, options[case])
        if "ensure_weight_tying" in mine.get("reason", ""):
            continue  # refused by name, whatever PEFT does
        found = disagreement(mine, theirs)
        if found is not None:
            wrong[case] = f"{found} with {options[case]}"
    assert not wrong, f"{wrong} for {json.dumps(raw)}"
