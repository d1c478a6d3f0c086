"""An adapter's config against its base model: every name, number and pattern in it.

PEFT refuses a config only where nothing matches at all. A name among several that matches nothing,
a pattern that picks no layer, a module to save that is not there: it trains without them, and says
nothing. Those are what this finds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hfkv.errors import HfkvError, TargetError
from hfkv.modules.built import Built, leaf, target_name
from hfkv.modules.table import peft_facts
from hfkv.peft.lora import LoraOptions
from hfkv.peft.lora.draft import Adapted
from hfkv.peft.lora.inject import Injection, inject
from hfkv.peft.matching import compiled, layer_chosen, matches_list, rank_of
from hfkv.reading import printable

__all__ = ["Base", "Flaw", "flaws"]

_ADAPTABLE = ("linear", "Conv1D", "embedding", "conv1d", "conv2d", "conv3d")
#: Index numbers are left out of what is compared: a name that fits one layer fits them all.
_NUMBER = re.compile(r"(?<![^.])[0-9]+(?![^.])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """Something wrong with one field.

    Attributes:
        code: the finding's code.
        field: the field of ``LoraConfig``.
        item: the item of it, where one of several is wrong.
        message: what is wrong, after the field's name.
        hint: what may have been meant, or "".
    """

    code: str
    field: str
    item: object = None
    message: str
    hint: str = ""


class Base:
    """A base model as the checks ask it; what was computed once is kept.

    Args:
        built: the modules that transformers would build.
        where: the model's name.
    """

    def __init__(self, built: Built, where: str) -> None:
        self.built = built
        self.where = where
        self._made: dict[LoraOptions, Injection | HfkvError] = {}

    def make(self, options: LoraOptions) -> Injection:
        """The adapter that PEFT would make.

        Raises:
            HfkvError: as :func:`hfkv.peft.lora.inject.inject`.
        """
        if options not in self._made:
            try:
                self._made[options] = inject(self.built, options, where=self.where)
            except HfkvError as error:
                self._made[options] = error
        made = self._made[options]
        if isinstance(made, HfkvError):
            raise made
        return made

    @cached_property
    def leaves(self) -> frozenset[str]:
        """Last parts of all modules' names."""
        return frozenset(leaf(module.name) for module in self.built.modules)

    @cached_property
    def adaptable(self) -> list[str]:
        """Last parts of the names of what may be adapted, sorted."""
        return sorted(
            {target_name(item.name) for item in self.built.modules if item.kind in _ADAPTABLE}
        )

    @cached_property
    def parameters(self) -> list[str]:
        """Full names of all parameters."""
        found = list(self.built.loose)
        for module in self.built.modules:
            found += [f"{module.name}.{name}" for name in module.parameters]
        return found

    @cached_property
    def moved(self) -> frozenset[str]:
        """Names of expert projections that PEFT looks for in the fused parameter instead."""
        facts = peft_facts()
        base = facts["expert_conversions"].get(self.built.model_type)
        return frozenset(() if base is None else facts["expert_targets"][base])

    def has(self, name: str) -> bool:
        """Whether a name in a list of targets matches any module."""
        if name in self.leaves:
            return True
        if any(name == key or name.endswith(f".{key}") for key in self.moved):
            return True
        return any(matches_list((name,), module.name) for module in self.built.modules)

    def like(self, name: str, among: Iterable[str]) -> str:
        """``; did you mean ...?`` with near names, or nothing."""
        import difflib

        wanted, known = leaf(name), sorted(set(among))
        near = [item for item in known if wanted in item.split("_")][:3]
        near = near or difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
        return f"; did you mean {printable(' or '.join(near), 120)}?" if near else ""


def flaws(base: Base, options: LoraOptions, alpha_pattern: object = None) -> Iterator[Flaw]:
    """Everything that is wrong with an adapter's config on this base.

    Raises:
        UnsupportedError: the combination is not counted.
    """
    names = _target_names(options)
    missing = [name for name in names if not base.has(name)]
    parameters = options.target_parameters or ()
    absent = [
        name
        for name in parameters
        if not any(matches_list((name,), full) for full in base.parameters)
    ]
    nothing = bool(names or parameters) and len(missing) + len(absent) == len(names) + len(
        parameters
    )
    code = "HFKV101" if nothing else "HFKV102"
    for name in missing:
        hint = base.like(name, base.adaptable)
        have = f"; it has {printable(', '.join(base.adaptable), 400)}" if nothing else ""
        yield Flaw(
            code=code,
            field="target_modules",
            item=name,
            message=f"'{printable(name, 80)}' matches nothing in {base.where}{have}{hint}",
        )
    for name in absent:
        among = {_NUMBER.sub("", full).replace("..", ".") for full in base.parameters}
        yield Flaw(
            code=code,
            field="target_parameters",
            item=name,
            message=f"'{printable(name, 80)}' matches no parameter of {base.where}"
            + base.like(name, {leaf(full) for full in among}),
        )
    yield from _places(base, options)
    if nothing:
        return
    try:
        made = base.make(options)
    except TargetError as error:
        expression = isinstance(options.target_modules, str)
        empty = expression and not any(
            compiled(str(options.target_modules)).fullmatch(module.name)
            for module in base.built.modules
        )
        text, hint = error.what, error.hint
        if empty and options.target_modules != "all-linear":
            pattern = str(options.target_modules)
            text = (
                f"the expression '{printable(pattern, 200)}' matches no whole name of a module in "
                f"{base.where}"
            )
            hint = _whole_name(base, pattern)
        yield Flaw(
            code="HFKV101" if empty else "HFKV108",
            field="target_modules",
            message=printable(text, 900),
            hint=hint,
        )
        return
    adapted = [item.name for item in made.adapted]
    for name in names:
        if name in missing or any(name == key or name.endswith(f".{key}") for key in base.moved):
            continue
        if not any(matches_list((name,), full) for full in adapted):
            yield Flaw(
                code="HFKV102",
                field="target_modules",
                item=name,
                message=f"'{printable(name, 80)}' adapts nothing in {base.where}: each of its "
                "modules is excluded, in no layer that is chosen, or trained whole",
            )
    yield from _ranks(base, options, made.adapted)
    yield from _patterns(options, made.adapted, alpha_pattern)


def _target_names(options: LoraOptions) -> tuple[str, ...]:
    return () if isinstance(options.target_modules, (str, type(None))) else options.target_modules


def _whole_name(base: Base, pattern: str) -> str:
    """A name alone is a common slip: PEFT takes a text as an expression for the whole name."""
    if base.has(pattern):
        return f"a text is an expression for the whole name: write ['{printable(pattern, 60)}']"
    return base.like(pattern, base.adaptable).removeprefix("; ")


def _places(base: Base, options: LoraOptions) -> Iterator[Flaw]:
    """Fields that name modules or numbers beside the targets."""
    modules = base.built.modules
    for name in options.modules_to_save or ():
        if name not in base.leaves and not any(item.name.endswith(name) for item in modules):
            yield Flaw(
                code="HFKV105",
                field="modules_to_save",
                item=name,
                message=f"'{printable(name, 80)}' is no module of {base.where}"
                + base.like(name, base.leaves),
            )
    exclude = options.exclude_modules
    if isinstance(exclude, str):
        if not any(compiled(exclude, "exclude_modules").fullmatch(item.name) for item in modules):
            yield Flaw(
                code="HFKV104",
                field="exclude_modules",
                message=f"'{printable(exclude, 80)}' excludes nothing of {base.where}",
            )
    else:
        for name in exclude or ():
            if not base.has(name):
                yield Flaw(
                    code="HFKV104",
                    field="exclude_modules",
                    item=name,
                    message=f"'{printable(name, 80)}' excludes nothing of {base.where}"
                    + base.like(name, base.leaves),
                )
    yield from _layers(base, options)
    yield from _tokens(base, options)


def _layers(base: Base, options: LoraOptions) -> Iterator[Flaw]:
    layers = options.layers_to_transform
    if layers is None:
        return
    patterns: Any = options.layers_pattern
    names = [module.name for module in base.built.modules]
    for pattern in [patterns] if isinstance(patterns, str) else patterns or ():
        expression = compiled(rf"(?:^|.*?\.){pattern}\.(?P<idx>\d+)\.", "layers_pattern")
        if not any(expression.match(name) for name in names):
            yield Flaw(
                code="HFKV104",
                field="layers_pattern",
                item=pattern,
                message=f"'{printable(pattern, 80)}' is no list of layers of {base.where}",
            )
            return
    for layer in [layers] if isinstance(layers, int) else layers:
        if not any(layer_chosen(layer, patterns, name) for name in names):
            yield Flaw(
                code="HFKV109",
                field="layers_to_transform",
                item=layer,
                message=f"there is no layer {layer} in {base.where}",
            )


def _tokens(base: Base, options: LoraOptions) -> Iterator[Flaw]:
    for asked, indices in options.trainable_token_indices or ():
        name = asked or base.built.input
        module = next(
            (item for item in base.built.modules if name and item.name.endswith(name)), None
        )
        if module is None or "weight" not in module.parameters:
            continue
        rows = module.parameters["weight"][0]
        for index in indices:
            if not 0 <= index < rows:
                yield Flaw(
                    code="HFKV109",
                    field="trainable_token_indices",
                    item=index,
                    message=f"token {index} is outside the {rows:,} rows of "
                    f"{printable(module.name)} in {base.where}",
                )


def _ranks(base: Base, options: LoraOptions, adapted: tuple[Adapted, ...]) -> Iterator[Flaw]:
    """A rank above a layer's smaller side adds parameters and nothing that they could express."""
    sides: dict[int, dict[str, int]] = {}
    for item in adapted:
        side = min(item.inputs, item.outputs)
        if item.rank > side:
            known = sides.setdefault(item.rank, {})
            name = target_name(item.name)
            known[name] = min(side, known.get(name, side))
    for rank, known in sides.items():
        smallest = sorted(known.items(), key=lambda item: item[1])
        named = ", ".join(f"{side:,} of {printable(name)}" for name, side in smallest[:3])
        more = f" and {len(known) - 3} more" if len(known) > 3 else ""
        own = next((pattern for pattern, own in options.rank_pattern if own == rank), None)
        yield Flaw(
            code="HFKV103",
            field="r" if own is None or rank == options.r else "rank_pattern",
            item=None if rank == options.r else own,
            message=f"{rank} exceeds the {named}{more} in {base.where}, beyond which more rank "
            "adds nothing",
        )


def _patterns(
    options: LoraOptions, adapted: tuple[Adapted, ...], alpha_pattern: object
) -> Iterator[Flaw]:
    names = {_NUMBER.sub("0", item.name): item.name for item in adapted}
    everything = [item.name for item in adapted]

    def fits(pattern: str) -> bool:
        # One module of each kind decides nearly always; a pattern may name one layer alone.
        if any(rank_of({pattern: 0}, name, 1) == 0 for name in names.values()):
            return True
        return any(rank_of({pattern: 0}, name, 1) == 0 for name in everything)

    fields: list[tuple[str, list[str]]] = [
        ("rank_pattern", [pattern for pattern, _ in options.rank_pattern])
    ]
    if isinstance(alpha_pattern, dict):
        fields.append(("alpha_pattern", [key for key in alpha_pattern if isinstance(key, str)]))
    for field, patterns in fields:
        for pattern in patterns:
            if not fits(pattern):
                yield Flaw(
                    code="HFKV104",
                    field=field,
                    item=pattern,
                    message=f"'{printable(pattern, 80)}' fits no module that is adapted",
                )
