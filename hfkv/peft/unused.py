"""What a config names and PEFT does nothing with: it trains without it, and says nothing.

PEFT refuses a config only where no target at all is left. A name among several that matches
nothing, a pattern that fits no adapted module, a module to save or a layer that is not there: each
of them is found here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hfkv.modules.built import leaf
from hfkv.peft.matching import compiled, layer_chosen, matches_list, rank_of
from hfkv.peft.names import Names, newer_name
from hfkv.peft.targets import TASK_HEADS
from hfkv.reading import printable

__all__ = [
    "LAYERS",
    "Unused",
    "adapts_nothing",
    "looks_like_expression",
    "missing",
    "patterns",
    "places",
    "unused",
]

#: Fields that choose layers.
LAYERS = ("layers_to_transform", "layers_pattern")
#: Index numbers are left out of what is compared: a name that fits one layer fits them all.
_NUMBER = re.compile(r"(?<![^.])[0-9]+(?![^.])")
_SIGNS = frozenset("*+?()[]{}|^$\\")


class Asked(Protocol):
    """The fields of a config that name something of the base model."""

    @property
    def target_modules(self) -> str | tuple[str, ...] | None: ...
    @property
    def target_parameters(self) -> tuple[str, ...] | None: ...
    @property
    def exclude_modules(self) -> str | tuple[str, ...] | None: ...
    @property
    def modules_to_save(self) -> tuple[str, ...] | None: ...
    @property
    def layers_to_transform(self) -> int | tuple[int, ...] | None: ...
    @property
    def layers_pattern(self) -> str | tuple[str, ...] | None: ...
    @property
    def task_type(self) -> str | None: ...
    @property
    def patterns(self) -> Mapping[str, tuple[str, ...]]:
        """Patterns for adapted modules, by field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unused:
    """Something in one field that PEFT does nothing with.

    Attributes:
        field: the field of ``LoraConfig``.
        message: what is wrong, after the field's name.
        item: the item of it, where one of several is wrong.
        old_names: modules are named as an older transformers had them.
        fused: it names a projection that the model's experts have fused in one parameter.
        like: a name that was probably meant is said.
    """

    field: str
    message: str
    item: object = None
    old_names: bool = False
    fused: bool = False
    like: bool = False

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def looks_like_expression(name: str) -> bool:
    """Whether a name has signs that only a regular expression has.

    >>> looks_like_expression(".*vision.*"), looks_like_expression("layers.0.mlp")
    (True, False)
    """
    return not _SIGNS.isdisjoint(name)


def unused(names: Names, options: Asked, adapted: Collection[str]) -> Iterator[Unused]:
    """All of it, on a base model where the modules ``adapted`` are adapted."""
    found = list(missing(names, options))
    yield from found
    beside = list(places(names, options))
    yield from beside
    if not any(item.field in LAYERS for item in beside):
        yield from adapts_nothing(names, options, adapted)
    yield from patterns(options, adapted)


def missing(names: Names, options: Asked) -> Iterator[Unused]:
    """Targets that match nothing: names that an older transformers had as one, others each."""
    asked = options.target_modules
    listed = () if isinstance(asked, (str, type(None))) else asked
    absent = [name for name in listed if not names.has(name)]
    newer = {name: newer_name(name, names.full) for name in absent}
    old = [name for name in absent if newer[name]]
    if old:
        yield Unused(
            field="target_modules", item=old[0], message=names.older(old, newer), old_names=True
        )
    for name in absent:
        if newer[name]:
            continue
        fused = names.experts(name)
        hint = fused or names.like(name, names.adaptable)
        yield Unused(
            field="target_modules",
            item=name,
            message=f"'{printable(name, 80)}' matches nothing in {names.where}{hint}",
            fused=bool(fused),
            like=bool(hint),
        )
    for name in options.target_parameters or ():
        if any(matches_list((name,), full) for full in names.parameters):
            continue
        among = {leaf(_NUMBER.sub("", full).replace("..", ".")) for full in names.parameters}
        yield Unused(
            field="target_parameters",
            item=name,
            message=f"'{printable(name, 80)}' matches no parameter of {names.where}"
            + names.like(name, among),
        )


def adapts_nothing(names: Names, options: Asked, adapted: Collection[str]) -> Iterator[Unused]:
    """Targets whose modules are there, and none of which gets an adapter."""
    asked = options.target_modules
    for name in () if isinstance(asked, (str, type(None))) else asked:
        if names.is_converted(name) or not names.has(name):
            continue
        if not any(matches_list((name,), item) for item in adapted):
            yield Unused(
                field="target_modules",
                item=name,
                message=f"'{printable(name, 80)}' adapts nothing in {names.where}: each of its "
                "modules is excluded, in no layer that is chosen, or trained whole",
            )


def places(names: Names, options: Asked) -> Iterator[Unused]:
    """Fields that name modules or layers beside the targets."""
    modules = names.built.modules
    own = TASK_HEADS.get(options.task_type or "", ())
    for name in options.modules_to_save or ():
        if name in own:
            continue  # PEFT writes these itself, whichever of them the class has
        if name not in names.leaves and not any(item.name.endswith(name) for item in modules):
            yield Unused(
                field="modules_to_save",
                item=name,
                message=f"'{printable(name, 80)}' is no module of {names.where}"
                + names.like(name, names.leaves),
            )
    exclude = options.exclude_modules
    if isinstance(exclude, str):
        if not any(compiled(exclude, "exclude_modules").fullmatch(item.name) for item in modules):
            yield Unused(
                field="exclude_modules",
                message=f"'{printable(exclude, 80)}' excludes nothing of {names.where}",
            )
    else:
        for name in exclude or ():
            if names.has(name):
                continue
            hint = names.like(name, names.leaves)
            if looks_like_expression(name):
                hint = ": in a list it is a name, and only a text is a regular expression"
            yield Unused(
                field="exclude_modules",
                item=name,
                message=f"'{printable(name, 80)}' excludes nothing of {names.where}{hint}",
            )
    yield from layers(names, options)


def layers(names: Names, options: Asked) -> Iterator[Unused]:
    """Layers, and lists of layers, that are not there."""
    chosen = options.layers_to_transform
    if chosen is None:
        return
    wanted: Any = options.layers_pattern
    full = [module.name for module in names.built.modules]
    numbers = [chosen] if isinstance(chosen, int) else chosen
    reached = any(layer_chosen(layer, wanted, name) for layer in numbers for name in full)
    # PEFT goes on where some layer is left, and fails where none is.
    end = "" if reached else ", and PEFT refuses to adapt nothing"
    for pattern in [wanted] if isinstance(wanted, str) else wanted or ():
        expression = compiled(rf"(?:^|.*?\.){pattern}\.(?P<idx>\d+)\.", "layers_pattern")
        if not any(expression.match(name) for name in full):
            yield Unused(
                field="layers_pattern",
                item=pattern,
                message=f"'{printable(pattern, 80)}' is no list of layers of {names.where}{end}",
            )
            return
    for layer in numbers:
        if not any(layer_chosen(layer, wanted, name) for name in full):
            yield Unused(
                field="layers_to_transform",
                item=layer,
                message=f"there is no layer {layer} in {names.where}{end}",
            )


def patterns(options: Asked, adapted: Collection[str]) -> Iterator[Unused]:
    """Patterns of ranks and alphas that fit no module that is adapted."""
    names = {_NUMBER.sub("0", name): name for name in adapted}

    def fits(pattern: str) -> bool:
        # One module of each kind decides nearly always; a pattern may name one layer alone.
        if any(rank_of({pattern: 0}, name, 1) == 0 for name in names.values()):
            return True
        return any(rank_of({pattern: 0}, name, 1) == 0 for name in adapted)

    for field, wanted in options.patterns.items():
        for pattern in wanted:
            if not fits(pattern):
                yield Unused(
                    field=field,
                    item=pattern,
                    message=f"'{printable(pattern, 80)}' fits no module that is adapted",
                )
