"""Plans of composite classes around another part than their defaults have.

A config can name another ``model_type`` for the text, the vision or the sound part (PaliGemma
around Gemma 2). The part's rows are then those of that type's own plan, moved to the part's place.
Which types a part may be is data: each was built inside the class under random configs, and was
what the two plans say together (``python -m hfkv.generate plan_parts``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from hfkv.data import read_json
from hfkv.errors import UnsupportedError
from hfkv.facts.config import Config
from hfkv.modules.class_plan import UNPROVED, ClassPlan, plan_of
from hfkv.modules.composites import type_at
from hfkv.modules.table import Table, part_place, tables_of

__all__ = ["Donor", "donor_of", "exchanged", "with_parts"]

#: A key in an expression: no function, and not the number of a place.
_KEY = re.compile(r"(?<![\w.\[])(?<!\[-)([A-Za-z_][\w.]*)(?![\w.]|\s*\()")
#: Tests of trees to where they have keys, and expressions over keys.
_KEYS_AT: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("set", "null", "list", "is", "starts", "over", "odd", "has"), (1,)),
    "same": (1, 2),
    "below": (2,),
    "every": (2, 3),
    "phase": (2, 3),
    "after": (2, 3),
    **dict.fromkeys(("in", "listed", "item", "turn"), (2,)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Donor:
    """A model that can be a part: where its plan has it.

    Attributes:
        model_type: the part's.
        plan: that has it.
        name: of the model in that plan.
        path: of its config there; "" is the plan's own.
    """

    model_type: str
    plan: ClassPlan
    name: str
    path: str


def with_parts(plan: ClassPlan, table: Table, config: Config) -> ClassPlan:
    """The plan with the parts that the config names, where they were proved in their place.

    Args:
        config: the class's own.
    """
    for name, _, known, path in table.parts:
        found = type_at(config, path, known) if path else known
        if found in _proved().get(table.architecture, {}).get(path, ()):
            plan = exchanged(plan, name, path, donor_of(found))
    return plan


@lru_cache(maxsize=1)
def _proved() -> Mapping[str, Mapping[str, Sequence[str]]]:
    found: Mapping[str, Mapping[str, Sequence[str]]] = read_json("plan_parts.json")
    return found


def donor_of(model_type: str) -> Donor:
    """The plan that has the base model of a type.

    Raises:
        UnsupportedError: it has no plan.
    """
    for table in tables_of(model_type):
        if not table.config_path and table.prefix:
            plan = plan_of(model_type, table.architecture)
            return Donor(model_type=model_type, plan=plan, name=table.prefix, path="")
    place = part_place(model_type)
    if place is None:
        raise UnsupportedError(f"no class is known to have a part of model_type {model_type!r}")
    outer, name, path = place
    plan = plan_of(outer.config_type, outer.architecture)
    return Donor(model_type=model_type, plan=plan, name=name, path=path)


def exchanged(plan: ClassPlan, place: str, path: str, donor: Donor) -> ClassPlan:
    """A plan with another model in the place of one of its parts.

    Args:
        place: the part's name in the class.
        path: of its config.
    """
    given = donor.plan

    def name_of(name: str) -> str:
        return place + name[len(donor.name) :]

    def key_of(key: str) -> str:
        own = key.removeprefix(donor.path).removeprefix(".") if donor.path else key
        return f"{path}.{own}" if own else path

    def is_own(key: str) -> bool:
        return _is_in(key, donor.path)

    def rekeyed(text: str) -> str:
        return _KEY.sub(lambda key: key_of(key[1]), text)

    def sized(tree: Any) -> Any:
        return _moved(tree, rekeyed, rekeyed)

    def said(tree: Any) -> Any:
        return _moved(tree, rekeyed, lambda word: word)

    def named(tree: Any) -> Any:
        return _moved(
            tree, rekeyed, lambda name: name_of(name) if _is_in(name, donor.name) else name
        )

    def kept(keys: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in keys.items() if not _is_in(key, path)}

    def moved(keys: Mapping[str, Any]) -> dict[str, Any]:
        return {key_of(key): value for key, value in keys.items() if is_own(key)}

    inside = [
        (name_of(name), tree and _kind(sized, tree))
        for name, tree in given.modules
        if _is_in(name, donor.name)
    ]
    rows = [row for row in plan.modules if not _is_in(row[0], place)]
    at = next(number for number, (name, _) in enumerate(plan.modules) if _is_in(name, place))
    # A donor that is no module of its own leaves the part's.
    has_own = any(name == place for name, _ in inside)
    outer = [] if has_own else [row for row in plan.modules if row[0] == place]
    return replace(
        plan,
        keys={**kept(plan.keys), **moved(given.keys)},
        parts={
            **kept(plan.parts),
            path: (donor.model_type,),
            **{key: types for key, types in moved(given.parts).items() if key != path},
        },
        multiples=(
            *(pair for pair in plan.multiples if not _reads(pair, path)),
            *(
                (rekeyed(key), rekeyed(by))
                for key, by in given.multiples
                if all(is_own(name) for name in _KEY.findall(f"{key} {by}"))
            ),
        ),
        defaults={**kept(plan.defaults), **moved(given.defaults)},
        filled={
            **kept(plan.filled),
            **{
                key: {
                    what: tree if what == "absent" else (sized if what == "length" else said)(tree)
                    for what, tree in made.items()
                }
                for key, made in moved(given.filled).items()
            },
        },
        letters=(
            *(key for key in plan.letters if not _is_in(key, path)),
            *(key_of(key) for key in given.letters if is_own(key)),
        ),
        lengths={
            **{name: tree for name, tree in plan.lengths.items() if not _is_in(name, place)},
            **{
                name_of(name): sized(tree)
                for name, tree in given.lengths.items()
                if _is_in(name, donor.name)
            },
        },
        modules=(*rows[:at], *outer, *inside, *rows[at:]),
        parameters=(
            *(row for row in plan.parameters if not _is_in(row[0], place)),
            *(
                (name_of(name), short, sized(tree))
                for name, short, tree in given.parameters
                if _is_in(name, donor.name)
            ),
        ),
        tied=(
            *(row for row in plan.tied if not _is_in(row[0], place)),
            *((name_of(key), named(tree)) for key, tree in given.tied if _is_in(key, donor.name)),
        ),
        input=named(given.input) if _leads_to(plan.input, place) else plan.input,
    )


def _is_in(name: str, place: str) -> bool:
    return not place or name == place or name.startswith(f"{place}.")


def _leads_to(tree: Any, place: str) -> bool:
    """Whether a tree comes to names in a place."""
    if isinstance(tree, Mapping):
        return _leads_to(tree["then"], place) or _leads_to(tree["else"], place)
    return isinstance(tree, str) and _is_in(tree, place)


def _reads(texts: Sequence[str], path: str) -> bool:
    return any(_is_in(key, path) for text in texts for key in _KEY.findall(text))


def _kind(sized: Callable[[Any], Any], tree: Any) -> Any:
    """A module's tree: of its leaves only the groups are a size."""
    if isinstance(tree, Mapping):
        return {
            "if": sized({"if": tree["if"], "then": None, "else": None})["if"],
            "then": _kind(sized, tree["then"]),
            "else": _kind(sized, tree["else"]),
        }
    return [*tree[:2], *sized(tree[2:])] if isinstance(tree, list) else tree


def _moved(tree: Any, rekeyed: Callable[[str], str], leaf: Callable[[str], str]) -> Any:
    """A tree with its keys at another path, and each word of its leaves changed."""
    if isinstance(tree, Mapping):
        test = list(tree["if"])
        for place in _KEYS_AT.get(test[0], ()):
            if isinstance(test[place], str):
                test[place] = rekeyed(test[place])
        return {
            "if": test,
            "then": _moved(tree["then"], rekeyed, leaf),
            "else": _moved(tree["else"], rekeyed, leaf),
        }
    if isinstance(tree, list):
        return [_moved(item, rekeyed, leaf) for item in tree]
    return leaf(tree) if isinstance(tree, str) and tree != UNPROVED else tree
