"""What PEFT does with a model and a config, step by step, as far as parameters are concerned.

Follows ``inject_adapter`` of the pinned PEFT: the conversion of expert targets, the default
mapping, ``all-linear``, the matching, one adapter per module, plain parameters, biases, modules
that are trained whole, trained token rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from hfkv.errors import TargetError
from hfkv.modules.built import Built
from hfkv.modules.table import peft_facts
from hfkv.peft.lora.draft import Adapted, Draft
from hfkv.peft.lora.fused_experts import convert
from hfkv.peft.lora.layers import adapt_modules, adapt_parameters, adapt_tied
from hfkv.peft.lora.options import LoraOptions
from hfkv.peft.lora.rank_line import RankLine
from hfkv.peft.lora.rows_and_biases import biases, saved_embeddings, token_rows, written_biases
from hfkv.peft.targets import default_targets, linear_names, near_names, resolve, unmatched
from hfkv.reading import printable

__all__ = ["Injection", "inject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """The trained parameters by where they are.

    Attributes:
        r: the rank asked for.
        adapted: the low-rank adapters in module order.
        saved: modules trained whole, or whose token rows are, to the parameters added for them.
        biases: biases of the base model that are trained, by full name.
        base: parameters of the base model.
        idle: parameters of copied modules that are not trained.
        copied: parameters of copied modules, and biases, that are written and not trained.
        embeddings: weights of the base model that PEFT saves with the adapter, because an
            embedding is among its targets: by full name, not trained.
        unmatched: names of ``target_modules`` that match nothing, beside others that do.
        converted: whether expert targets were moved to fused parameters.
        line: what ``trainable`` is at other ranks.
    """

    r: int
    adapted: tuple[Adapted, ...]
    saved: dict[str, int]
    biases: dict[str, int]
    base: int
    idle: int
    copied: int
    embeddings: dict[str, int]
    unmatched: tuple[str, ...]
    converted: bool
    line: RankLine

    @property
    def frozen(self) -> int:
        """Parameters of the adapter that are saved with it and not trained."""
        return sum(item.frozen for item in self.adapted)

    @property
    def written(self) -> int:
        """Parameters that PEFT writes to disk."""
        buffers = sum(item.buffers for item in self.adapted)
        held = self.trainable + self.frozen + self.copied
        return held + buffers + sum(self.embeddings.values())

    @property
    def trainable(self) -> int:
        """The first number of ``print_trainable_parameters()``."""
        return self.line.parameters(self.r)

    @property
    def all(self) -> int:
        """The second number of ``print_trainable_parameters()``."""
        low_rank = sum(item.parameters + item.frozen for item in self.adapted)
        return self.base + low_rank + sum(self.saved.values()) + self.idle


def inject(built: Built, options: LoraOptions, *, where: str) -> Injection:
    """The adapter that PEFT makes.

    Raises:
        TargetError: PEFT itself refuses, or the targets match nothing.
        UnsupportedError: the combination is not counted here.
    """
    draft = Draft.of(options, where=where)
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
    adapted = adapt_modules(built, draft)
    adapted += adapt_parameters(built, draft, {item.name for item in adapted})
    adapted += adapt_tied(built, draft, adapted)
    if not adapted:
        raise _nothing(built, draft)
    elements = built.elements()
    taken = {item.name for item in adapted}
    saved: dict[str, int] = {}
    idle = written = 0
    if draft.saved:
        from hfkv.peft.modules_to_save import saved_modules

        copies = saved_modules(built, draft, taken)
        if draft.copied:
            from hfkv.peft.tying import copy_tied

            copies = copy_tied(built, draft, copies, taken)
        saved, idle, written = copies.trained, copies.idle, copies.written
    freed = biases(built, draft, adapted, elements, saved)
    whole = {**saved, **token_rows(built, draft, saved, taken)}
    slope = sum(item.slope for item in adapted)
    trained = sum(item.parameters for item in adapted)
    trained += sum(whole.values()) + sum(freed.values())
    asked = options.target_modules
    named = () if isinstance(asked, str) or asked is None or draft.converted else asked
    return Injection(
        r=options.r,
        adapted=tuple(adapted),
        saved=whole,
        biases=freed,
        base=sum(elements.values()),
        idle=idle,
        copied=written - sum(saved.values()) + written_biases(built, draft, adapted, freed, saved),
        embeddings=saved_embeddings(built, draft, taken),
        unmatched=unmatched(built, named),
        converted=draft.converted,
        line=RankLine(
            slope=slope, constant=trained - slope * options.r, step=draft.step, most=draft.most
        ),
    )


def _nothing(built: Built, draft: Draft) -> TargetError:
    options = draft.options
    if draft.converted and options.target_modules is None:
        return TargetError(
            "PEFT does not look up its default target_modules for model_type "
            f"'{printable(built.model_type)}', whose expert targets it converts first",
            where=draft.where,
            hint="name them, or use all-linear",
        )
    asked = options.target_modules
    names = [asked] if isinstance(asked, str) else list(asked or ())
    names += options.target_parameters or ()
    near = near_names(built, names)
    shown = ", ".join(names) if names else "PEFT's default targets"
    return TargetError(
        f"target_modules {printable(shown, 120)} match nothing that may be adapted",
        where=draft.where,
        expected="names among " + printable(", ".join(linear_names(built)), 1000),
        hint="did you mean " + printable(" or ".join(near), 120) + "?" if near else "",
    )
