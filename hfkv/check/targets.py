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
from hfkv.peft.lora.witness import MOVED, newer_name
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
        note: it is worth knowing, and no mistake.
        old_names: modules are named as an older transformers had them.
        fused: the name is of a projection that the model's experts have fused in one parameter.
        like: a name that was probably meant is said.
    """

    code: str
    field: str
    item: object = None
    message: str
    hint: str = ""
    note: bool = False
    old_names: bool = False
    fused: bool = False
    like: bool = False


#: Parts of names of modules that look at pictures or listen, and are no language model.
_TOWERS = re.compile(
    r"(?:^|\.)(vision\w*|visual\w*|image\w*|audio\w*|speech\w*|video\w*|multi_modal\w*|mm_\w*"
    r"|qformer|aligner|resampler)(?=\.|$)"
)
#: Last parts of the names of experts' projections, as lists of targets have them.
_EXPERTS = frozenset("gate_up_proj down_proj gate_proj up_proj w1 w2 w3 experts".split())


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
    def names(self) -> frozenset[str]:
        """Full names of all modules."""
        return frozenset(module.name for module in self.built.modules)

    @cached_property
    def fused(self) -> list[str]:
        """Parameters that hold a projection of all experts, by the ends of their names."""
        found = {
            f"{target_name(module.name)}.{name}": None
            for module in self.built.modules
            for name, shape in module.parameters.items()
            if len(shape) == 3 and "bias" not in name
        }
        return list(found)

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

        wanted = leaf(name)
        known = sorted(set(among) - {wanted, name})
        near = [item for item in known if wanted in item.split("_")][:3]
        near = near or difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
        return f"; did you mean {printable(' or '.join(near), 120)}?" if near else ""


def flaws(
    base: Base, options: LoraOptions, alpha_pattern: object = None, *, named: bool = True
) -> Iterator[Flaw]:
    """Everything that is wrong with an adapter's config on this base.

    Args:
        base: the base model.
        options: what is asked.
        alpha_pattern: PEFT's field of that name, which no count needs.
        named: somebody wrote the targets down, and the trainer did not choose them by itself.

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
    newer = {name: newer_name(name, base.names) for name in missing}
    yield from _older(base, [name for name in missing if newer[name]], newer, code)
    for name in missing:
        if newer[name]:
            continue
        fused = _experts(base, name)
        hint = fused or base.like(name, base.adaptable)
        have = ""
        if nothing and name == missing[0] and base.adaptable:
            have = f"; it has {printable(', '.join(base.adaptable), 400)}"
        yield Flaw(
            code=code,
            field="target_modules",
            item=name,
            message=f"'{printable(name, 80)}' matches nothing in {base.where}{have}{hint}",
            fused=bool(fused),
            like=bool(hint),
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
    beside = list(_places(base, options))
    yield from beside
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
        if not empty and any(flaw.field in _LAYERS for flaw in beside):
            return  # no layer is chosen, which was said
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
        if any(flaw.field in _LAYERS for flaw in beside):
            continue
        if not any(matches_list((name,), full) for full in adapted):
            yield Flaw(
                code="HFKV102",
                field="target_modules",
                item=name,
                message=f"'{printable(name, 80)}' adapts nothing in {base.where}: each of its "
                "modules is excluded, in no layer that is chosen, or trained whole",
            )
    yield from _ranks(base, options, made.adapted, named and options.target_modules != "all-linear")
    yield from _patterns(options, made.adapted, alpha_pattern)
    if named and names and not any("." in name for name in names):
        yield from _towers(base, adapted)


_LAYERS = ("layers_to_transform", "layers_pattern")


def _older(base: Base, names: list[str], newer: dict[str, str], code: str) -> Iterator[Flaw]:
    """Names that another version of transformers gave the modules: one flaw for all of them."""
    if not names:
        return
    first, now = names[0], newer[names[0]]
    old, new = next((pair for pair in MOVED if pair[0] and first.startswith(pair[0])), (first, now))
    many = f"{len(names):,} names begin" if len(names) > 1 else f"'{printable(first, 80)}' begins"
    yield Flaw(
        code=code,
        field="target_modules",
        item=first,
        message=f"{many} as transformers 4 had it and match nothing in {base.where}: "
        f"'{printable(old, 80)}' is '{printable(new, 80)}' in transformers 5",
        old_names=True,
    )


def _experts(base: Base, name: str) -> str:
    """What to write where fused experts were meant."""
    if leaf(name) not in _EXPERTS:
        return ""
    like = [item for item in base.fused if leaf(name) in item or leaf(name)[0] in ("w", "e")]
    like = like or [item for item in base.fused if leaf(name) in ("gate_proj", "up_proj")]
    if not like:
        return ""
    return (
        "; its experts are fused: name their parameters, "
        f"target_parameters: [{printable(', '.join(like[:3]), 160)}]"
    )


def _towers(base: Base, adapted: list[str]) -> Iterator[Flaw]:
    """A list of plain names reaches a vision tower as well, which few mean."""
    inside: dict[str, int] = {}
    for name in adapted:
        found = _TOWERS.search(name)
        if found:
            inside[name[: found.end()]] = inside.get(name[: found.end()], 0) + 1
    if inside and sum(inside.values()) < len(adapted):
        names = ", ".join(printable(name, 60) for name in list(inside)[:3])
        yield Flaw(
            code="HFKV113",
            field="target_modules",
            message=f"{sum(inside.values()):,} of the {len(adapted):,} modules that are adapted "
            f"are in {names} of {base.where}: exclude_modules leaves them out, if that is not "
            "meant",
            note=True,
        )


def _target_names(options: LoraOptions) -> tuple[str, ...]:
    return () if isinstance(options.target_modules, (str, type(None))) else options.target_modules


def _whole_name(base: Base, pattern: str) -> str:
    """A name alone is a common slip: PEFT takes a text as an expression for the whole name."""
    if base.has(pattern):
        return f"a text is an expression for the whole name: write ['{printable(pattern, 60)}']"
    for old, new in MOVED:
        for before, after in ((old, new), (old.replace(".", "\\."), new.replace(".", "\\."))):
            if not old or not pattern.removeprefix("^").startswith(before):
                continue
            other = pattern.removeprefix("^").replace(before, after, 1)
            try:
                expression = compiled(other)
            except HfkvError:
                continue
            if any(expression.fullmatch(name) for name in base.names):
                moved = _layers_of(base, new)
                return f"'{old}' is '{moved}' in transformers 5: write '{printable(other, 200)}'"
    names = re.findall(r"[A-Za-z_]+", pattern)
    if len(names) > 3:
        return ""
    return base.like(pattern, base.adaptable).removeprefix("; ")


#: The heads that PEFT's classes for a task add to ``modules_to_save`` by themselves.
_HEADS = {
    "SEQ_CLS": ("classifier", "score"),
    "TOKEN_CLS": ("classifier", "score"),
    "QUESTION_ANS": ("qa_outputs",),
}


def _layers_of(base: Base, start: str) -> str:
    """A beginning of names, up to the list of layers where it leads to one."""
    full = f"{start.rstrip('.')}.layers"
    return full if any(name.startswith(f"{full}.") for name in base.names) else start


def _places(base: Base, options: LoraOptions) -> Iterator[Flaw]:
    """Fields that name modules or numbers beside the targets."""
    modules = base.built.modules
    own = _HEADS.get(options.task_type or "", ())
    for name in options.modules_to_save or ():
        if name in own:
            continue  # PEFT writes these itself, whichever of them the class has
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
    numbers = [layers] if isinstance(layers, int) else layers
    reached = any(layer_chosen(layer, patterns, name) for layer in numbers for name in names)
    # PEFT goes on where some layer is left, and fails where none is.
    end = "" if reached else ", and PEFT refuses to adapt nothing"
    for pattern in [patterns] if isinstance(patterns, str) else patterns or ():
        expression = compiled(rf"(?:^|.*?\.){pattern}\.(?P<idx>\d+)\.", "layers_pattern")
        if not any(expression.match(name) for name in names):
            yield Flaw(
                code="HFKV104",
                field="layers_pattern",
                item=pattern,
                message=f"'{printable(pattern, 80)}' is no list of layers of {base.where}{end}",
            )
            return
    for layer in numbers:
        if not any(layer_chosen(layer, patterns, name) for name in names):
            yield Flaw(
                code="HFKV109",
                field="layers_to_transform",
                item=layer,
                message=f"there is no layer {layer} in {base.where}{end}",
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


def _ranks(
    base: Base, options: LoraOptions, adapted: tuple[Adapted, ...], named: bool
) -> Iterator[Flaw]:
    """A rank above a layer's smaller side adds parameters and nothing that they could express. Of
    modules that nobody named, only where it is so of most: a gate with one output is no mistake."""
    sides: dict[int, dict[str, int]] = {}
    above = sum(item.rank > min(item.inputs, item.outputs) for item in adapted)
    if not named and 2 * above <= len(adapted):
        return
    for item in adapted:
        side = min(item.inputs, item.outputs)
        if item.rank > side:
            known = sides.setdefault(item.rank, {})
            name = target_name(item.name)
            known[name] = min(side, known.get(name, side))
    for rank, known in sides.items():
        smallest = sorted(known.items(), key=lambda item: item[1])
        shown = ", ".join(f"{side:,} of {printable(name)}" for name, side in smallest[:3])
        more = f" and {len(known) - 3} more" if len(known) > 3 else ""
        own = next((pattern for pattern, own in options.rank_pattern if own == rank), None)
        yield Flaw(
            code="HFKV103",
            field="r" if own is None or rank == options.r else "rank_pattern",
            item=None if rank == options.r else own,
            message=f"{rank} exceeds the {shown}{more} in {base.where}, beyond which more rank "
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
