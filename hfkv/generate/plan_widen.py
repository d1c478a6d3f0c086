"""Let stored plans answer for sorts of value that their proof did not come to.

Learning a plan anew takes minutes, and may come to another one. A sort of value that nothing in the
plan depends on needs neither: the class is built with it under random configs, and is what the plan
says each time, or the plan stays as it is.
"""

from __future__ import annotations

import copy
import json
import random
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from hfkv.errors import HfkvError, UnsupportedError
from hfkv.generate.plan_builds import plain, without_values
from hfkv.generate.plan_configs import Space, near, put, space_of, value_at
from hfkv.generate.plan_held import difference
from hfkv.generate.plan_keys import OTHER_WORD
from hfkv.generate.plans import TARGET, smallest, text
from hfkv.modules.class_plan import ClassPlan, seen_as, words_of

__all__ = ["main", "widened"]

#: Random configs that must bear a value out, and how many are tried for them.
_BORNE, _TRIED = 12, 40


def widened(space: Space, content: Mapping[str, Any]) -> dict[str, Any]:
    """The plan with the sorts of value, and the words, that hold as well."""
    made = copy.deepcopy(dict(content))
    chance = random.Random(f"wider {space.name}")
    pool = smallest(space)
    said = json.dumps({key: value for key, value in content.items() if key != "keys"})
    for path, proved in made["keys"].items():
        if re.search(rf"(?<![\w.]){re.escape(path)}(?!\w)", said):
            continue
        for value in _others(space, path, proved) if pool else ():
            kind = seen_as(value)
            words = words_of(value)
            more = {
                "kinds": sorted({*proved["kinds"], kind}),
                **({"strings": sorted({*proved.get("strings", ()), *words})} if words else {}),
            }
            tried = {**made, "keys": {**made["keys"], path: {**proved, **more}}}
            if _holds(space, ClassPlan.parse(space.name, tried), path, value, pool, chance):
                proved.update(more)
    return made


def _others(space: Space, path: str, proved: Mapping[str, Any]) -> Iterator[Any]:
    """Values of sorts that are not among those proved, and words."""
    key = space.keys.get(path)
    if key is None or key.part or key.sealed or path in space.letters or path in space.held:
        return
    flags = [True, False] if isinstance(key.default, bool) or "bool" in key.types else []
    # What the class writes into its own files first.
    usual = value_at(json.loads(space.own.to_json_string(use_diff=False)), path)
    for value in (usual, *key.alone(4), *key.spoken(), *flags):
        if value is ... or value == OTHER_WORD or (isinstance(value, list) and OTHER_WORD in value):
            continue
        if seen_as(value) not in proved["kinds"] or {*words_of(value)} - {
            *proved.get("strings", ())
        }:
            yield value


def _holds(
    space: Space,
    plan: ClassPlan,
    path: str,
    value: Any,
    pool: list[dict[str, Any]],
    chance: random.Random,
) -> bool:
    good = 0
    for number in range(_TRIED):
        start = pool[0] if number < 2 else near(space, chance, pool)
        values = put(start, path, value)
        model = plain(space, values)
        if model is None:
            # What is not taken at once is no value of this class, or one that needs others.
            if number == 4 and not good:
                return False
            continue
        try:
            if difference(space.wrap(values), model, plan):
                return False
        except UnsupportedError:
            continue
        except HfkvError:
            return False
        good += 1
        if good == _BORNE:
            return True
    return False


def main() -> None:
    """``python -m hfkv.generate plan_widen TYPE...``"""
    import torch

    from hfkv.live.build import transformers

    torch.set_num_threads(1)
    transformers()
    for model_type in sys.argv[2:]:
        path = TARGET / f"{model_type}.json"
        classes = json.loads(path.read_text(encoding="utf-8"))["classes"]
        with without_values():
            for name, content in classes.items():
                if "modules" in content:
                    space = space_of(model_type, name).hold_as(content["keys"])
                    classes[name] = widened(space, content)
        path.write_text(text(classes), encoding="utf-8")
