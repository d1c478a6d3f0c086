"""A plan that says nothing where it was refuted: the last resort, when no more learning helps."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from hfkv.generate.plan_builds import plain
from hfkv.generate.plan_configs import Space
from hfkv.generate.plan_held import Held, held_by, says_of
from hfkv.generate.plan_tests import Tests
from hfkv.generate.plan_views import View, leaf_at, way_to
from hfkv.modules.class_plan import UNPROVED, ClassPlan, holds, size_of
from hfkv.modules.conversion import Index

__all__ = ["narrowed"]

#: How many of the things that a plan is wrong about are tried as the one to say nothing of.
_TRIED = 40
#: A tree's place in a plan's content, and the numbers in the name that it was wrong about.
_Fault = tuple[tuple[Any, ...], Index]


def narrowed(
    space: Space, content: Mapping[str, Any], wrong: list[Any], good: list[Any]
) -> dict[str, Any] | None:
    """The plan with leaves marked as unproved so that it says nothing of these configs; None where
    it would then say nothing of the class's own defaults either.

    Args:
        good: configs that it is right about: where one of its own keys tells them from a wrong
            one, it goes on to speak of them.
    """
    usual = [space.first(), space.saved(space.first()) or space.first()]
    made = dict(content)
    for values in wrong:
        plan = _plan(space, made)
        model = plain(space, values)
        view = View.of(space, plan, values)
        if model is None or view is None or not says_of(space, plan, values):
            continue
        borne = [v for item in good if (v := View.of(space, plan, item))]
        for place, index in itertools.islice(_faults(made, held_by(model), view), _TRIED):
            other = copy.deepcopy(made)
            if _mark(space, other, place, view, index, borne) and all(
                says_of(space, _plan(space, other), config) for config in usual
            ):
                made = other
                break
        else:
            return None
    return made


def _plan(space: Space, content: Mapping[str, Any]) -> ClassPlan:
    return ClassPlan.parse(space.name, {**content, "keys": {}, "parts": {}})


def _faults(content: Mapping[str, Any], held: Held, view: View) -> Iterator[_Fault]:
    """What of the plan is wrong about a model; of a container of another length that alone."""
    read, indices = view.read, view.indices
    members: dict[str, int] = {}
    for name in held.modules:
        parts = name.split(".")
        for end, part in enumerate(parts):
            if part.isdigit():
                outer = ".".join(parts[:end])
                members[outer] = max(members.get(outer, 0), int(part) + 1)
    off: list[str] = []
    for container, tree in content["lengths"].items():
        for index in indices.of(container):
            name = container.format(*index)
            length = size_of(leaf_at(tree, read, index), read, index) or 0
            if length != members.get(name, 0) and name in {*held.modules, ""}:
                off.append(f"{name}.")
                yield ("lengths", container), index
    for row, (name, number, own) in enumerate(content["modules"]):
        for index in indices.of(name) if name else ():
            known = held.modules.get(name.format(*index))
            kind = leaf_at(content["trees"][number], read, index)
            groups = 1 if kind is None or kind[2] == 1 else size_of(kind[2], read, index) or 1
            said = None if kind is None else (kind[0], bool(kind[1]), groups)
            if said != (known and (known[0], known[2], known[3])):
                yield from _unless(off, name.format(*index), (("modules", row, 1), index))
        for short, place in own.items():
            pattern = f"{name}.{short}" if name else short
            for index in indices.of(pattern):
                full = pattern.format(*index)
                sizes = leaf_at(content["trees"][place], read, index)
                shape = sizes and tuple(size_of(size, read, index) for size in sizes)
                if shape != _shape(held, full):
                    yield from _unless(off, full, (("modules", row, 2, short), index))
    for pattern, tree in content["tied"].items():
        for index in indices.of(pattern):
            source = leaf_at(tree, read, index)
            if (source and source.format(*index)) != held.tied.get(pattern.format(*index)):
                yield ("tied", pattern), index
    for what, embedding in zip(("input", "output"), held.embeddings, strict=True):
        if leaf_at(content[what], read, ()) != embedding:
            yield (what,), ()


def _unless(off: list[str], name: str, fault: _Fault) -> Iterator[_Fault]:
    if not any(name.startswith(start) for start in off):
        yield fault


def _shape(held: Held, name: str) -> Any:
    module, _, short = name.rpartition(".")
    if module in held.modules:
        return held.modules[module][1].get(short)
    # A member of a list of parameters.
    outer, _, first = module.rpartition(".")
    inside = held.modules.get(outer)
    return held.loose.get(name) if inside is None else inside[1].get(f"{first}.{short}")


def _mark(
    space: Space,
    content: dict[str, Any],
    place: tuple[Any, ...],
    view: View,
    index: Index,
    good: list[View],
) -> bool:
    """Mark the leaf that a tree comes to, for such configs alone if that can be; whether it is one
    of several."""
    *outer, last = place
    at: Any = content
    for key in outer:
        at = at[key]
    trees = content["trees"]
    tree = copy.deepcopy(trees[at[last]] if outer and outer[0] == "modules" else at[last])
    way = way_to(tree, view.read, index)
    node = None
    inner = tree
    for step in way:
        node, inner = inner, inner["then" if step == "t" else "else"]
    pattern = _pattern(content, place)
    alike = [
        other
        for other in good
        if any(way_to(tree, other.read, i) == way for i in other.indices.of(pattern))
    ]
    test = _telling(space, content, tree, view, alike)
    if test is None and node is None:
        return inner == UNPROVED
    marked: Any = UNPROVED
    if test is not None:
        then, other = (UNPROVED, inner) if holds(test, view.read, ()) else (inner, UNPROVED)
        marked = {"if": list(test), "then": then, "else": other}
    if node is None:
        tree = marked
    else:
        node["then" if way[-1] == "t" else "else"] = marked
    if outer and outer[0] == "modules":
        trees.append(tree)
        at[last] = len(trees) - 1
    else:
        at[last] = tree
    return True


def _pattern(content: Mapping[str, Any], place: tuple[Any, ...]) -> str:
    """The names that a tree of a plan's content is about."""
    if place[0] == "modules":
        name, _, _ = content["modules"][place[1]]
        return f"{name}.{place[3]}".lstrip(".") if len(place) > 3 else str(name)
    return str(place[1]) if len(place) > 1 else ""


def _telling(
    space: Space, content: Mapping[str, Any], tree: Any, wrong: View, good: list[View]
) -> tuple[Any, ...] | None:
    """A test of the keys that a tree depends on which tells a wrong config from all good ones."""
    words = set(re.findall(r"[\w.]+", json.dumps(tree)))
    filled = [made for key, made in content.get("filled", {}).items() if key in words]
    words |= set(re.findall(r"[\w.]+", json.dumps(filled)))
    for test in Tests(space, [wrong, *good]).about(words) if good else ():
        said = holds(test, wrong.read, ())
        if all(holds(test, other.read, ()) != said for other in good):
            return test
    return None
