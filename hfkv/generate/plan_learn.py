"""From what a class was seen to have under many configs to trees over its config's keys."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hfkv.generate.plan_configs import Space, value_at
from hfkv.generate.plan_formulas import cost, formatted, general, parts
from hfkv.generate.plan_keys import is_size
from hfkv.generate.plan_tests import Observation, Tests, patches_of
from hfkv.generate.plan_trees import UnlearnedError, grow
from hfkv.modules.class_plan import UNPROVED, UnprovedError, is_placed, leaf_of, size_of
from hfkv.modules.conversion import Index

if TYPE_CHECKING:
    from hfkv.generate.plan_builds import Sample

__all__ = ["Trees", "learn"]

#: Trees by what they are of.
Trees = dict[str, Any]

#: How many members of a container a layer may be.
_MEMBERS = 6
#: In how many samples each member of a part that is held is looked at.
_EVERY = 8
#: Of how many shapes a parameter may be without a formula.
_SHAPES = 40
#: Of how many values one that the class fills in may be.
_LITERALS = 8
#: Which sorts of test are tried, and how deep a tree of them may be: 1 is about the config, 2 about
#: an index as well, 3 about an index and two keys.
_STAGES = ((0, 0), (1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (2, 3), (3, 3), (1, 5), (2, 5), (3, 6))


def learn(
    space: Space, samples: list[Sample], *, partly: bool = False, known: Trees | None = None
) -> dict[str, Any]:
    """A plan's content but for its keys, or ``refused`` with the reason.

    Args:
        partly: a tree may say nothing of a few of the samples, where what decides over them was
            not found.
        known: trees that were learned from fewer samples, which are added to: one that is right
            about all of these stays.
    """
    known = {} if known is None else known
    filled = _filled(space, samples, known)
    for item in samples:
        item.read = space.reader(item.config, filled=filled)
    learner = _Learner(space, samples, known, partly=partly)
    try:
        content = learner.content()
        text = json.dumps([content, filled])
        defaults = {k: v for k, v in space.defaults.items() if re.search(rf"\b{k}\b", text)}
        return {
            "parts": space.types_of_parts,
            "keys": {},
            "defaults": defaults,
            "filled": filled,
            **({"letters": sorted(space.letters)} if space.letters else {}),
            **content,
        }
    except UnlearnedError as error:
        return {
            "refused": str(error),
            "unexplained": (learner.unexplained, learner.having),
            "part": learner.part,
        }


def _filled(space: Space, samples: list[Sample], known: Trees) -> dict[str, Any]:
    """How the class fills in what a config can lack, as far as that can be found."""
    for item in samples:
        item.read = space.reader(item.config)
    learner = _Learner(space, samples, known)
    found: dict[str, Any] = {}
    for key in dict.fromkeys(path for item in samples for path in item.filled):
        if any(item.filled.get(key) is ... for item in samples):
            continue
        with contextlib.suppress(UnlearnedError):
            found[key] = learner.made(key)
            if not space.keys[key].types:
                found[key]["absent"] = True
    return found


class _Learner:
    def __init__(
        self, space: Space, samples: list[Sample], known: Trees, *, partly: bool = False
    ) -> None:
        self.space, self.partly, self.known = space, partly, known
        self.samples = samples
        self.spaces: dict[str, list[Observation]] = {}
        self.tests = Tests(space, samples)
        self.grown: dict[Any, Any] = {}
        self.sizes: dict[tuple[Any, int, Index], int | None] = {}
        self.trees: dict[str, int] = {}
        # Of the last failure, the samples that no formula fits, among those that it is about, and
        # the nested config that it lies in.
        self.unexplained: set[int] = set()
        self.having: set[int] = set()
        self.part = ""

    def content(self) -> dict[str, Any]:
        lengths = self.lengths()
        order = self._order()
        held: dict[str, list[str]] = {name: [] for name in ["", *order]}
        for pattern in self._patterns("sizes"):
            module = pattern.rpartition(".")[0]
            while module not in held:
                module = module.rpartition(".")[0]
            held[module].append(pattern[len(module) :].removeprefix("."))
        for pattern in [*order, *self._patterns("sizes")]:
            self._add_space(pattern, lengths)
        rows = []
        for module, shorts in held.items():
            if not module and not shorts:
                continue
            rows.append(
                [
                    module,
                    self._number(["other", False, 1] if not module else self._module(module)),
                    {
                        short: self._number(
                            self._parameter(f"{module}.{short}" if module else short)
                        )
                        for short in shorts
                    },
                ]
            )
        # The model itself is no module of its own.
        return {
            "lengths": lengths,
            "input": self._whole("input", [item.embeddings[0] for item in self.samples]),
            "output": self._whole("output", [item.embeddings[1] for item in self.samples]),
            "tied": {pattern: self._tied(pattern) for pattern in self._patterns("tied")},
            "modules": rows,
            "trees": [json.loads(tree) for tree in self.trees],
        }

    def _number(self, tree: Any) -> int:
        return self.trees.setdefault(json.dumps(tree), len(self.trees))

    def _patterns(self, what: str) -> list[str]:
        found: dict[str, None] = {}
        for sample in self.samples:
            found.update(dict.fromkeys(getattr(sample, what)))
        return list(found)

    def _order(self) -> list[str]:
        """Module patterns in an order that all samples share."""
        order: list[str] = []
        known: set[str] = set()
        for sample in self.samples:
            last = -1
            for pattern in sample.modules:
                if pattern in known:
                    last = max(last, order.index(pattern))
                else:
                    last += 1
                    order.insert(last, pattern)
                    known.add(pattern)
        return order

    # -- lengths ---------------------------------------------------------------------------

    def lengths(self) -> dict[str, Any]:
        names: dict[str, None] = {}
        for sample in self.samples:
            names.update(dict.fromkeys(sample.lengths))
        found: dict[str, Any] = {}
        for container in sorted(names, key=lambda name: (name.count("{}"), name)):
            seen = {
                (number, index): length
                for number, sample in enumerate(self.samples)
                for index, length in sample.lengths.get(container, {}).items()
            }
            found[container] = self._length(f"length {container}", container, seen)
        return found

    def _length(self, what: str, container: str, seen: Mapping[Observation, int]) -> Any:
        observed = list(seen)
        depth = container.count("{}")

        def cover(text: Any) -> int:
            found = 0
            for bit, (number, index) in enumerate(observed):
                if self._size(text, number, index) == seen[number, index]:
                    found |= 1 << bit
            return found

        if self._stays(what, container, observed, depth, cover):
            return self.known[what]
        labels: list[Any] = []
        ways: tuple[Iterator[Any], ...] = (self._counts(container, seen), self._sums())
        if self.space.is_fixed(container):
            # Nothing it depends on was seen with another value: any formula would be by chance.
            ways = (iter(sorted(set(seen.values()))),)
        for texts in ways:
            labels += [(text, found) for text in texts if (found := cover(text))]
            try:
                return self._grow(what, labels, container, observed, depth)
            except UnlearnedError as error:
                reason = f"the number of {container}: {error}"
        raise UnlearnedError(reason)

    def _counts(self, container: str, seen: Mapping[Observation, int]) -> Iterator[Any]:
        numbers, lists = self.tests.numeric(), self.tests.lists()
        yield from numbers
        for key in lists:
            yield from (f"len({key})", f"kinds({key})")
            for place in range(container.count("{}")):
                yield f"{key}[i{place}]"
        for key in numbers:
            yield from (f"{key} + 1", f"{key} - 1", f"2 * {key}", f"{key} // 2")
        yield from self._lines(seen)
        if len(values := set(seen.values())) < 6:
            yield from sorted(values)

    def _lines(self, seen: Mapping[Observation, int]) -> Iterator[str]:
        """Several members for each of what a number counts, such as a layer with its activation,
        and some beside them."""
        logs = (text for text in self._pool if str(text).startswith("int(log2("))
        for text in (*self.tests.numeric(), *logs):
            points: dict[int, Counter[int]] = {}
            for observed, length in seen.items():
                if (number := self._size(text, *observed)) is not None:
                    points.setdefault(number, Counter())[length] += 1
            usual = [(number, points[number].most_common(1)[0][0]) for number in sorted(points)]
            lines: Counter[tuple[int, int]] = Counter()
            for (one, low), (two, high) in itertools.pairwise(usual):
                steps, rest = divmod(high - low, two - one)
                if not rest and 1 < steps <= _MEMBERS:
                    lines[steps, low - steps * one] += 1
            for (steps, more), count in lines.most_common(1):
                # Three points, so that it is none by chance.
                if count > 1 and (steps, more) != (2, 0):
                    beside = f" {'-' if more < 0 else '+'} {abs(more)}" if more else ""
                    yield f"{steps} * {text}{beside}"

    def _sums(self) -> Iterator[str]:
        numbers = self.tests.numeric()
        for one in numbers:
            for other in numbers:
                if one != other and "vocab" not in one + other:
                    if one < other:
                        yield f"{one} + {other}"
                    yield f"{one} - {other}"
                    if "layer" in one:
                        yield from (f"{one} // {other}", f"ceil({one} / {other})")

    def made(self, key: str) -> dict[str, Any]:
        """Trees of what the class fills in for a key."""
        declared = bool(self.space.keys[key].types)
        values: list[tuple[int, Any]] = [
            (number, item.filled.get(key))
            for number, item in enumerate(self.samples)
            if item.read(key) is None and (declared or value_at(item.values, key) is ...)
        ]
        if not any(isinstance(value, list) for _, value in values):
            seen: list[tuple[Observation, Any]] = [
                ((number, ()), value) for number, value in values
            ]
            return {"value": self._literal(f"value {key}", seen, 0)}
        lengths: dict[Observation, int] = {
            (number, ()): len(value) for number, value in values if value
        }
        items: list[tuple[Observation, Any]] = [
            ((number, (place,)), item)
            for number, value in values
            for place, item in enumerate((value or [])[:24])
        ]
        return {
            "length": self._length(f"items {key}", "", lengths),
            "item": self._literal(f"item {key}", items, 1),
        }

    def _literal(self, what: str, seen: list[tuple[Observation, Any]], depth: int) -> Any:
        covers: dict[str, int] = {}
        for bit, (_, value) in enumerate(seen):
            text = json.dumps(value)
            covers[text] = covers.get(text, 0) | 1 << bit
        if len(covers) > _LITERALS:
            raise UnlearnedError(
                "it is one of too many values, and a part of another's most likely"
            )
        labels = [(json.loads(text), cover) for text, cover in covers.items()]
        return self._grow(what, labels, what, [place for place, _ in seen], depth)

    # -- parameters ------------------------------------------------------------------------

    def _add_space(self, pattern: str, lengths: Mapping[str, Any]) -> None:
        stem = pattern.rpartition("{}")[0]
        if stem not in self.spaces:
            self.spaces[stem] = list(self._space(stem, lengths))

    def _space(self, stem: str, lengths: Mapping[str, Any]) -> Iterator[Observation]:
        parts = f"{stem}{{}}".split("{}") if stem else [""]
        held = self.space.is_fixed(stem)
        for number, sample in enumerate(self.samples):
            # In a part that is held no two need be alike, but each sample has the same ones.
            every = held and number < _EVERY
            with contextlib.suppress(UnprovedError):
                found = self._indices(sample, parts, lengths, every=every)
                yield from ((number, index) for index in found)

    @staticmethod
    def _indices(
        sample: Sample, parts: list[str], lengths: Mapping[str, Any], *, every: bool
    ) -> list[Index]:
        found: list[Index] = [()]
        for place in range(1, len(parts)):
            tree = lengths["{}".join(parts[:place]).removesuffix(".")]
            longer = []
            for index in found:
                text = leaf_of(tree, sample.read, index)
                for inner in range(size_of(text, sample.read, index) or 0):
                    longer.append((*index, inner))
            # Of very many alike, the first and the last ones tell as much.
            found = longer if every or len(longer) <= 24 else [*longer[:16], *longer[-8:]]
        return found

    def _module(self, pattern: str) -> Any:
        observed = self._observed(pattern)
        seen = [self.samples[n].modules.get(pattern, {}).get(index) for n, index in observed]
        covers: dict[str, int] = {json.dumps(kind and kind[:3]): 0 for kind in seen}
        # Groups are a number that several expressions may give; of a convolution that takes each
        # channel by itself, those of its channels.
        if kinds := {json.dumps(kind[:2]) for kind in seen if kind and kind[3] > 1}:
            for sample in self.samples:
                for _, texts in sample.sizes.get(f"{pattern}.weight", {}).values():
                    found = [[*json.loads(said), texts[0]] for said in kinds] if texts else []
                    covers.update(dict.fromkeys(map(json.dumps, found), 0))
        for text in covers:
            said = json.loads(text)
            for bit, kind in enumerate(seen):
                same = kind is None if said is None else kind and kind[:2] == said[:2]
                if same and (not kind or self._size(said[2], *observed[bit]) == kind[3]):
                    covers[text] |= 1 << bit
        labels = [(json.loads(text), cover) for text, cover in covers.items()]
        labels.sort(key=lambda item: -item[1].bit_count())
        return self._named("module", pattern, labels, observed)

    def _tied(self, pattern: str) -> Any:
        observed = self._observed(pattern)
        covers: dict[str | None, int] = {}
        for bit, (number, index) in enumerate(observed):
            source = self.samples[number].tied.get(pattern, {}).get(index)
            for name in dict.fromkeys((source, source and formatted(source, index))):
                covers[name] = covers.get(name, 0) | 1 << bit
        return self._named("tied", pattern, list(covers.items()), observed)

    def _whole(self, what: str, values: list[str | None]) -> Any:
        covers: dict[str | None, int] = {}
        for bit, value in enumerate(values):
            covers[value] = covers.get(value, 0) | 1 << bit
        observed: list[Observation] = [(number, ()) for number in range(len(values))]
        return self._grow(what, list(covers.items()), "", observed, 0)

    def _named(
        self, what: str, pattern: str, labels: list[Any], observed: list[Observation]
    ) -> Any:
        try:
            stem = pattern.rpartition("{}")[0]
            return self._grow(f"{what} {pattern}", labels, stem, observed, pattern.count("{}"))
        except UnlearnedError as error:
            raise UnlearnedError(f"{pattern}: {error}") from None

    def _observed(self, pattern: str) -> list[Observation]:
        return self.spaces[pattern.rpartition("{}")[0]]

    def _parameter(self, pattern: str) -> Any:
        observed = self._observed(pattern)
        seen: list[tuple[int, ...] | None] = []
        texts: dict[tuple[Any, ...], None] = {}
        for number, index in observed:
            entry = self.samples[number].sizes.get(pattern, {}).get(index)
            seen.append(None if entry is None else entry[0])
            if entry is not None and entry[1] is not None:
                read = self.samples[number].read
                texts.update(dict.fromkeys(general(entry[1], index, read)))
        ones = [bit for bit, shape in enumerate(seen) if shape is not None]
        if not ones:
            self.part = self.space.kept_by(pattern)
            raise UnlearnedError(f"{pattern}: it lies outside the containers that were counted")
        absent = sum(1 << bit for bit, shape in enumerate(seen) if shape is None)

        def cover(leaf: Any) -> int:
            if leaf is None:
                return absent
            return sum(bits for _, bits in self._covers([tuple(leaf)], observed, seen))

        what, stem = f"parameter {pattern}", pattern.rpartition("{}")[0]
        if self._stays(what, stem, observed, pattern.count("{}"), cover):
            return self.known[what]
        candidates = self._covers(list(texts), observed, seen)
        union = 0
        for sizes, bits in candidates:
            # A plain number is what a size came to where it was lost sight of.
            union |= 0 if cost(sizes)[0] else bits
        if union.bit_count() < len(ones) and self.space.is_fixed(stem):
            # Of what is held no size need be a formula.
            shapes = Counter(shape for shape in seen if shape is not None).most_common(_SHAPES)
            candidates += self._covers([shape for shape, _ in shapes], observed, seen)
        elif union.bit_count() < len(ones):
            candidates += self._fitted(observed, seen)
        candidates.sort(key=lambda item: (-item[1].bit_count(), cost(item[0])))
        labels: list[Any] = [(list(sizes), cover) for sizes, cover in candidates[:60]]
        if absent:
            labels.append((None, absent))
        return self._named("parameter", pattern, labels, observed)

    def _covers(
        self,
        texts: Iterable[tuple[Any, ...]],
        observed: list[Observation],
        seen: list[tuple[int, ...] | None],
    ) -> list[tuple[tuple[Any, ...], int]]:
        found = []
        for sizes in texts:
            cover = 0
            for bit, ((number, index), shape) in enumerate(zip(observed, seen, strict=True)):
                if shape is None or len(shape) != len(sizes):
                    continue
                if all(
                    self._size(text, number, index) == size
                    for text, size in zip(sizes, shape, strict=True)
                ):
                    cover |= 1 << bit
            if cover:
                found.append((sizes, cover))
        return found

    def _fitted(
        self,
        observed: list[Observation],
        seen: list[tuple[int, ...] | None],
    ) -> list[tuple[tuple[Any, ...], int]]:
        """Where no formula was followed: those of other parameters, dimension by dimension."""
        places = [(place, shape) for place, shape in enumerate(seen) if shape is not None]
        depth = len(places[0][1])
        if any(len(shape) != depth for _, shape in places) or depth > 3:
            return []
        fits: list[list[Any]] = []
        for at in range(depth):
            scored = []
            for text in self._pool:
                count = sum(
                    self._size(text, *observed[place]) == shape[at] for place, shape in places
                )
                if count > len(places) // 10:
                    scored.append((-count, cost((text,)), text))
            scored.sort(key=lambda item: item[:2])
            fits.append([text for *_, text in scored[:6]])
        combined: list[tuple[Any, ...]] = [()]
        for options in fits:
            combined = [(*start, text) for start in combined for text in options]
        return self._covers(combined, observed, seen)

    @cached_property
    def _pool(self) -> list[Any]:
        found: dict[Any, None] = dict.fromkeys(self.tests.numeric())
        for sample in self.samples:
            for indices in sample.sizes.values():
                for _, texts in indices.values():
                    for text in texts or ():
                        found.update(dict.fromkeys(parts(text)))
        few = [text for text in found if text is not None and "[" not in str(text)][:400]
        wide = [key for key in self.tests.numeric() if is_size(key)]
        # What several layers gave, side by side.
        beside = [f"{key} * len({items})" for items in self.tests.lists() for key in wide][:200]
        # Patches of an image, with or without a place for the class of the whole.
        squares = [f"({size} // {patch}) ** 2" for size, patch in patches_of(self.space.keys)]
        patches = [text for one in squares for text in (one, f"{one} + 1")]
        return [*dict.fromkeys([*few, *beside, *patches, 1, 2, 3, 4])]

    # -- helpers ---------------------------------------------------------------------------

    def _size(self, text: Any, number: int, index: Index) -> int | None:
        key = (text, number, index if is_placed(text) else ())
        if key not in self.sizes:
            self.sizes[key] = size_of(text, self.samples[number].read, index)
        return self.sizes[key]

    def _stays(
        self,
        what: str,
        stem: str,
        observed: list[Observation],
        depth: int,
        cover: Callable[[Any], int],
    ) -> bool:
        """Whether the tree of fewer samples is right about all of these.

        Args:
            cover: what a leaf is right about, as bits.
        """

        def right(tree: Any, among: int) -> bool:
            if not among:
                return True
            if isinstance(tree, Mapping):
                passed = self.tests.mask(tree["if"], stem, observed, depth)
                return right(tree["then"], among & passed) and right(tree["else"], among & ~passed)
            return tree != UNPROVED and not among & ~cover(tree)

        return what in self.known and right(self.known[what], (1 << len(observed)) - 1)

    def _grow(
        self, what: str, labels: list[Any], stem: str, observed: list[Observation], depth: int
    ) -> Any:
        """A tree of the fewest sorts of test that do, and shallow where it can be."""
        covers = {json.dumps(leaf): bits for leaf, bits in labels}
        if not self._stays(
            what, stem, observed, depth, lambda leaf: covers.get(json.dumps(leaf), 0)
        ):
            self.known[what] = self._grown(labels, stem, observed, depth)
        return self.known[what]

    def _grown(self, labels: list[Any], stem: str, observed: list[Observation], depth: int) -> Any:
        key = (stem, depth, tuple((json.dumps(leaf), cover) for leaf, cover in labels))
        if key not in self.grown:
            self.grown[key] = self._staged(labels, stem, observed, depth)
        return self.grown[key]

    def _staged(self, labels: list[Any], stem: str, observed: list[Observation], depth: int) -> Any:
        among = (1 << len(observed)) - 1
        part, self.part = self.space.part_of(stem), self.space.kept_by(stem)
        # What lies in a nested model depends on its own config alone, if it can be so explained.
        stages = [(*stage, inside) for inside in dict.fromkeys((part, "")) for stage in _STAGES]
        for stage, deep, inside in stages:
            try:
                tests = {}
                if stage:
                    tests = self.tests.of(stem, observed, depth, stage, inside)
                last = (stage, deep) == _STAGES[-1]
                return grow(labels, tests, among, deep, last=last)
            except UnlearnedError as error:
                final = (stage, deep, inside) == stages[-1]
                bits = error.unexplained
                if bits or final:
                    absent = next((cover for leaf, cover in labels if leaf is None), 0)
                    self.unexplained = {n for b, (n, _) in enumerate(observed) if bits >> b & 1}
                    self.having = {n for b, (n, _) in enumerate(observed) if not absent >> b & 1}
                if error.tree == UNPROVED and (bits or final):
                    raise
                if final and self.partly and len(self.unexplained) * 12 < len(self.samples):
                    return error.tree
                if final:
                    raise
        raise AssertionError
