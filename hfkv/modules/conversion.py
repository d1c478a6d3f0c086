"""From the names of a published checkpoint to the parameters in memory.

transformers renames, stacks, joins and splits tensors on loading; the module tables list its rules
(``hfkv/data/modules/README.md``). They are followed here on names and shapes alone, and on one
representative name for each pattern, so that a checkpoint of 92,000 tensors takes milliseconds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from hfkv.errors import UnsupportedError
from hfkv.tensors import TensorTable, template

__all__ = ["Loaded", "load_names"]

Shape = tuple[int, ...]
Index = tuple[int, ...]

#: Numbers that stand for a name's indices while rules are applied; far from any real one.
_FIRST, _STEP = 700_000_000, 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What loading gives.

    Attributes:
        shapes: parameter pattern to index to shape.
        left: names that reach no parameter: (pattern, dtype, shape, number of tensors).
        dtypes: parameter pattern to the dtype it is saved as.
    """

    shapes: dict[str, dict[Index, Shape]]
    left: tuple[tuple[str, str, Shape, tuple[Index, ...]], ...]
    dtypes: dict[str, str]


@lru_cache(maxsize=4096)
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


#: The size of a parameter along one dimension by the config, where it is known.
Sizes = Callable[[str, int], "int | None"]


def load_names(
    tensors: TensorTable,
    rules: Sequence[Mapping[str, Any]],
    prefix: str,
    known: frozenset[str],
    sizes: Sizes = lambda pattern, at: None,
) -> Loaded:
    """Apply ``rules`` to a checkpoint's names.

    Args:
        prefix: ``base_model_prefix`` of the class.
        known: patterns of the parameters that the class can have.
        sizes: tells how a tensor that becomes several of unlike size is split.

    Raises:
        UnsupportedError: a rule splits what cannot be followed by shapes alone.
    """
    shapes: dict[str, dict[Index, Shape]] = {}
    dtypes: dict[str, str] = {}
    left: list[tuple[str, str, Shape, tuple[Index, ...]]] = []
    # (rule, target pattern) -> index -> source number -> shapes
    merges: dict[tuple[int, str], dict[Index, list[list[Shape]]]] = {}
    renaming = _Renaming(rules, prefix, known)
    for pattern, dtype, shape, indices in sorted(tensors.patterns(), key=lambda item: item[0]):
        for members, result in renaming.apply(pattern, indices):
            number, source, target, places = result
            if number is None and target not in known:
                left.append((pattern, dtype, shape, members))
                continue
            if number is None:
                own = shapes.setdefault(target, {})
                for index in members:
                    own[_index(index, places)] = shape
                dtypes[target] = dtype
                continue
            count = len(rules[number]["sources"])
            group = merges.setdefault((number, target), {})
            for index in members:
                key = _index(index, places)
                lists = group.get(key)
                if lists is None:
                    lists = group[key] = [[] for _ in range(count)]
                lists[source].append(shape)
            dtypes[target] = dtype
    for (number, target), group in merges.items():
        rule = rules[number]
        # Patterns and targets agree in everything but their numbers.
        first, *others = rule["targets"]
        made = [target, *(target.replace(first, other) for other in others)]
        # Like groups have like results: each distinct one is worked out once.
        done: dict[Any, list[Shape]] = {}
        for index, lists in group.items():
            like = tuple((len(items), tuple(sorted(set(items)))) for items in lists)
            if like not in done:
                done[like] = _operate(rule, lists, made, target, sizes)
            for name, result_shape in zip(made, done[like], strict=True):
                if name in known:
                    shapes.setdefault(name, {})[index] = result_shape
                    dtypes.setdefault(name, dtypes[target])
    return Loaded(shapes=shapes, left=tuple(left), dtypes=dtypes)


_Result = tuple["int | None", int, str, tuple[tuple[int, int], ...]]


def _index(index: Index, places: tuple[tuple[int, int], ...]) -> Index:
    """The numbers of a result: taken from the name's own (and moved), or written by a rule."""
    return tuple(add if place < 0 else index[place] + add for place, add in places)


def _instance(result: _Result, index: Index) -> tuple[int | None, int, str]:
    number, source, target, places = result
    return number, source, target.format(*_index(index, places))


@dataclass(frozen=True, slots=True)
class _Renaming:
    """The rules for the names of one checkpoint.

    Attributes:
        rules, prefix, known: as :func:`load_names` takes them.
        seen: numbers of the rules whose first source was met.
    """

    rules: Sequence[Mapping[str, Any]]
    prefix: str
    known: frozenset[str]
    seen: set[int] = field(default_factory=set)

    def apply(
        self, pattern: str, indices: tuple[Index, ...]
    ) -> Iterator[tuple[tuple[Index, ...], _Result]]:
        """Groups of index tuples with the result of the rules on them."""
        depth = len(indices[0])
        stand_ins = tuple(_FIRST + place * _STEP for place in range(depth))
        common = self._rename(pattern.format(*stand_ins), stand_ins)
        # A rule can name a number outright; then the first or the last index tells.
        agree = all(
            _instance(common, index) == self._plain(pattern.format(*index))
            for index in {indices[0], indices[-1]}
        )
        if agree:
            yield indices, common
            return
        for index in indices:
            number, source, name = self._plain(pattern.format(*index))
            target, numbers = template(name)
            # Constant places: an index that is not taken from the name's own.
            yield (
                (numbers,),
                (number, source, target, tuple((at, 0) for at in range(len(numbers)))),
            )

    def _plain(self, name: str) -> tuple[int | None, int, str]:
        number, source, target, places = self._rename(name)
        return number, source, target.format(*(add for _, add in places))

    def _rename(self, name: str, stand_ins: Index = ()) -> _Result:
        """The number of the convert or None, its source, the target's pattern, and where its
        indices come from."""
        result = name
        for number, rule in enumerate(self.rules):
            if rule["kind"] != "convert":
                result = self._once(result, number)[0]
        for number, rule in enumerate(self.rules):
            if rule["kind"] == "convert":
                changed, source = self._once(result, number)
                if source is not None:
                    found = self._fit(changed, rule)
                    if found is not None:
                        return (number, source, *_places(found, stand_ins))
                    break
        found = self._fit(result)
        if found is None:
            found = self._fit(name)
        return (None, 0, *_places(found if found is not None else result, stand_ins))

    def _once(self, name: str, number: int) -> tuple[str, int | None]:
        """A rule applied at most once; the source that matched, or None."""
        rule, start = self.rules[number], ""
        if rule.get("scope") is not None:
            inside = f"{rule['scope']}." if rule["scope"] else ""
            outside = f"{rule['prefix']}.{inside}" if rule.get("prefix") else inside
            for beginning in (outside, inside):
                if name.startswith(beginning):
                    start, name = beginning, name[len(beginning) :]
                    break
            else:
                return name, None
        found = _regex(rule["regex"]).search(name)
        if found is None:
            return start + name, None
        source = next(
            int(group[1:])
            for group, value in found.groupdict().items()
            if value is not None and re.fullmatch(r"g[0-9]+", group)
        )
        kind = rule["kind"]
        if kind == "group":
            if source == 0:
                self.seen.add(number)
            if number not in self.seen:
                return start + name, None
        target = rule["targets"][source if kind == "group" else 0]
        # \1 is the first group inside the branch that matched.
        order = _regex(rule["regex"]).groupindex[f"g{source}"]
        if r"\1" in target:
            inner = found.group(order + 1)
            if kind == "offset":
                inner = str(int(inner) + rule["offset"])
            target = target.replace(r"\1", inner)
        return start + name[: found.start()] + target + name[found.end() :], source

    def _fit(self, name: str, rule: Mapping[str, Any] | None = None) -> str | None:
        """The name as a parameter of the class, with the base model's prefix taken off or added."""

        def there(candidate: str) -> bool:
            if rule is None or template(candidate)[0] in self.known:
                return template(candidate)[0] in self.known
            first = rule["targets"][0]
            return any(
                template(candidate.replace(first, other))[0] in self.known
                for other in rule["targets"][1:]
            )

        start = f"{self.prefix}." if self.prefix else ""
        if start and name.startswith(start) and there(name[len(start) :]):
            return name[len(start) :]
        if start and there(start + name):
            return start + name
        return name if there(name) else None


def _places(name: str, stand_ins: Index) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The pattern of a result, and for each of its numbers the place it came from and what is
    added to it."""
    target, numbers = template(name)
    places = []
    for number in numbers:
        place = round((number - _FIRST) / _STEP)
        if number > _FIRST // 2 and 0 <= place < len(stand_ins):
            places.append((place, number - stand_ins[place]))
        else:
            places.append((-1, number))
    return target, tuple(places)


def _operate(
    rule: Mapping[str, Any], lists: list[list[Shape]], made: list[str], target: str, sizes: Sizes
) -> list[Shape]:
    """The shapes that a convert makes of the tensors collected for it."""
    count = len(made)
    work = [list(items) for items in lists if items]
    for operation, *arguments in rule["ops"]:
        if operation == "MergeModulelist":
            (at,) = arguments
            if any(len(set(items)) != 1 for items in work):
                raise UnsupportedError(
                    f"the pieces of {target} differ in size", where="safetensors header"
                )
            work = [[_stacked(items, at)] for items in work]
        elif operation == "Concatenate":
            (at,) = arguments
            work = [[_joined([shape for items in work for shape in items], at)]]
        elif operation == "Chunk":
            (at,) = arguments
            shape = work[0][0]
            if shape[at] % count:
                raise UnsupportedError(f"{target} does not split evenly", where="header")
            piece = (*shape[:at], shape[at] // count, *shape[at + 1 :])
            work = [[piece] for _ in range(count)]
        elif operation == "Split":
            (at,) = arguments
            work = [[piece] for piece in _split(work[0][0], at, made, target, sizes)]
        elif operation == "Transpose":
            first, second = arguments[:2]
            turned = []
            for items in work:
                shape_list = list(items[0])
                shape_list[first], shape_list[second] = shape_list[second], shape_list[first]
                turned.append([tuple(shape_list)])
            if not any(argument == "check" for argument in arguments):
                work = turned
        elif operation in ("Interleave", "PermuteForRope"):
            continue
        elif operation == "Conv3dToLinear":
            work = [[(shape[0], math.prod(shape[1:])) for shape in items] for items in work]
        elif operation == "Inkling2LoopDequantizeExperts":
            # Codes, their scales, and for two codes in a byte also the largest value of each.
            codes, largest = lists[0], lists[2]
            work = [[(*shape[:-1], shape[-1] * 2) if largest else shape] for shape in codes]
        elif operation == "Inkling2LoopMergeMessageQueries":
            # Of the query and the output, of the key and the value, of each layer by turns.
            work = [[(shape[0] // 2, 4, *shape[1:])] for shape in work[0]] if len(work) == 2 else []
        elif operation == "Inkling2UnpadVocab":
            # The file may go on with empty rows, up to a rounder vocabulary.
            rows = sizes(made[0], 0)
            if rows is None:
                raise UnsupportedError(
                    f"config.json does not say how many rows of {target} are used",
                    where="safetensors header",
                    expected="an unpadded_vocab_size",
                )
            work = [[(min(shape[0], rows), *shape[1:]) for shape in work[0]]]
        elif operation == "ErnieFuseAndSplitTextVisionExperts":
            stack, concat = arguments
            half = [
                [items[len(items) // count * at : len(items) // count * (at + 1)] for items in work]
                for at in range(count)
            ]
            work = [[_joined([_stacked(i, stack) for i in items], concat)] for items in half]
        else:
            raise UnsupportedError(
                f"transformers loads {target} by {operation}, which is not known here",
                where="safetensors header",
            )
    flat = [items[0] for items in work if items]
    if len(flat) != count:
        raise UnsupportedError(f"how transformers loads {target} is not known here", where="header")
    return flat


def _stacked(shapes: Sequence[Shape], at: int) -> Shape:
    """Like tensors as one, with their number along a new dimension."""
    return (*shapes[0][:at], len(shapes), *shapes[0][at:])


def _joined(shapes: Sequence[Shape], at: int) -> Shape:
    """Tensors as one, one after the other along a dimension."""
    sizes = list(shapes[0])
    sizes[at] = sum(shape[at] for shape in shapes)
    return tuple(sizes)


def _split(shape: Shape, at: int, made: list[str], target: str, sizes: Sizes) -> list[Shape]:
    """The pieces of a tensor, each as large as the parameter that it becomes."""
    pieces = [sizes(name, at) for name in made]
    if None in pieces or sum(piece or 0 for piece in pieces) != shape[at]:
        raise UnsupportedError(
            f"{target} is split off a tensor of {shape[at]:,}, and the sizes that config.json "
            "gives its parts do not come to that",
            where="safetensors header",
        )
    return [(*shape[:at], piece or 0, *shape[at + 1 :]) for piece in pieces]
