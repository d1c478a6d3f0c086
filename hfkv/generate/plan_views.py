"""The trees of a plan, and which of their leaves a config comes to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hfkv.errors import HfkvError
from hfkv.generate.plan_configs import Space
from hfkv.generate.plan_held import as_read
from hfkv.modules.class_plan import UNPROVED, ClassPlan, Indices, holds

__all__ = ["View", "leaf_at", "leaves_of", "shape_of", "tests_of", "trees_of", "way_to"]

#: Before a key that the class fills in, where a tree is not about a module's name.
_FILLED = "filled "


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A config as a plan reads it.

    Attributes:
        read, given: reads of it with what the class fills in, and without.
        indices: those of the names.
    """

    read: Any
    given: Any
    indices: Indices

    @classmethod
    def of(cls, space: Space, plan: ClassPlan, values: dict[str, Any]) -> View | None:
        """None where the plan cannot read it."""
        try:
            config = as_read(space.wrap(values))
        except HfkvError:
            return None
        read = plan.reader(config)
        given = plan.given(config)
        return cls(read=read, given=given, indices=Indices(plan, read))

    def leaves(self, tree: Any, patterns: set[str]) -> set[str]:
        """Paths of the leaves that a tree comes to for names of these patterns."""
        reached: set[str] = set()
        try:
            for pattern in patterns:
                if not pattern.startswith(_FILLED):
                    places = self.indices.of(pattern)[:64]
                    reached |= {way_to(tree, self.read, index) for index in places}
                    continue
                what, key = pattern.removeprefix(_FILLED).split()
                if self.given(key) is None:
                    count = len(self.read(key) or ()) if what == "item" else 0
                    items = [(place,) for place in range(count)] if what == "item" else [()]
                    reached |= {way_to(tree, self.given, place) for place in items[:64]}
        except HfkvError:
            return set()
        return reached


def trees_of(content: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    """Every tree of a plan with a pattern that has the indices it is asked for."""
    for key, made in content.get("filled", {}).items():
        for what, tree in made.items():
            yield tree, f"{_FILLED}{what} {key}"
    for container, tree in content["lengths"].items():
        yield tree, container
    for name, tree in content["tied"].items():
        yield tree, name
    yield content["input"], ""
    yield content["output"], ""
    for name, number, own in content["modules"]:
        yield content["trees"][number], name
        for short, place in own.items():
            yield content["trees"][place], f"{name}.{short}" if name else short


def tests_of(tree: Any) -> Iterator[list[Any]]:
    """The tests of a tree."""
    if isinstance(tree, Mapping):
        yield tree["if"]
        yield from tests_of(tree["then"])
        yield from tests_of(tree["else"])


def shape_of(tree: Any) -> str:
    """A tree's tests and where they stand in it, whatever its leaves are."""

    def shape(tree: Any) -> Any:
        if not isinstance(tree, Mapping):
            return None
        return [tree["if"], shape(tree["then"]), shape(tree["else"])]

    return json.dumps(shape(tree))


def leaves_of(tree: Any, before: str = "") -> Iterator[str]:
    """The ways to a tree's leaves that are proved, as :func:`way_to` gives them."""
    if isinstance(tree, Mapping):
        yield from leaves_of(tree["then"], before + "t")
        yield from leaves_of(tree["else"], before + "e")
    elif tree != UNPROVED:
        yield before


def way_to(tree: Any, read: Any, index: Any) -> str:
    """The way to the leaf that a tree comes to: for each of its tests "t", then, or "e", else."""
    way = ""
    while isinstance(tree, Mapping):
        passed = holds(tree["if"], read, index)
        way, tree = way + "et"[passed], tree["then" if passed else "else"]
    return way


def leaf_at(tree: Any, read: Any, index: Any) -> Any:
    """What a tree comes to; None also where that is unproved."""
    for step in way_to(tree, read, index):
        tree = tree["then" if step == "t" else "else"]
    return None if tree == UNPROVED else tree
