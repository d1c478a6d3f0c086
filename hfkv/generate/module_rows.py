"""What a built model says of its modules and parameters, by patterns of their names."""

from __future__ import annotations

import re
from typing import Any

from hfkv.generate.symbols import expression
from hfkv.live.embeddings import tied_names
from hfkv.live.module_kind import kind_of

__all__ = [
    "NUMBER",
    "Rows",
    "Ties",
    "buffers_of",
    "counts_of",
    "index_of",
    "kind_and_marks",
    "pattern_of",
    "tied_of",
    "unsaved_of",
]

Index = tuple[int, ...]

#: A number in a module's name.
NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")


def pattern_of(name: str, number: re.Pattern[str] = NUMBER) -> str:
    """A name with ``{}`` for each number in it."""
    return number.sub("{}", name)


def index_of(name: str, number: re.Pattern[str] = NUMBER) -> Index:
    """The numbers in a name."""
    return tuple(int(found) for found in number.findall(name))


class Rows:
    """The union of module rows over several builds, in module order."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.kinds: dict[str, list[str]] = {}
        self.shapes: dict[str, dict[str, list[Any]]] = {}
        self.marks: dict[str, dict[str, Any]] = {}
        self.stated: dict[str, list[list[Any]]] = {}
        self.differing: set[str] = set()
        #: Of each build: pattern to the numbers under which it is there, and those of them under
        #: which it holds no parameters.
        self.places: list[dict[str, tuple[set[Index], set[Index]]]] = []

    def add(self, model: Any) -> None:
        last = -1
        shared = {pattern_of(name) for pair in tied_of(model).items() for name in pair}
        places: dict[str, tuple[set[Index], set[Index]]] = {}
        self.places.append(places)
        for name, module in model.named_modules():
            if not name:
                name = ""
            pattern = pattern_of(name)
            if pattern not in self.kinds:
                last += 1
                self.order.insert(last, pattern)
                self.kinds[pattern] = []
                self.shapes[pattern] = {}
                self.marks[pattern] = {}
            else:
                last = max(last, self.order.index(pattern))
            index = index_of(name)
            present, bare = places.setdefault(pattern, (set(), set()))
            present.add(index)
            if next(module.parameters(), None) is None:
                bare.add(index)
            kind, marks = kind_and_marks(module)
            if kind not in self.kinds[pattern]:
                self.kinds[pattern].append(kind)
            self.marks[pattern].update(marks)
            stated = _stated(module) if f"{pattern}.weight" in shared else None
            if stated is not None:
                known_here = self.stated.setdefault(pattern, [])
                if stated not in known_here:
                    known_here.append(stated)
                if stated != _shape(module.weight):
                    self.differing.add(pattern)
            for key, parameter in module.named_parameters(recurse=False):
                shape = _shape(parameter)
                known = self.shapes[pattern].setdefault(pattern_of(key), [])
                if shape not in known:
                    known.append(shape)

    def rows(self) -> list[list[Any]]:
        found = []
        for pattern in self.order:
            if not pattern and not self.shapes[pattern]:
                continue
            kinds = self.kinds[pattern]
            marks = dict(self.marks[pattern])
            if len(kinds) > 1:
                marks["kinds"] = kinds[1:]
                witness = self._witness(pattern)
                if witness is not None:
                    marks["beside"] = witness
            shapes = {
                key: [shape for shape in known if shape is not None] or None
                for key, known in self.shapes[pattern].items()
            }
            if pattern in self.differing:
                marks["stated"] = self.stated[pattern]
            found.append([pattern, kinds[0], shapes, *([marks] if marks else [])])
        return found

    def _witness(self, pattern: str) -> str | None:
        """For a module that is at times an empty stand-in (``Identity``), of which no checkpoint
        has a trace: one with parameters that is there whenever it is."""
        builds = [places for places in self.places if pattern in places]
        emptied = [places for places in builds if places[pattern][1]]
        if not emptied or all(places[pattern][1] == places[pattern][0] for places in builds):
            return None
        parent = pattern.rpartition(".")[0]
        none: tuple[set[Index], set[Index]] = (set(), set())
        for other in self.order:
            if (
                other != pattern
                and other.rpartition(".")[0] == parent
                and all(
                    places.get(other, none)[0] == places.get(pattern, none)[0]
                    and not places.get(other, none)[1]
                    for places in self.places
                )
            ):
                return other
        return None


def _shape(parameter: Any) -> list[Any] | None:
    sizes = getattr(parameter, "_sizes", None)
    if sizes is None or tuple(int(size) for size in sizes) != tuple(parameter.shape):
        return None
    return [expression(size) for size in sizes]


def kind_and_marks(module: Any) -> tuple[str, dict[str, Any]]:
    kind = kind_of(module)
    marks: dict[str, Any] = {}
    if getattr(module, "is_transposed", False):
        marks["transposed"] = True
    if kind.startswith("conv") and getattr(module, "groups", 1) not in (1, None):
        marks["groups"] = expression(module.groups)
    return kind, marks


def _stated(module: Any) -> list[Any] | None:
    """What a layer says its weight's sizes are: where the weight is another layer's, not always
    those that it has."""
    from torch import nn

    weight = getattr(module, "weight", None)
    if isinstance(module, nn.Linear):
        sizes = [module.out_features, module.in_features]
    elif isinstance(module, nn.Embedding):
        sizes = [module.num_embeddings, module.embedding_dim]
    else:
        return None
    if weight is None:
        return None
    held = _shape(weight)
    if held is None or len(held) != 2 or not all(isinstance(size, int) for size in sizes):
        return None
    return [
        # A plain number that agrees is the same size with its keys lost.
        kept if type(size) is int and size == real else expression(size)
        for size, kept, real in zip(sizes, held, weight.shape, strict=True)
    ]


def tied_of(model: Any) -> dict[str, str]:
    """Parameter to the one that it is the same as, which comes first in module order.

    By their patterns, or by their own names where others of the pattern stand alone.
    """
    tied = tied_names(model)
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    alone = {pattern_of(name) for name in names if name not in tied}
    found: dict[str, str] = {}
    for name, kept in tied.items():
        pattern, source = pattern_of(name), pattern_of(kept)
        if pattern in alone and pattern != source:
            found[name] = kept
        else:
            found[pattern] = source
    return found


class Ties:
    """What is tied under a class's defaults, and what is tied otherwise by one of its keys."""

    def __init__(self, model: Any) -> None:
        self.tied = tied_of(model)
        self.rules: list[list[Any]] = []

    def add(self, where: str, value: Any, variant: Any) -> None:
        """Compare with the model that differs by one key."""
        now = tied_of(variant)
        there = {pattern_of(name) for name, _ in variant.named_parameters(remove_duplicate=False)}
        other: dict[str, str | None] = {}
        for name, source in {**self.tied, **now}.items():
            if name not in now and pattern_of(name) in there:
                other[name] = None
            elif self.tied.get(name) != now.get(name, source):
                other[name] = now[name]
        if other and isinstance(value, bool):
            self.rules.append([where, value, other])


def buffers_of(model: Any) -> list[str]:
    """What a checkpoint holds beside parameters."""
    names = dict(model.named_parameters(remove_duplicate=False))
    return list(dict.fromkeys(pattern_of(n) for n in model.state_dict() if n not in names))


def unsaved_of(model: Any) -> list[str]:
    """Parameters that saving leaves out, because the class computes them."""
    rules = list(getattr(model, "_keys_to_ignore_on_save", None) or ())
    names = [name for name, _ in model.named_parameters() if name in rules]
    return list(dict.fromkeys(pattern_of(name) for name in names))


def counts_of(model: Any) -> dict[str, int]:
    """Repeated containers to their lengths, where all of a name are equally long."""
    from torch import nn

    found: dict[str, set[int]] = {}
    for name, module in model.named_modules():
        if isinstance(module, (nn.ModuleList, nn.Sequential)) and len(module):
            found.setdefault(pattern_of(name), set()).add(len(module))
    return {name: sizes.pop() for name, sizes in found.items() if len(sizes) == 1}
