"""Write ``hfkv/data/plan_parts.json``: which models the parts of composite classes may be.

For each composite class with a plan, and each type that another plan has, the class is built around
it under random configs of both. A type that was right each time is kept; one config that came to
anything else, or too few that could be built, and it is not.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from hfkv.errors import HfkvError, UnsupportedError
from hfkv.generate.plan_builds import plain, without_values
from hfkv.generate.plan_configs import Space, near, put, space_of, value_at
from hfkv.generate.plan_held import difference
from hfkv.generate.plans import smallest
from hfkv.live.build import pairs, transformers
from hfkv.modules.class_plan import ClassPlan, plan_of
from hfkv.modules.plan_parts import Donor, donor_of, exchanged
from hfkv.modules.table import part_place, possible_parts, tables_of

__all__ = ["BORNE", "TARGET", "Trial", "generate", "held", "main", "text", "trials"]

TARGET = Path(__file__).parent.parent / "data" / "plan_parts.json"
#: Random configs that must bear a part out, how many are tried for them, and after how many that
#: the class took none of no more are.
BORNE, _TRIED, _PATIENCE = 20, 120, 8


class Trial:
    """Random configs of one class around another part."""

    def __init__(self, model_type: str, name: str, place: str, path: str, donor: Donor) -> None:
        """Args: place: the part's name in the class. path: of its config.

        Raises:
            UnsupportedError: the donor's class cannot be built.
        """
        self.path, self.donor = path, donor
        self.plan = exchanged(plan_of(model_type, name), place, path, donor)
        (self.space, outer), (self.inner, inner) = (
            _known(*pair) for pair in ((model_type, name), _class_of(donor))
        )
        self.pools = outer, inner
        if not all(self.pools):
            raise UnsupportedError("its default config alone cannot be built")

    def config(self, chance: random.Random, number: int) -> dict[str, Any]:
        """Values of the class's config; of the first the part has its least."""
        outer, inner = (pool[0] for pool in self.pools)
        if number:
            outer = near(self.space, chance, self.pools[0])
            inner = near(self.inner, chance, self.pools[1])
        part = value_at(inner, self.donor.path) if self.donor.path else inner
        part = dict(part) if isinstance(part, dict) else {}
        return put(
            _without(outer, self.path), self.path, {**part, "model_type": self.donor.model_type}
        )

    def _tied(self) -> Iterator[dict[str, Any]]:
        """Configs with each way in which the part may say that embeddings are tied: that is of the
        whole class, which asks the part's config for it."""
        start = self.config(random.Random(0), 0)
        for path in self.inner.keys:
            own = path.removeprefix(self.donor.path).removeprefix(".") if self.donor.path else path
            if "tie" in own.rpartition(".")[2]:
                for tied in (True, False):
                    yield put(start, f"{self.path}.{own}", tied)

    def said(self, values: dict[str, Any]) -> str | None:
        """What differs; None where the class does not take it, or the plan says nothing of it."""
        model = plain(self.space, values)
        part = model
        for key in ("config", *self.path.split(".")):
            part = getattr(part, key, None)
        if model is None or getattr(part, "model_type", "") != self.donor.model_type:
            return None
        try:
            return difference(self.space.wrap(values), model, self.plan)
        except UnsupportedError:
            return None
        except HfkvError as error:
            return str(error)

    def borne_out(self, chance: random.Random, wanted: int = BORNE, tried: int = _TRIED) -> str:
        """What was wrong; "" where as many configs as wanted bore it out."""
        good = 0
        for values in self._tied():
            if said := self.said(values):
                return said
        for number in range(tried):
            said = self.said(self.config(chance, number))
            if said:
                return said
            good += said is not None
            if good >= wanted:
                return ""
            if not good and number >= _PATIENCE:
                break
        return f"only {good} of its configs could be held against the class"


@cache
def _known(model_type: str, name: str) -> tuple[Space, list[dict[str, Any]]]:
    """The configs of a class, and small ones to start from."""
    space = space_of(model_type, name)
    return space, smallest(space)


def _without(values: dict[str, Any], path: str) -> dict[str, Any]:
    key, _, rest = path.partition(".")
    inner = values.get(key)
    if rest and isinstance(inner, dict):
        return {**values, key: _without(inner, rest)}
    return {name: value for name, value in values.items() if name != key}


def _class_of(donor: Donor) -> tuple[str, str]:
    if not donor.path:
        return donor.model_type, donor.plan.architecture
    place = part_place(donor.model_type)
    assert place is not None
    return place[0].config_type, place[0].architecture


def trials(types: set[str] | None = None) -> Iterator[tuple[str, str, str, str, str]]:
    """What there is to try: type, class, the part's name, its config's path, and its type."""
    for model_type, name in pairs():
        if types is not None and model_type not in types:
            continue
        for table in tables_of(model_type):
            plan = _plan(model_type, name)
            if table.architecture != name or plan is None:
                continue
            paths = [path for _, _, _, path in table.parts]
            for place, _, known, path in table.parts:
                # What takes any name for its own part has no other, and of one in several places
                # not all would be exchanged.
                taken = plan.parts.get(path, ())
                if path and paths.count(path) == 1 and known in taken and "*" not in taken:
                    for other in possible_parts():
                        if other != known and _is_alike(other, known):
                            yield model_type, name, place, path, other


def _is_alike(one: str, other: str) -> bool:
    """Whether both are decoders, without parts of their own, or both are towers."""
    kinds = [
        [bool(table.parts or table.config_path) for table in tables_of(model_type)]
        for model_type in (one, other)
    ]
    return True not in kinds[0] and bool(kinds[0]) == bool(kinds[1])


def _plan(model_type: str, name: str) -> ClassPlan | None:
    try:
        return plan_of(model_type, name)
    except UnsupportedError:
        return None


def generate(
    types: set[str] | None = None,
    *,
    borne: Callable[[str, str, str], int] = lambda *_: BORNE,
) -> Iterator[tuple[str, str, str, str]]:
    """Class, path and type of each part that was tried, and what was wrong.

    Args:
        types: of the composites.
        borne: how many configs must bear a class, path and type out; 0 where it is not tried.
    """
    with without_values():
        for model_type, name, place, path, other in trials(types):
            wanted = borne(name, path, other)
            if not wanted:
                continue
            try:
                trial = Trial(model_type, name, place, path, donor_of(other))
            except UnsupportedError:
                continue
            chance = random.Random(f"{name} {path} {other}")
            yield name, path, other, trial.borne_out(chance, wanted)


def held(found: Iterable[tuple[str, str, str, str]]) -> dict[str, dict[str, list[str]]]:
    """Of what was tried the parts that were right, by class and path."""
    kept: dict[str, dict[str, list[str]]] = {}
    for name, path, other, wrong in found:
        if not wrong:
            kept.setdefault(name, {}).setdefault(path, []).append(other)
    return kept


def main() -> None:
    """``python -m hfkv.generate plan_parts [TYPE ...]``: of these composites, or of all."""
    import torch

    parser = argparse.ArgumentParser(prog="python -m hfkv.generate plan_parts")
    parser.add_argument("types", nargs="*", help="types of the composites; all without any")
    parser.add_argument("--around", nargs="+", help="types to try for their parts, and no others")
    given = parser.parse_args(sys.argv[2:])
    types, around = set(given.types), set(given.around or ())
    torch.set_num_threads(1)
    transformers()
    names = {name for model_type, name in pairs() if not types or model_type in types}

    def borne(name: str, path: str, other: str) -> int:
        return BORNE if not around or other in around else 0

    def told() -> Iterator[tuple[str, str, str, str]]:
        for name, path, other, wrong in generate(types or None, borne=borne):
            print(name, path, other, wrong or "holds", flush=True)
            yield name, path, other, wrong

    found = held(told())
    for name, parts in json.loads(TARGET.read_text(encoding="utf-8")).items():
        for path, kept in parts.items():
            tried = found.setdefault(name, {}).setdefault(path, [])
            tried += [other for other in kept if name not in names or not borne(name, path, other)]
            tried.sort()
    TARGET.write_text(text(found), encoding="utf-8")


def text(found: dict[str, dict[str, list[str]]]) -> str:
    """JSON with a line for each class."""
    kept = {name: {path: types for path, types in found[name].items() if types} for name in found}
    rows = [f"{json.dumps(name)}: {json.dumps(kept[name])}" for name in sorted(kept) if kept[name]]
    return "{\n" + ",\n".join(rows) + "\n}\n"
