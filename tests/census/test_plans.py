"""Plans against the classes they are of: other random configs than they were proved with, and real
ones."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from hfkv.errors import HfkvError, UnsupportedError
from hfkv.facts.config import Config
from hfkv.modules.by_plan import by_plan
from hfkv.modules.class_plan import plan_of
from hfkv.modules.plan_parts import with_parts
from hfkv.modules.table import has_table, own_config, table_of
from hfkv.reading import parse_json_object

pytestmark = pytest.mark.oracle

DATA = Path(__file__).parents[2] / "hfkv" / "data"
CONFIGS = Path(__file__).parents[3] / "shared" / "data" / "configs"
FILES = sorted(CONFIGS.glob("*.json"))
#: Random configs that are tried for each class; many are none that it takes. Of one that takes
#: hardly any more are tried, until enough were held against it.
TRIED, MOST, ENOUGH = 80, 400, 10


def _plans() -> list[str]:
    found = []
    for path in sorted((DATA / "plans").glob("*.json")):
        classes = json.loads(path.read_text(encoding="utf-8"))["classes"]
        found += [f"{path.stem}-{name}" for name in classes if "modules" in classes[name]]
    return found


@pytest.mark.parametrize("key", _plans())
def test_a_plan_holds_under_other_configs(key: str) -> None:
    pytest.importorskip("torch")
    from hfkv.generate.plan_builds import plain, without_values
    from hfkv.generate.plan_configs import near, space_of
    from hfkv.generate.plan_held import difference
    from hfkv.generate.plans import smallest

    model_type, _, name = key.rpartition("-")
    plan = plan_of(model_type, name)
    space = space_of(model_type, name).hold_as(plan.keys)
    chance = random.Random(f"again {key}")
    held = 0
    with without_values():
        pool = smallest(space)
        for number in range(MOST):
            if number >= TRIED and held >= ENOUGH:
                break
            values = near(space, chance, pool)
            # Most files are as a class saved them, with what it filled in.
            values = (space.saved(values) or values) if number % 4 == 0 else values
            model = plain(space, values)
            if model is None:
                continue
            pool.append(values)
            try:
                said = difference(space.wrap(values), model, plan)
            except UnsupportedError:
                continue
            assert not said, f"{said} with {values}"
            held += 1
    assert held >= ENOUGH


@pytest.mark.parametrize("key", _plans())
def test_a_plan_holds_with_each_word_by_itself(key: str) -> None:
    pytest.importorskip("torch")
    from hfkv.generate.plan_builds import plain, without_values
    from hfkv.generate.plan_configs import put, space_of
    from hfkv.generate.plan_held import difference
    from hfkv.generate.plans import smallest

    model_type, _, name = key.rpartition("-")
    space, plan = space_of(model_type, name), plan_of(model_type, name)
    with without_values():
        start = smallest(space)[0]
        for path, proved in plan.keys.items():
            for word in proved.get("strings", ()) if "str" in proved["kinds"] else ():
                # A gated activation changes which layers there are, and the class fills in more.
                values = put(start, path, word)
                model = plain(space, values)
                try:
                    said = "" if model is None else difference(space.wrap(values), model, plan)
                except UnsupportedError:
                    continue
                assert not said, f"{said} with {word} for {path}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_real_config_is_answered_as_the_class_is_or_refused(path: Path) -> None:
    pytest.importorskip("torch")
    from hfkv.generate.plan_builds import without_values
    from hfkv.generate.plan_held import difference
    from hfkv.live.build import config_of
    from hfkv.live.lora import build_for

    try:
        raw: dict[str, Any] = parse_json_object(path.read_bytes(), where=path.stem)
        config = Config(raw, where=path.stem)
        if not has_table(config):
            pytest.skip("transformers has no such class")
        by_plan(config)
    except HfkvError as error:
        pytest.skip(f"refused: {error}")
    table = table_of(config)
    name = table.architecture
    raw = {**raw, "model_type": config.model_type}
    with without_values():
        try:
            model = build_for(config_of(raw), name)
        except Exception as error:
            pytest.skip(f"the class itself raises: {error}")
    plan = with_parts(plan_of(config.model_type, name), table, own_config(config))
    assert not difference(raw, model, plan)


def test_every_file_is_of_a_known_type() -> None:
    index = json.loads((DATA / "modules" / "INDEX.json").read_text(encoding="utf-8"))
    for path in (DATA / "plans").glob("*.json"):
        classes = json.loads(path.read_text(encoding="utf-8"))["classes"]
        assert set(classes) <= set(index["types"][path.stem]), path.stem
