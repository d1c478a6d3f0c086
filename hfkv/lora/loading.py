"""What transformers' loading makes of published tensors: parameters in memory, by module.

The rules come with the module table; this applies them to names and shapes alone. Tables of tens
of thousands of tensors are some dozens of name patterns, and a rule treats all indices of one
alike, so the work is done per pattern: the indices are stood in for by numbers that no name has,
and are put back afterwards. Only indices that a rule itself names are looked at one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hfkv.tensors import TensorTable, template

__all__ = ["Loaded", "load"]

Shape = tuple[int, ...]
Index = tuple[int, ...]
#: A parameter's pattern and the indices in it.
Key = tuple[str, Index]

#: The first stand-in for an index; each further one is a multiple of it.
_MARK = 1_000_000_000
_DIGITS = re.compile(r"(?<![\d{,])\d+(?![\d}])")


@dataclass(slots=True)
class Loaded:
    """What came of the tensors.

    Attributes:
        parameters: shape in memory, by parameter pattern and indices; None where an operation
            could not be followed.
        sources: published names (one of each pattern) by parameter pattern.
        unexpected: published tensors that the model has no parameter for.
    """

    parameters: dict[Key, Shape | None] = field(default_factory=dict)
    sources: dict[str, list[str]] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Collected:
    rule: int
    shapes: dict[int, list[Shape]] = field(default_factory=dict)


class _Rule:
    __slots__ = ("active", "entry", "groups", "kind", "ops", "prefixes", "regex", "targets")

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.entry = entry
        self.kind: str = entry["kind"]
        self.regex = re.compile(entry["regex"])
        self.targets: Sequence[str] = entry["targets"]
        self.ops: Sequence[Sequence[Any]] = entry.get("ops", ())
        self.active = False
        self.prefixes: list[str] | None = None
        if "scope" in entry:
            scope = f"{entry['scope']}." if entry["scope"] else ""
            base = f"{entry['prefix']}." if entry["prefix"] else ""
            self.prefixes = [base + scope, scope]

    def apply(self, name: str) -> tuple[str, int] | None:
        """The renamed name and the number of the source that matched."""
        start = ""
        if self.prefixes is not None:
            found = next((item for item in self.prefixes if name.startswith(item)), None)
            if found is None:
                return None
            start, name = found, name[len(found) :]
        match = self.regex.search(name)
        if match is None:
            return None
        group = next(key for key, value in match.groupdict().items() if value is not None)
        source = int(group[1:])
        first = self.regex.groupindex[group] + 1
        if self.kind == "group":
            self.active = self.active or source == 0
            if not self.active:
                return None
            target = re.sub(
                r"\\(\d+)",
                lambda item: match.group(first - 1 + int(item.group(1))),
                self.targets[source],
            )
        elif self.kind == "offset":
            moved = int(match.group(first)) + int(self.entry["offset"])
            target = self.targets[0].replace(r"\1", str(moved))
        else:
            target = self.targets[0]
            if r"\1" in target:
                target = target.replace(r"\1", match.group(first))
        return start + name.replace(match.group(0), target, 1), source


def load(
    tensors: TensorTable,
    conversions: Sequence[Mapping[str, Any]],
    *,
    exists: Callable[[str, Index], bool],
    base_model_prefix: str = "",
    size_of: Callable[[str, Index], Shape | None] = lambda pattern, index: None,
) -> Loaded:
    """Apply the rules of a table to the tensors of a header.

    Args:
        tensors: the published ones, packed ones with the shapes of what is packed in them.
        conversions: the table's rules.
        exists: whether the model has a parameter of that pattern and indices.
        base_model_prefix: the table's.
        size_of: the shape that a parameter has by its formula, where an operation needs it.
    """
    rules = [_Rule(entry) for entry in conversions]
    renames = [rule for rule in rules if rule.kind != "convert"]
    converts = [rule for rule in rules if rule.kind == "convert"]
    named = frozenset(
        int(number) for entry in conversions for number in _DIGITS.findall(_literal(entry["regex"]))
    )
    loaded = Loaded()
    collected: dict[Key, _Collected] = {}
    groups = sorted(tensors.patterns(), key=lambda item: item[0])
    for pattern, _dtype, shape, indices in groups:
        plans: dict[tuple[int | None, ...], _Plan] = {}
        left = False
        for index in indices:
            special = tuple(number if number in named else None for number in index)
            plan = plans.get(special)
            if plan is None:
                plan = plans[special] = _plan(pattern, special, renames, converts)
            key, source = plan.resolve(index, exists, base_model_prefix)
            if key is None:
                left = True
            elif source is None:
                loaded.parameters[key] = shape
                _add_source(loaded, key[0], pattern)
            else:
                number, branch = source
                entry = collected.setdefault(key, _Collected(number))
                entry.shapes.setdefault(branch, []).append(shape)
                _add_source(loaded, key[0], pattern)
        if left:
            loaded.unexpected.append(pattern.format(*indices[-1]))
    for key, entry in collected.items():
        for other, result in _convert(converts[entry.rule], key, entry.shapes, size_of):
            loaded.parameters[other] = result
            if other[0] != key[0]:
                loaded.sources.setdefault(other[0], loaded.sources[key[0]])
    return loaded


def _literal(regex: str) -> str:
    return re.sub(r"\(\?P<g\d+>|\\\d", "(", regex)


def _add_source(loaded: Loaded, pattern: str, published: str) -> None:
    known = loaded.sources.setdefault(pattern, [])
    if published not in known:
        known.append(published)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a pattern is renamed: its result, which has what index where; and its own name."""

    result: str
    places: tuple[tuple[int, int], ...]
    source: tuple[int, int] | None
    original: str

    def resolve(
        self, index: Index, exists: Callable[[str, Index], bool], prefix: str
    ) -> tuple[Key | None, tuple[int, int] | None]:
        moved = tuple(index[at] + by if at >= 0 else by for at, by in self.places)
        found = _fit(self.result, moved, exists, prefix)
        if found is not None:
            return found, self.source
        # A name that a rule took away from the model was right as it was.
        if exists(self.original, index):
            return (self.original, index), None
        return None, None


def _fit(
    pattern: str, index: Index, exists: Callable[[str, Index], bool], prefix: str
) -> Key | None:
    if prefix:
        start = f"{prefix}."
        if pattern.startswith(start) and exists(pattern[len(start) :], index):
            return pattern[len(start) :], index
        if exists(start + pattern, index):
            return start + pattern, index
    return (pattern, index) if exists(pattern, index) else None


def _plan(
    pattern: str,
    special: tuple[int | None, ...],
    renames: Collection[_Rule],
    converts: Sequence[_Rule],
) -> _Plan:
    marks = [
        number if number is not None else _MARK * (place + 1)
        for place, number in enumerate(special)
    ]
    name = pattern.format(*marks)
    for rule in renames:
        found = rule.apply(name)
        if found is not None:
            name = found[0]
    source = None
    for number, rule in enumerate(converts):
        found = rule.apply(name)
        if found is not None:
            name, branch = found
            source = (number, branch)
            break
    result, numbers = _split(name)
    places = []
    for value in numbers:
        place = (value + _MARK // 2) // _MARK - 1
        # A number that stands for no index is one that the name or a rule spells out.
        places.append((place, value - _MARK * (place + 1)) if place >= 0 else (-1, value))
    return _Plan(result, tuple(places), source, pattern)


def _split(name: str) -> tuple[str, Index]:
    """As ``template``, for names with stand-ins, which are longer than any real index."""
    found: list[int] = []

    def take(match: re.Match[str]) -> str:
        found.append(int(match.group(0)))
        return "{}"

    text = re.sub(r"(?<![0-9A-Za-z_])\d+(?![0-9A-Za-z_])", take, name)
    return text, tuple(found)


def _convert(
    rule: _Rule,
    key: Key,
    shapes: dict[int, list[Shape]],
    size_of: Callable[[str, Index], Shape | None],
) -> Iterator[tuple[Key, Shape | None]]:
    """The parameters that one collected group becomes, with their shapes."""
    names = [key]
    first, *others = rule.targets
    full = key[0].format(*key[1])
    for other in others:
        names.append(template(full.replace(first, other)))
    parts: list[list[Shape]] | None = [shapes[number] for number in sorted(shapes)]
    pieces: list[Shape | None] | None = None
    for op, *arguments in rule.ops:
        if parts is None:
            break
        parts, pieces = _operate(op, arguments, parts, names, size_of)
    if pieces is None:
        result = parts[0][0] if parts is not None and len(parts) == 1 else None
        pieces = [result] * len(names)
    yield from zip(names, pieces, strict=True)


def _operate(
    op: str,
    arguments: Sequence[Any],
    parts: list[list[Shape]],
    names: Sequence[Key],
    size_of: Callable[[str, Index], Shape | None],
) -> tuple[list[list[Shape]] | None, list[Shape | None] | None]:
    """One operation on shapes: what is left as one, or the pieces for each name."""
    several = len(names)
    if op == "MergeModulelist":
        if any(len(set(part)) != 1 for part in parts):
            return None, None
        at = arguments[0]
        return [[(*p[0][:at], len(p), *p[0][at:])] for p in parts], None
    if op == "Concatenate":
        flat = [shape for part in parts for shape in part]
        joined = _join(flat, arguments[0])
        return ([[joined]] if joined is not None else None), None
    if op in ("Interleave", "PermuteForRope"):
        return parts, None
    if op == "Conv3dToLinear":
        shape = parts[0][0]
        size = 1
        for item in shape[1:]:
            size *= item
        return [[(shape[0], size)]], None
    if op == "Transpose":
        shape = parts[0][0]
        if "check" in arguments and size_of(*names[0]) in (None, shape):
            return parts, None
        moved = list(shape)
        a, b = arguments[:2]
        moved[a], moved[b] = moved[b], moved[a]
        return [[tuple(moved)]], None
    if op == "Chunk":
        shape, at = parts[0][0], arguments[0]
        if len(arguments) > 1 or shape[at] % several:
            return None, None
        piece = (*shape[:at], shape[at] // several, *shape[at + 1 :])
        return [[piece]], [piece] * several
    if op == "Split":
        return [[parts[0][0]]], [size_of(*name) for name in names]
    if op == "ErnieFuseAndSplitTextVisionExperts":
        return None, _ernie(parts, several, *arguments)
    return None, None


def _join(shapes: Sequence[Shape], at: int) -> Shape | None:
    first = shapes[0]
    if any(s[:at] + s[at + 1 :] != first[:at] + first[at + 1 :] for s in shapes):
        return None
    return (*first[:at], sum(shape[at] for shape in shapes), *first[at + 1 :])


def _ernie(
    parts: Sequence[list[Shape]], several: int, stack: int, concat: int
) -> list[Shape | None]:
    """Each source's list is dealt out over the targets, stacked, and the sources are joined."""
    pieces: list[Shape | None] = []
    for number in range(several):
        stacked = []
        for part in parts:
            size = -(-len(part) // several)
            own = part[number * size : (number + 1) * size]
            if not own or len(set(own)) != 1:
                return [None] * several
            stacked.append((*own[0][:stack], len(own), *own[0][stack:]))
        pieces.append(_join(stacked, concat))
    return pieces
