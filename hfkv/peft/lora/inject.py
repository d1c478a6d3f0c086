"""What PEFT does with a model and a config, step by step, as far as parameters are concerned.

Follows ``inject_adapter`` of the pinned PEFT: the conversion of expert targets, the default
mapping, ``all-linear``, the matching, one adapter per module, plain parameters, biases, modules
that are trained whole, trained token rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hfkv.errors import TargetError
from hfkv.modules.built import Built
from hfkv.modules.table import peft_facts
from hfkv.peft.beside import biases, saved_embeddings, written_biases
from hfkv.peft.lora.draft import Adapted, Draft
from hfkv.peft.lora.fused_experts import convert
from hfkv.peft.lora.layers import adapt_modules, adapt_parameters, adapt_tied
from hfkv.peft.lora.options import LoraOptions
from hfkv.peft.lora.rank_line import RankLine
from hfkv.peft.lora.token_rows import token_rows
from hfkv.peft.matching import matches
from hfkv.peft.names import Names
from hfkv.peft.targets import default_targets, linear_names, near_names, resolve
from hfkv.peft.unused import LAYERS, Unused, looks_like_expression, missing, places, unused
from hfkv.reading import printable

__all__ = ["Injection", "inject"]

#: PEFT's way to a layer's number, where ``layers_pattern`` is not given.
_LAYER = re.compile(r".*?\.[^.]*\.(\d+)\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """The trained parameters by where they are.

    Attributes:
        r: the rank asked for.
        adapted: the low-rank adapters in module order.
        saved: modules trained whole, or whose token rows are, to the parameters added for them.
        rows: how many of ``saved`` are token rows.
        biases: biases of the base model that are trained, by full name.
        base: parameters of the base model.
        idle: parameters of copied modules that are not trained.
        copied: parameters of copied modules, and biases, that are written and not trained.
        embeddings: weights of the base model that PEFT saves with the adapter, because an
            embedding is among its targets: by full name, not trained.
        unused: what the config names and PEFT does nothing with.
        converted: whether expert targets were moved to fused parameters.
        line: what ``trainable`` is at other ranks.
    """

    r: int
    adapted: tuple[Adapted, ...]
    saved: dict[str, int]
    rows: int
    biases: dict[str, int]
    base: int
    idle: int
    copied: int
    embeddings: dict[str, int]
    unused: tuple[Unused, ...]
    converted: bool
    line: RankLine

    @property
    def frozen(self) -> int:
        """Parameters of the adapter that are saved with it and not trained."""
        return sum(item.frozen for item in self.adapted)

    @property
    def written(self) -> int:
        """Parameters that PEFT writes to disk."""
        return self.written_low_rank + self.written_whole

    @property
    def written_low_rank(self) -> int:
        """What is written of the low-rank adapters and of token rows."""
        items = self.adapted
        held = sum(item.parameters + item.frozen + item.buffers - item.uncast for item in items)
        return self.rows + held

    @property
    def written_whole(self) -> int:
        """What is written in the base model's dtype: its own parameters, or copies of them."""
        held = self.whole + self.copied + sum(item.uncast for item in self.adapted)
        return held + sum(self.embeddings.values())

    @property
    def whole(self) -> int:
        """Trained parameters that are the base model's own, or copies of them."""
        return sum(self.saved.values()) - self.rows + sum(self.biases.values())

    @property
    def trainable(self) -> int:
        """The first number of ``print_trainable_parameters()``."""
        return self.line.parameters(self.r)

    @property
    def all(self) -> int:
        """The second number of ``print_trainable_parameters()``."""
        low_rank = sum(item.parameters + item.frozen for item in self.adapted)
        return self.base + low_rank + sum(self.saved.values()) + self.idle


def inject(built: Built, options: LoraOptions, *, where: str, half: bool = False) -> Injection:
    """The adapter that PEFT makes.

    Args:
        half: the base model is held in a dtype that PEFT casts adapters from to float32.

    Raises:
        TargetError: PEFT itself refuses, or the targets match nothing.
        UnsupportedError: the combination is not counted here.
    """
    draft = Draft.of(options, where=where, half=half)
    convert(built, draft)
    if built.no_input and built.may_tie:
        raise TargetError(
            "PEFT cannot adapt this class: it asks for the input embedding, to see what is tied "
            "to it, and the class does not name one",
            where=where,
            hint="with tie_word_embeddings false in config.json PEFT does not ask",
        )
    if draft.tying:
        from hfkv.peft.tying import tie

        tie(built, draft)
    if draft.targets is None:
        draft.targets = default_targets(built, peft_facts()["default_targets"], where)
    if options.layer_replication:
        from hfkv.peft.lora.replication import replicate

        built = replicate(built, options.layer_replication, where)
    draft.modules = {module.name: module for module in built.modules}
    resolve(built, draft)
    try:
        adapted = adapt_modules(built, draft)
    except TargetError as error:
        raise _explained(error, options) from None
    adapted += adapt_parameters(built, draft, {item.name for item in adapted})
    adapted += adapt_tied(built, draft, adapted)
    if not adapted:
        raise _nothing(built, draft)
    elements = built.elements()
    taken = {item.name for item in adapted}
    saved: dict[str, int] = {}
    idle = written = 0
    if draft.saved or draft.copied:
        from hfkv.peft.modules_to_save import saved_modules

        copies = saved_modules(built, draft, taken)
        if draft.copied:
            from hfkv.peft.tying import copy_tied

            copies = copy_tied(built, draft, copies, taken)
        saved, idle, written = copies.trained, copies.idle, copies.written
    holders = _holders(draft, adapted)
    freed = biases(built, options.bias, holders, elements, saved)
    rows = token_rows(built, draft, saved, taken)
    whole = {**saved, **rows}
    slope = sum(item.slope for item in adapted)
    trained = sum(item.parameters for item in adapted)
    trained += sum(whole.values()) + sum(freed.values())
    return Injection(
        r=options.r,
        adapted=tuple(adapted),
        saved=whole,
        rows=sum(rows.values()),
        biases=freed,
        base=sum(elements.values()),
        idle=idle,
        copied=written
        - sum(saved.values())
        + written_biases(built, options.bias, holders, freed, saved),
        embeddings={}
        if options.trainable_token_indices is not None
        else saved_embeddings(built, draft.targets, taken),
        unused=tuple(unused(Names(built, where), options, taken)),
        converted=draft.converted,
        line=RankLine(
            slope=slope, constant=trained - slope * options.r, step=draft.step, most=draft.most
        ),
    )


def _holders(draft: Draft, adapted: list[Adapted]) -> tuple[str, ...]:
    """Adapted modules, and modules with an adapted parameter."""
    names = (
        item.name if item.name in draft.modules else item.name.rpartition(".")[0]
        for item in adapted
    )
    return tuple(dict.fromkeys(names))


def _nothing(built: Built, draft: Draft) -> TargetError:
    options = draft.options
    if draft.converted and options.target_modules is None:
        return TargetError(
            "PEFT does not look up its default target_modules for model_type "
            f"'{printable(built.model_type)}', whose expert targets it converts first",
            where=draft.where,
            hint="name them, or use all-linear",
        )
    names = Names(built, "the base model")
    asked = options.target_modules
    if asked is not None and not asked and not options.target_parameters:
        return TargetError(
            "the list of targets is empty, and PEFT refuses to adapt nothing",
            where=f"{draft.where}: `target_modules`",
            expected="names among " + printable(", ".join(linear_names(built)), 1000),
            hint="or all-linear",
        )
    listed = [asked] if isinstance(asked, str) else list(asked or ())
    listed += options.target_parameters or ()
    shown = printable(", ".join(listed) if listed else "PEFT's default targets", 120)
    targets = draft.targets or ()
    if any(matches(targets, module.name) for module in built.modules):
        layer = next((item for item in places(names, options) if item.field in LAYERS), None)
        if layer is not None:
            return TargetError(str(layer), where=draft.where, expected=_numbers(built))
        return TargetError(
            f"target_modules {shown}: each of their modules is excluded, in no layer that is "
            "chosen, or trained whole, and PEFT refuses to adapt nothing",
            where=draft.where,
        )
    near = near_names(built, listed)
    hint = "did you mean " + printable(" or ".join(near), 120) + "?" if near else ""
    absent = next(missing(names, options), None)
    if isinstance(asked, str):
        hint = names.whole_name(asked) or hint
    elif absent is not None and absent.old_names:
        hint = absent.message
    elif absent is not None and names.experts(str(absent.item)):
        hint = names.experts(str(absent.item)).removeprefix("; ")
    return TargetError(
        f"target_modules {shown} match nothing that may be adapted",
        where=draft.where,
        expected="names among " + printable(", ".join(linear_names(built)), 1000),
        hint=hint,
    )


def _numbers(built: Built) -> str:
    """The layers that there are."""
    found = [_LAYER.match(module.name) for module in built.modules]
    numbers = [int(item[1]) for item in found if item is not None]
    return f"layers 0 to {max(numbers)}" if numbers else ""


def _explained(error: TargetError, options: LoraOptions) -> TargetError:
    """A refusal of a module, where an expression was to leave it out and stands in a list."""
    exclude = options.exclude_modules
    signs = [] if isinstance(exclude, str) else [*filter(looks_like_expression, exclude or ())]
    if not signs:
        return error
    return TargetError(
        error.what,
        where=error.where,
        expected=error.expected,
        hint=f"exclude_modules: '{printable(signs[0], 80)}' in a list is a name and leaves nothing "
        "out; as a text it is a regular expression",
    )
