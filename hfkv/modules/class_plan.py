"""A class's parameters by its config alone: which there are, and how large each one is.

Plans are generated and proved against the real classes; ``hfkv/data/plans/README.md`` describes
the format. They stand in for a header where a model has none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hfkv.data import read_json
from hfkv.errors import UnsupportedError
from hfkv.facts.config import MOST_LAYERS, Config
from hfkv.modules.built import Built, Module, walk_key
from hfkv.modules.conversion import Index, Shape
from hfkv.modules.expressions import evaluate
from hfkv.reading import describe

__all__ = [
    "ANY_WORD",
    "UNPROVED",
    "ClassPlan",
    "Indices",
    "Read",
    "UnprovedError",
    "holds",
    "is_placed",
    "kind_of",
    "leaf_of",
    "plan_of",
    "planned",
    "reader",
    "seen_as",
    "size_of",
    "words_of",
]

Read = Callable[[str], Any]
#: No model has so many parameters of one name; what loops over them stays bounded.
_MOST = 1_000_000
#: The leaf of a tree that no config of the proof came to.
UNPROVED = "?"
#: Among the sorts of value of a key: a word that the class's code does not name.
ANY_WORD = "any word"
#: Sorts of number among the sorts of value.
_NUMBERS = {"int", "zero", "negative", "float"}
#: Names of numbers that no module is made of: of positions, norms, noise and losses.
_NO_SIZE = re.compile(
    r"(?:^|[_.])(?:rope|theta|eps|epsilon|dropout|pdrop|initializer|std|freq|coef|softcap|softcapping"
    r"|temperature|momentum|scaling)(?:_|$)"
)
#: Sorts of list by the sorts of their items.
_LISTS = (
    ("ints", {"int", "zero"}),
    ("signed", {"int", "zero", "negative"}),
    ("strs", {"str"}),
    ("bools", {"bool"}),
)
_ELEMENT = re.compile(r"(.*)\[(-?[0-9]+)\]")
#: A place in a list by an index of a name: that, the one before it, or either from the end.
_PLACED = re.compile(r"\[(-?)i([0-9]+)( - 1)?\]")


class UnprovedError(UnsupportedError):
    """A tree of the plan says nothing of such a config."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassPlan:
    """The plan of one class; see ``hfkv/data/plans/README.md``.

    Attributes:
        architecture: the class.
        keys: every config key that the class reads, to the kinds of value that it was proved with,
            or to the one value that it was.
        parts: paths of nested configs to the ``model_type`` that each must have, or to that and
            other names that the class takes for it, ``"*"`` for any.
        multiples: keys with what must divide them.
        defaults: what keys count as that no field declares, where a config lacks them.
        filled: keys that the class fills in where a config has none, to a tree of the value, or of
            a list's ``length`` and of an ``item``; with ``absent`` null is left as it is.
        letters: keys that are a word with a letter for each layer, read as the list of them.
        lengths: how many there are in each repeated container.
        modules: patterns of names in module order, with trees of ``[kind, transposed, groups]``.
        parameters: their modules' patterns, their own names, and trees of their sizes.
        tied: patterns of parameters, with trees of the names whose storage they share.
        input, output: trees of the embeddings' names.
    """

    architecture: str
    keys: Mapping[str, Mapping[str, Any]]
    parts: Mapping[str, str | Sequence[str]]
    multiples: Sequence[tuple[str, str]]
    defaults: Mapping[str, Any]
    filled: Mapping[str, Mapping[str, Any]]
    letters: Sequence[str]
    lengths: Mapping[str, Any]
    modules: Sequence[tuple[str, Any]]
    parameters: Sequence[tuple[str, str, Any]]
    tied: Sequence[tuple[str, Any]]
    input: Any
    output: Any

    @classmethod
    def parse(cls, architecture: str, raw: Mapping[str, Any]) -> ClassPlan:
        """The plan as the generator writes it."""
        trees = raw["trees"]
        return cls(
            architecture=architecture,
            keys=raw["keys"],
            parts=raw["parts"],
            multiples=tuple((key, by) for key, by in raw.get("multiples", ())),
            defaults=raw.get("defaults", {}),
            filled=raw.get("filled", {}),
            letters=raw.get("letters", ()),
            lengths=raw["lengths"],
            modules=tuple((name, trees[number]) for name, number, _ in raw["modules"]),
            parameters=tuple(
                (name, short, trees[number])
                for name, _, own in raw["modules"]
                for short, number in own.items()
            ),
            tied=tuple(raw["tied"].items()),
            input=raw["input"],
            output=raw["output"],
        )

    def reader(self, config: Config) -> Read:
        """Reads of a config as the class completes it."""
        return reader(config, defaults=self.defaults, filled=self.filled, letters=self.letters)

    def given(self, config: Config) -> Read:
        """Reads of what the config itself has."""
        return reader(config, defaults=self.defaults, letters=self.letters)


@lru_cache(maxsize=16)
def _file(model_type: str) -> Mapping[str, Any]:
    try:
        classes: Mapping[str, Any] = read_json("plans", f"{model_type}.json")["classes"]
    except FileNotFoundError:
        return {}
    return classes


def plan_of(model_type: str, architecture: str) -> ClassPlan:
    """The plan of a class.

    Args:
        model_type: one that has a module table; it names a file.

    Raises:
        UnsupportedError: it has none; the reason is the generator's.
    """
    raw = _file(model_type).get(architecture, {"refused": "no plan was made for it"})
    if "refused" in raw:
        raise UnsupportedError(f"{architecture} has no proved plan ({raw['refused']})")
    return ClassPlan.parse(architecture, raw)


def kind_of(value: Any) -> str:
    """What sort of value a key has, as far as a class can take it differently; ``...`` is none."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "bool"
    if isinstance(value, int):
        return "int" if value > 0 else "zero" if value == 0 else "negative"
    if isinstance(value, (float, str)):
        return "float" if isinstance(value, float) else "str"
    if isinstance(value, Mapping):
        return "object"
    if value is ...:
        return "absent"
    if isinstance(value, list):
        kinds = {kind_of(item) for item in value}
        if not kinds:
            return "empty"
        for name, members in _LISTS:
            if kinds <= members:
                return name
    return "list"


def words_of(value: Any) -> list[str]:
    """The words that a value is, or is a list of."""
    return [value] if isinstance(value, str) else value if kind_of(value) == "strs" else []


def seen_as(value: Any) -> str:
    """The same, and whether a flag was set: what stands behind one may never have been built."""
    return str(value).lower() if isinstance(value, bool) else kind_of(value)


def size_of(text: Any, read: Read, index: Index) -> int | None:
    """An expression's value; ``[i0]`` in it is the first index of the name, ``[-i0 - 1]`` the same
    from the end."""
    if is_placed(text):
        text = _PLACED.sub(lambda found: f"[{_place(found, index)}]", text)
    return evaluate(text, read)


def is_placed(text: Any) -> bool:
    """Whether an expression depends on the indices in a name."""
    return isinstance(text, str) and ("[i" in text or "[-i" in text)


def _place(found: re.Match[str], index: Index) -> int:
    number = index[int(found[2])]
    return (-number if found[1] else number) - (1 if found[3] else 0)


def holds(test: Sequence[Any], read: Read, index: Index) -> bool:
    """Whether a test of a tree is true of a config and the indices in a name."""
    kind, first, *rest = test
    if kind == "set":
        return bool(read(first))
    if kind == "null":
        return read(first) is None
    if kind == "list":
        return isinstance(read(first), list)
    if kind == "has":
        value = read(first)
        return isinstance(value, list) and rest[0] in value
    if kind == "is":
        value = read(first)
        return type(value) is type(rest[0]) and value == rest[0]
    if kind == "starts":
        value = read(first)
        return isinstance(value, str) and value.startswith(rest[0])
    if kind == "same":
        one, other = read(first), read(rest[0])
        return type(one) is int and type(other) is int and one == other
    if kind == "odd":
        count = evaluate(first, read)
        return count is not None and count % 2 == 1
    if kind == "over":
        count = evaluate(first, read)
        return count is not None and count > rest[0]
    # The others are about one of the indices.
    at = index[first]
    if kind == "at":
        return bool(at == rest[0])
    if kind == "cycle":
        return bool(at % rest[0] == rest[1])
    if kind == "below":
        limit = size_of(rest[0], read, index)
        return limit is not None and at < limit
    if kind == "every":
        period, shift = evaluate(rest[0], read), rest[1]
        shift = read(shift) if isinstance(shift, str) else shift
        if not period or type(shift) is not int:
            return False
        return bool((at + shift) % period == 0)
    if kind == "after":
        period, start = (evaluate(size, read) for size in rest)
        return bool(period) and start is not None and at >= start and (at - start) % period == 0
    if kind == "phase":
        period, shift = read(rest[0]), read(rest[1])
        return type(period) is int and period > 0 and bool(at % period == shift)
    value = read(rest[0])
    if not isinstance(value, list):
        return False
    if kind == "in":
        return at in value
    if kind == "turn":
        return bool(value) and bool(value[at % len(value)] == rest[1])
    return at < len(value) and (bool(value[at]) if len(rest) == 1 else bool(value[at] == rest[1]))


def leaf_of(tree: Any, read: Read, index: Index) -> Any:
    """What a tree comes to: its nodes are ``{"if": test, "then": tree, "else": tree}``."""
    # Trees come out of JSON: a plain dict is a node, and asked for thousands of times.
    while type(tree) is dict:
        tree = tree["then"] if holds(tree["if"], read, index) else tree["else"]
    if tree == UNPROVED:
        raise UnprovedError("its plan was not proved with such a combination of keys")
    return tree


def reader(
    config: Config,
    *,
    defaults: Mapping[str, Any] | None = None,
    filled: Mapping[str, Mapping[str, Any]] | None = None,
    letters: Sequence[str] = (),
) -> Read:
    """Reads of a config by path, class defaults where a key is absent; ``depths[1]`` is an
    element, None where there is no such.

    Args:
        defaults, filled: what the class fills in beside them, as a plan has it.
        letters: keys whose words are read as lists of letters.
    """
    values: dict[str, Any] = {}
    # What is filled in is made of what the config itself has.
    given = reader(config, defaults=defaults, letters=letters) if filled else None

    def find(path: str) -> Any:
        found = _ELEMENT.fullmatch(path)
        if found:
            value, place = read(found[1]), int(found[2])
            items = value if isinstance(value, list) else []
            return items[place] if -len(items) <= place < len(items) else None
        *outer, key = path.split(".")
        level = config
        for part in outer:
            level = level.nested(part)
        value = level.get(key)
        if value is not None:
            return list(value) if path in letters and isinstance(value, str) else value
        absent = not any(name in level.raw for name in level.names(key))
        if defaults and path in defaults:
            return defaults[path] if absent else None
        if given and filled and path in filled and (absent or "absent" not in filled[path]):
            made = filled[path]
            if "value" in made:
                return leaf_of(made["value"], given, ())
            count = size_of(leaf_of(made["length"], given, ()), given, ())
            if count is not None and count <= MOST_LAYERS:
                return [leaf_of(made["item"], given, (number,)) for number in range(count)]
        return None

    def read(path: str) -> Any:
        if path not in values:
            values[path] = find(path)
        return values[path]

    return read


def planned(plan: ClassPlan, config: Config, *, model_type: str) -> Built:
    """The modules of the class, by its own config.

    Args:
        model_type: of the built model's config.

    Raises:
        UnsupportedError: the config has a value of a sort that the plan was not proved with.
    """
    _check(plan, config)
    read = plan.reader(config)
    for key, divisor in plan.multiples:
        if evaluate(f"{key} % ({divisor})", read):
            raise UnsupportedError(
                f"{plan.architecture} was checked only where {key} is a multiple of {divisor}"
            )
    indices = Indices(plan, read)
    shapes: dict[str, dict[Index, dict[str, Shape]]] = {}
    for module, short, tree in plan.parameters:
        depth = module.count("{}")
        own = shapes.setdefault(module, {})
        # Where no size depends on the place, each leaf of the tree is worked out once.
        worked: dict[tuple[Any, ...], Shape] = {}
        for index in indices.of(f"{module}.{short}" if module else short):
            sizes = leaf_of(tree, read, index)
            if sizes is None:
                continue
            at = index if any(map(is_placed, sizes)) else ()
            leaf = (*sizes, at)
            shape = worked.get(leaf)
            if shape is None:
                found = [size_of(size, read, index) for size in sizes]
                shape = tuple(size for size in found if size is not None)
                if len(shape) < len(found):
                    raise UnsupportedError(f"it does not give the size of {module}.{short}")
                worked[leaf] = shape
            held = own.setdefault(index[:depth], {})
            held[short.format(*index[depth:]) if depth < len(index) else short] = shape
    order = {name: number for number, (name, _) in enumerate(plan.modules)}
    modules: list[tuple[tuple[int, ...], Module]] = []
    for name, tree in plan.modules:
        if not name:
            continue  # the model itself, whose own parameters are loose
        walk = walk_key(name, order)
        for index in indices.of(name):
            kind = leaf_of(tree, read, index)
            if kind is not None:
                made = Module(
                    name=name.format(*index),
                    kind=kind[0],
                    parameters=shapes.get(name, {}).get(index, {}),
                    transposed=bool(kind[1]),
                    groups=1 if kind[2] == 1 else size_of(kind[2], read, index) or 1,
                )
                modules.append((walk(index), made))
    modules.sort(key=lambda item: item[0])
    tied: dict[str, str] = {}
    for name, tree in plan.tied:
        for index in indices.of(name):
            source = leaf_of(tree, read, index)
            if source is not None:
                tied[name.format(*index)] = source.format(*index)
    return Built(
        model_type=model_type,
        modules=tuple(module for _, module in modules),
        output=leaf_of(plan.output, read, ()),
        input=leaf_of(plan.input, read, ()),
        tied=tied,
        loose=shapes.get("", {}).get((), {}),
        reason="no weights were seen: which layers there are, and their sizes, is what config.json "
        f"gives {plan.architecture}",
    )


class Indices:
    """The indices that names of a pattern can have."""

    def __init__(self, plan: ClassPlan, read: Read) -> None:
        self._plan, self._read = plan, read
        self._known: dict[str, list[Index]] = {}

    def of(self, pattern: str) -> list[Index]:
        stem = pattern.rpartition("{}")[0]
        if stem not in self._known:
            self._known[stem] = self._find(stem)
        return self._known[stem]

    def _find(self, stem: str) -> list[Index]:
        if not stem:
            return [()]
        container = stem.removesuffix(".")
        found: list[Index] = []
        tree = self._plan.lengths[container]
        for index in self.of(container):
            length = size_of(leaf_of(tree, self._read, index), self._read, index) or 0
            if length > MOST_LAYERS or len(found) + length > _MOST:
                raise UnsupportedError(f"it gives {container} {length:,} members")
            found += [(*index, number) for number in range(length)]
        return found


def _check(plan: ClassPlan, config: Config) -> None:
    """Refuse what the class could take in another way than it was seen to."""
    for path in ("", *plan.parts):
        part = _level(config, path)
        if part is not None and part.raw.get("per_layer_config") not in (None, {}):
            # Any key can be another one in any layer.
            raise UnsupportedError(f"{plan.architecture} was not checked with per_layer_config")
    for path, types in plan.parts.items():
        part = _level(config, path)
        named = None if part is None else part.raw.get("model_type")
        taken = (types,) if isinstance(types, str) else types
        # It must be read with the defaults of that type, too.
        known = {"*", named} & set(taken) and part is not None and part.model_type == taken[0]
        if part is not None and named is not None and not known:
            raise _unproved(plan, config, f"{path}.model_type", named)
    for path, proved in plan.keys.items():
        outer, _, key = path.rpartition(".")
        level = _level(config, outer)
        if level is None:
            continue
        absent = not any(name in level.raw for name in level.names(key))
        if absent and "absent" not in proved["kinds"] and not _is_flat(level, key):
            raise _unproved(plan, config, path, None)
        for name in level.names(key):
            if name not in level.raw:
                continue
            value = level.raw[name]
            if path in plan.letters and isinstance(value, str):
                value = list(value)
            kind = seen_as(value)
            known = kind in proved["kinds"] or _is_any_number(plan, path, kind)
            spoken = ANY_WORD in proved["kinds"] or set(words_of(value)) <= set(
                proved.get("strings", ())
            )
            if not known or not spoken:
                raise _unproved(plan, config, path, value)
            if "only" in proved and value != proved["only"]:
                raise UnsupportedError(
                    f"{plan.architecture} was checked only with {json.dumps(proved['only'])} for "
                    f"{config.path}{path}"
                )


def _is_any_number(plan: ClassPlan, path: str, kind: str) -> bool:
    """Whether a key may be any number: nothing in the plan depends on it, and it was several sorts
    of number in the proof, or is by its name none that counts or measures anything."""
    if kind not in _NUMBERS:
        return False
    if len(_NUMBERS & set(plan.keys[path]["kinds"])) < 2 and not _NO_SIZE.search(path):
        return False
    parts = (plan.modules, plan.parameters, plan.lengths, plan.filled, plan.tied)
    text = str((*parts, plan.input, plan.output, plan.multiples))
    return re.search(rf"(?<![\w.]){re.escape(path)}(?!\w)", text) is None


def _level(config: Config, path: str) -> Config | None:
    for key in filter(None, path.split(".")):
        if not isinstance(config.raw.get(key), Mapping) and not _is_flat(config, key):
            return None
        config = config.nested(key)
    return config


def _is_flat(config: Config, key: str) -> bool:
    """Whether the class takes a nested config's keys from the top, as older files have them."""
    flat = () if config.cls is None else config.cls.flat.get(key, ())
    return config.raw.get(key) is None and any(name in config.raw for name in flat)


def _unproved(plan: ClassPlan, config: Config, path: str, value: Any) -> UnsupportedError:
    return UnsupportedError(
        f"{plan.architecture} was not checked with {describe(value)} for {config.path}{path}"
    )
