"""From the names of a published checkpoint to the parameters in memory.

transformers renames, stacks, joins and splits tensors on loading; the module tables list its rules
(``hfkv/data/modules/README.md``). They are followed here on names and shapes alone, and on one
representative name for each pattern, so that a checkpoint of 92,000 tensors takes milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
    seen: set[int] = set()
    for pattern, dtype, shape, indices in sorted(tensors.patterns(), key=lambda item: item[0]):
        for members, result in _apply(pattern, indices, rules, seen, prefix, known):
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
        made = _targets(rule, target, prefix, known)
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


def _apply(
    pattern: str,
    indices: tuple[Index, ...],
    rules: Sequence[Mapping[str, Any]],
    seen: set[int],
    prefix: str,
    known: frozenset[str],
) -> Iterator[tuple[tuple[Index, ...], _Result]]:
    """Groups of index tuples with the result of the rules on them."""
    depth = len(indices[0])
    stand_ins = tuple(_FIRST + place * _STEP for place in range(depth))
    common = _rename(pattern.format(*stand_ins), rules, seen, prefix, known, stand_ins)
    # A rule can name a number outright; then the first or the last index tells.
    agree = all(
        _instance(common, index) == _plain(pattern.format(*index), rules, seen, prefix, known)
        for index in {indices[0], indices[-1]}
    )
    if agree:
        yield indices, common
        return
    for index in indices:
        number, source, name = _plain(pattern.format(*index), rules, seen, prefix, known)
        target, numbers = template(name)
        # Constant places: an index that is not taken from the name's own.
        yield ((numbers,), (number, source, target, tuple((at, 0) for at in range(len(numbers)))))


def _index(index: Index, places: tuple[tuple[int, int], ...]) -> Index:
    """The numbers of a result: taken from the name's own (and moved), or written by a rule."""
    return tuple(add if place < 0 else index[place] + add for place, add in places)


def _instance(result: _Result, index: Index) -> tuple[int | None, int, str]:
    number, source, target, places = result
    return number, source, target.format(*_index(index, places))


def _plain(
    name: str,
    rules: Sequence[Mapping[str, Any]],
    seen: set[int],
    prefix: str,
    known: frozenset[str],
) -> tuple[int | None, int, str]:
    number, source, target, places = _rename(name, rules, seen, prefix, known, ())
    return number, source, target.format(*(add for _, add in places))


def _rename(
    name: str,
    rules: Sequence[Mapping[str, Any]],
    seen: set[int],
    prefix: str,
    known: frozenset[str],
    stand_ins: Index,
) -> _Result:
    """(number of the convert or None, its source, target pattern, where its indices come from)."""
    result = name
    for number, rule in enumerate(rules):
        if rule["kind"] != "convert":
            result = _once(result, rule, number, seen)[0]
    for number, rule in enumerate(rules):
        if rule["kind"] == "convert":
            changed, source = _once(result, rule, number, seen)
            if source is not None:
                found = _fit(changed, prefix, known, rule)
                if found is not None:
                    return (number, source, *_places(found, stand_ins))
                break
    found = _fit(result, prefix, known, None)
    if found is None:
        found = _fit(name, prefix, known, None)
    return (None, 0, *_places(found if found is not None else result, stand_ins))


def _once(
    name: str, rule: Mapping[str, Any], number: int, seen: set[int]
) -> tuple[str, int | None]:
    """A rule applied at most once; the source that matched, or None."""
    start = ""
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
            seen.add(number)
        if number not in seen:
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


def _fit(
    name: str, prefix: str, known: frozenset[str], rule: Mapping[str, Any] | None
) -> str | None:
    """The name as a parameter of the class, with the base model's prefix taken off or added."""

    def there(candidate: str) -> bool:
        if rule is None or template(candidate)[0] in known:
            return template(candidate)[0] in known
        first = rule["targets"][0]
        return any(
            template(candidate.replace(first, other))[0] in known for other in rule["targets"][1:]
        )

    if prefix and name.startswith(f"{prefix}.") and there(name[len(prefix) + 1 :]):
        return name[len(prefix) + 1 :]
    if prefix and there(f"{prefix}.{name}"):
        return f"{prefix}.{name}"
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


def _targets(rule: Mapping[str, Any], target: str, prefix: str, known: frozenset[str]) -> list[str]:
    first = rule["targets"][0]
    made = [target]
    for other in rule["targets"][1:]:
        # Patterns and targets agree in everything but their numbers.
        made.append(target.replace(first, other))
    return made


def _operate(
    rule: Mapping[str, Any], lists: list[list[Shape]], made: list[str], target: str, sizes: Sizes
) -> list[Shape]:
    """The shapes that a convert makes of the tensors collected for it."""
    count = len(made)
    work = [list(items) for items in lists if items]
    for operation, *arguments in rule["ops"]:
        if operation == "MergeModulelist":
            (at,) = arguments
            merged = []
            for items in work:
                if len(set(items)) != 1:
                    raise UnsupportedError(
                        f"the pieces of {target} differ in size", where="safetensors header"
                    )
                shape = items[0]
                merged.append([(*shape[:at], len(items), *shape[at:])])
            work = merged
        elif operation == "Concatenate":
            (at,) = arguments
            parts = [shape for items in work for shape in items]
            joined = list(parts[0])
            joined[at] = sum(shape[at] for shape in parts)
            work = [[tuple(joined)]]
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
            work = [[(shape[0], _product(shape[1:])) for shape in items] for items in work]
        elif operation == "ErnieFuseAndSplitTextVisionExperts":
            stack, concat = arguments
            half = [
                [items[len(items) // count * at : len(items) // count * (at + 1)] for items in work]
                for at in range(count)
            ]
            halves: list[list[Shape]] = []
            for lists_of in half:
                parts = [(*i[0][:stack], len(i), *i[0][stack:]) for i in lists_of]
                joined = list(parts[0])
                joined[concat] = sum(part[concat] for part in parts)
                halves.append([tuple(joined)])
            work = halves
        else:
            raise UnsupportedError(
                f"transformers loads {target} by {operation}, which is not known here",
                where="safetensors header",
            )
    flat = [items[0] for items in work]
    if len(flat) != count:
        raise UnsupportedError(f"how transformers loads {target} is not known here", where="header")
    return flat


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


def _product(shape: Sequence[int]) -> int:
    result = 1
    for item in shape:
        result *= item
    return result
