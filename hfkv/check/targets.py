"""An adapter's config against its base model: every name, number and pattern in it.

PEFT refuses a config only where nothing matches at all. A name among several that matches nothing,
a pattern that picks no layer, a module to save that is not there: it trains without them, and says
nothing. Those are what this finds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hfkv.errors import HfkvError, TargetError
from hfkv.modules.built import Built, target_name
from hfkv.peft.lora import LoraOptions
from hfkv.peft.lora.draft import Adapted
from hfkv.peft.lora.inject import Injection, inject
from hfkv.peft.matching import compiled
from hfkv.peft.names import Names
from hfkv.peft.unused import LAYERS, Unused, adapts_nothing, missing, patterns, places
from hfkv.reading import printable

__all__ = ["Base", "Flaw", "flaws"]


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
        old_names, fused, like: as of :class:`hfkv.peft.lora.unused.Unused`.
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


class Base(Names):
    """A base model as the checks ask it; what was computed once is kept."""

    def __init__(self, built: Built, where: str) -> None:
        super().__init__(built, where)
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


def flaws(base: Base, options: LoraOptions, *, named: bool = True) -> Iterator[Flaw]:
    """Everything that is wrong with an adapter's config on this base.

    Args:
        base: the base model.
        options: what is asked.
        named: somebody wrote the targets down, and the trainer did not choose them by itself.

    Raises:
        UnsupportedError: the combination is not counted.
    """
    names = _target_names(options)
    absent = list(missing(base, options))
    left = [name for name in names if base.has(name)]
    left += [
        name
        for name in options.target_parameters or ()
        if not any(item.field == "target_parameters" and item.item == name for item in absent)
    ]
    nothing = bool(absent) and not left
    for item in absent:
        have = ""
        first = item.field == "target_modules" and item.item == names[0] and not item.old_names
        if nothing and first and base.adaptable:
            have = f"; it has {printable(', '.join(base.adaptable), 400)}"
        yield _flaw(item, "HFKV101" if nothing else "HFKV102", have)
    beside = list(places(base, options))
    for item in beside:
        yield _flaw(item)
    tokens = list(_tokens(base, options))
    yield from tokens
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
        if not empty and (tokens or any(item.field in LAYERS for item in beside)):
            return  # no layer is chosen, or no such token is there, which was said
        text, hint = error.what, error.hint
        if empty and options.target_modules != "all-linear":
            pattern = str(options.target_modules)
            text = (
                f"the expression '{printable(pattern, 200)}' matches no whole name of a module in "
                f"{base.where}"
            )
            hint = base.whole_name(pattern)
        yield Flaw(
            code="HFKV101" if empty else "HFKV108",
            field="target_modules",
            message=printable(text, 900),
            hint=hint,
        )
        return
    adapted = [item.name for item in made.adapted]
    if not any(item.field in LAYERS for item in beside):
        for item in adapts_nothing(base, options, adapted):
            yield _flaw(item)
    yield from _ranks(base, options, made.adapted, named and options.target_modules != "all-linear")
    for item in patterns(options, adapted):
        yield _flaw(item)
    if named and names and not any("." in name for name in names):
        yield from _towers(base, adapted)


#: Field of the config to the code of a name or number in it that PEFT does nothing with.
_CODES = {
    "target_modules": "HFKV102",
    "target_parameters": "HFKV102",
    "modules_to_save": "HFKV105",
    "layers_to_transform": "HFKV109",
}


def _flaw(item: Unused, code: str = "", have: str = "") -> Flaw:
    """A name or number that PEFT does nothing with; all other fields hold patterns."""
    message = item.message
    if have:
        start, mark, hint = message.partition("; ")
        message = f"{start}{have}{mark}{hint}"
    return Flaw(
        code=code or _CODES.get(item.field, "HFKV104"),
        field=item.field,
        item=item.item,
        message=message,
        old_names=item.old_names,
        fused=item.fused,
        like=item.like,
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
