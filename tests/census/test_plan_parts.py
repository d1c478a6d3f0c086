"""Composite classes built around other parts, under other configs than these were proved with."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from hfkv.data import read_json
from hfkv.errors import UnsupportedError
from hfkv.modules.table import tables_of

pytestmark = pytest.mark.oracle

PROVED: dict[str, dict[str, list[str]]] = read_json("plan_parts.json")
INDEX: dict[str, list[str]] = read_json("modules", "INDEX.json")["types"]
TYPE_OF = {name: model_type for model_type, names in INDEX.items() for name in names}
SEED = os.environ.get("HFKV_SEED", "0")
#: Types that are drawn for each part of a class, and configs that must bear each out.
DRAWN, BORNE = 4, 6


@pytest.mark.parametrize("name", sorted(PROVED))
def test_a_class_around_another_part_is_what_the_plans_say(name: str) -> None:
    pytest.importorskip("torch")
    from hfkv.generate.plan_builds import without_values
    from hfkv.generate.plan_parts import Trial
    from hfkv.modules.plan_parts import donor_of

    chance = random.Random(f"{name} {SEED}")
    places = _places(name)
    with without_values():
        for path, types in PROVED[name].items():
            for other in chance.sample(types, min(DRAWN, len(types))):
                trial = Trial(TYPE_OF[name], name, places[path], path, donor_of(other))
                assert not trial.borne_out(chance, BORNE), (path, other)


@pytest.mark.parametrize("name", [name for name in sorted(PROVED) if len(PROVED[name]) > 1])
def test_a_class_around_two_other_parts_is_what_the_plans_say(name: str) -> None:
    pytest.importorskip("torch")
    from hfkv.generate.plan_builds import plain, without_values
    from hfkv.generate.plan_configs import put, value_at
    from hfkv.generate.plan_held import difference
    from hfkv.generate.plan_parts import Trial
    from hfkv.modules.plan_parts import donor_of, exchanged

    chance = random.Random(f"{name} {SEED} together")
    places, good = _places(name), 0
    with without_values():
        for _ in range(12 * DRAWN):
            trials = {
                path: Trial(TYPE_OF[name], name, places[path], path, donor_of(chance.choice(types)))
                for path, types in PROVED[name].items()
            }
            first = next(iter(trials.values()))
            plan: Any = None
            values: dict[str, Any] = {}
            for path, trial in trials.items():
                made = trial.config(chance, 1)
                values = put(values, path, value_at(made, path)) if values else made
                plan = (
                    trial.plan if plan is None else exchanged(plan, places[path], path, trial.donor)
                )
            model = plain(first.space, values)
            if model is None:
                continue
            try:
                said = difference(first.space.wrap(values), model, plan)
            except UnsupportedError:
                continue
            assert not said, f"{said} with {values}"
            good += 1
            if good == DRAWN:
                break
    assert good


def _places(name: str) -> dict[str, str]:
    (table,) = (item for item in tables_of(TYPE_OF[name]) if item.architecture == name)
    return {path: place for place, _, _, path in table.parts}
