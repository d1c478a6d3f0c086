"""The tests that the trees of plans are made of, and what of the observations passes each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from hfkv.generate.plan_configs import Space
from hfkv.generate.plan_keys import is_size
from hfkv.modules.class_plan import holds
from hfkv.modules.conversion import Index

if TYPE_CHECKING:
    from hfkv.generate.plan_builds import Sample
    from hfkv.generate.plan_views import View

__all__ = ["Observation", "Tests", "patches_of"]

#: The number of a sample, and the indices in a name.
Observation = tuple[int, Index]


def patches_of(keys: Iterable[str]) -> list[tuple[str, str]]:
    """Keys of the size of an image and of the patches that it is cut into."""
    known = set(keys)
    return [
        (size, patch)
        for size in sorted(known)
        if size.endswith("image_size")
        and (patch := f"{size.removesuffix('image_size')}patch_size") in known
    ]


#: Keys of where the first of several layers is.
_START = re.compile(r"(?:^|[._])(?:offset|start|first|skip|begin)(?:[._]|$)")


def _differences(numbers: list[str]) -> list[str]:
    """How many layers there are less others."""
    return [
        f"{one} - {other}"
        for one in numbers
        if "layer" in one or "depth" in one
        for other in numbers
        if one != other
    ]


class Tests:
    """Tests over the keys of a class, as samples show them, simplest first."""

    def __init__(self, space: Space, samples: Sequence[Sample | View]) -> None:
        self.space = space
        self.samples = samples
        self.masks: dict[tuple[str, int], dict[Any, int]] = {}
        self.typed: dict[tuple[str, str], list[str]] = {}
        self.single: dict[tuple[str, int, int], dict[Any, int]] = {}
        self.alike: dict[tuple[str, int, int, int | None], dict[Observation, int]] = {}

    def _of_type(self, what: str, wanted: Callable[[Any], bool], inside: str) -> list[str]:
        if (what, inside) not in self.typed:
            self.typed[what, inside] = [
                path
                for path in self._paths(inside)
                if any(wanted(sample.read(path)) for sample in self.samples)
            ]
        return self.typed[what, inside]

    def _paths(self, inside: str) -> list[str]:
        """Keys of the nested config at that path; all where it is ""."""
        return [
            path
            for path, key in self.space.keys.items()
            if not key.part and (not inside or path.startswith(f"{inside}."))
        ]

    def numeric(self, inside: str = "") -> list[str]:
        """Keys that were a whole number."""
        return self._of_type("numeric", lambda value: type(value) is int, inside)

    def lists(self, inside: str = "") -> list[str]:
        """Keys that were a list with something in it."""
        return self._of_type("lists", lambda value: isinstance(value, list) and bool(value), inside)

    def of(
        self, stem: str, observed: list[Observation], depth: int, stage: int, inside: str = ""
    ) -> dict[Any, int]:
        """Tests up to a stage with what passes them; those that tell nothing more are left out.

        Args:
            inside: the path of the nested config that alone is asked; "" is all of it.
        """
        key = (f"{stem}#{depth}#{len(observed)}#{inside}", stage)
        if key in self.masks:
            return self.masks[key]
        found = dict(self.of(stem, observed, depth, stage - 1, inside)) if stage > 1 else {}
        known = set(found.values())
        whole = (1 << len(observed)) - 1
        made = (
            self._about_config(inside)
            if stage == 1
            else [
                *self._about_index(depth, observed, stage, inside),
                *(self._about_lists(inside) if stage == 2 else ()),
            ]
        )
        for test in made:
            mask = self._passing(test, stem, observed, depth)
            if mask and mask != whole and mask not in known:
                known.add(mask)
                found[test] = mask
        self.masks[key] = found
        return found

    def mask(self, test: Any, stem: str, observed: list[Observation], depth: int) -> int:
        """What of the observations passes one test."""
        known = self.single.setdefault((stem, depth, len(observed)), {})
        key = tuple(test)
        if key not in known:
            known[key] = self._passing(test, stem, observed, depth)
        return known[key]

    def _passing(self, test: Any, stem: str, observed: list[Observation], depth: int) -> int:
        """What passes a test, which asks the config and at most one of the indices."""
        hole = test[1] if type(test[1]) is int else None
        passed = 0
        for (number, index), bits in self._alike(stem, observed, depth, hole).items():
            if holds(test, self.samples[number].read, index):
                passed |= bits
        return passed

    def _alike(
        self, stem: str, observed: list[Observation], depth: int, hole: int | None
    ) -> dict[Observation, int]:
        """One of the observations that such tests find alike, with all of them as bits."""
        key = (stem, depth, len(observed), hole)
        if key not in self.alike:
            bits: dict[Any, int] = {}
            first: dict[Any, Observation] = {}
            for bit, (number, index) in enumerate(observed):
                seen = (number, None if hole is None else index[hole])
                first.setdefault(seen, (number, index))
                bits[seen] = bits.get(seen, 0) | 1 << bit
            self.alike[key] = {first[seen]: mask for seen, mask in bits.items()}
        return self.alike[key]

    def about(self, words: set[str]) -> list[tuple[Any, ...]]:
        """Tests of the config that ask no other keys than these."""
        keys = self.space.keys.keys()
        return [
            test
            for test in self._about_config("")
            if (keys & set(re.findall(r"[\w.]+", str(test[1:])))) <= words
        ]

    def _about_config(self, inside: str) -> list[tuple[Any, ...]]:
        paths = self._paths(inside)
        found: list[tuple[Any, ...]] = []
        found += [("set", path) for path in paths]
        found += [("null", path) for path in paths]
        found += [("null", path) for path in sorted(self.space.optional) if not inside]
        found += [("list", path) for path in self.lists(inside)]
        for path in paths:
            values = {
                value
                for sample in self.samples
                if isinstance(value := sample.read(path), (int, str, bool))
            }
            ints = sorted(value for value in values if type(value) is int)
            strs = sorted(value for value in values if isinstance(value, str))
            if True in values or False in values:
                found += [("is", path, True), ("is", path, False)]
            # Such as an activation's with a gate: gated-gelu.
            starts = sorted({value.partition("-")[0] for value in strs if "-" in value})
            found += [("starts", path, f"{start}-") for start in starts]
            found += [("is", path, value) for value in strs]
            found += [("is", path, value) for value in ints if value < 4]
            found += [("over", path, value) for value in (0, 1, 2) if ints]
        # What does not come out even is padded.
        found += [("odd", f"{size} // {patch}") for size, patch in patches_of(self.space.keys)]
        numbers = self.numeric(inside)
        found += [("over", less, 0) for less in _differences(numbers)]
        found += [
            ("same", one, other) for place, one in enumerate(numbers) for other in numbers[:place]
        ]
        return found

    def _about_index(
        self, depth: int, observed: list[Observation], stage: int, inside: str
    ) -> list[tuple[Any, ...]]:
        lists = self.lists(inside)
        # A place in a list of layers is held against a number of layers, not against a width.
        numbers = [path for path in self.numeric(inside) if not is_size(path)]
        found: list[tuple[Any, ...]] = []
        for hole in range(depth):
            if stage == 2:
                found += [("below", hole, key) for key in numbers]
                found += [("in", hole, key) for key in lists]
                found += [("listed", hole, key) for key in lists]
                found += [("item", hole, key, item) for key in lists for item in self._items(key)]
                last = max((index[hole] for _, index in observed), default=0)
                # The multiples of a large number are the first alone: a place is a simpler reason.
                found += [("at", hole, number) for number in range(min(last + 1, 12))]
                found += [("every", hole, key, shift) for key in numbers for shift in (0, 1, -1)]
                found += [("cycle", hole, n, rest) for n in (2, 3, 4, 5, 6) for rest in range(n)]
            else:
                pairs = [(one, other) for one in numbers for other in numbers if one != other]
                found += [("turn", hole, key, item) for key in lists for item in self._items(key)]
                ends = [*numbers, *(f"len({key})" for key in lists)]
                found += [("below", hole, f"{end} - 1") for end in ends]
                found += [("below", hole, less) for less in _differences(numbers)]
                found += [
                    ("after", hole, one, start)
                    for one, other in pairs
                    if _START.search(other)
                    for start in (other, f"{other} - 1", f"{other} + 1")
                ]
                # One layer in so many, where so many of all are to be.
                found += [
                    ("every", hole, f"{one} // {other}", shift)
                    for one, other in pairs
                    if "layer" in one and "layer" in other
                    for shift in (0, 1, -1)
                ]
                found += [("phase", hole, one, other) for one, other in pairs]
                found += [("every", hole, one, other) for one, other in pairs]
        return found

    def _about_lists(self, inside: str) -> list[tuple[Any, ...]]:
        """Such as whether a list of layers has their halves as items of their own."""
        lists = self.lists(inside)
        words = ((key, item) for key in lists for item in self._items(key) if type(item) is str)
        return [("has", key, word) for key, word in words]

    def _items(self, key: str) -> list[Any]:
        values = {
            item
            for sample in self.samples
            if isinstance(value := sample.read(key), list)
            for item in value
            if isinstance(item, (str, int))
        }
        named = self.space.keys[key].numbers
        few = [item for item in values if isinstance(item, str) or item < 4 or item in named]
        return sorted(few, key=str)
