"""What PEFT does with a model and a config, step by step, as far as parameters are concerned.

Follows ``inject_adapter`` of the pinned PEFT: the conversion of expert targets, the default
mapping, ``all-linear``, the matching, one adapter per module, plain parameters, biases, modules
that are trained whole, trained token rows.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass, replace

from hfkv.errors import TargetError, UnsupportedError
from hfkv.modules.built import Built, target_name
from hfkv.modules.table import peft_facts
from hfkv.peft.lora.attention import adapt_attention, refuse_inside
from hfkv.peft.lora.experts import convert
from hfkv.peft.lora.layers import adapt, adapt_parameters, refuse_mamba
from hfkv.peft.lora.matching import compiled, excluded, layer_chosen, matches_list
from hfkv.peft.lora.modules_to_save import saved_modules
from hfkv.peft.lora.options import LoraOptions
from hfkv.peft.lora.replication import replicate
from hfkv.peft.lora.rows_and_biases import biases, saved_embeddings, token_rows, written_biases
from hfkv.peft.lora.tying import adapt_tied, copy_tied, tie
from hfkv.peft.lora.work import LINEAR, UNCLEAR, Adapted, Work
from hfkv.reading import printable

__all__ = ["Injection", "inject", "near_names"]

_HEADS = ("score", "classifier")
#: From this many names on, PEFT shortens the list, which changes what "named in full" means.
_SHORTENED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """The trained parameters by where they are.

    Attributes:
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
    """

    adapted: tuple[Adapted, ...]
    saved: dict[str, int]
    biases: dict[str, int]
    base: int
    idle: int
    copied: int
    embeddings: dict[str, int]
    unmatched: tuple[str, ...] = ()
    converted: bool = False

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
        low_rank = sum(item.parameters for item in self.adapted)
        return low_rank + sum(self.saved.values()) + sum(self.biases.values())

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
    if options.task_type in ("SEQ_CLS", "TOKEN_CLS"):
        # PEFT's classes for these tasks train the heads of these names whole.
        heads = ("classifier", "score")
        options = replace(options, modules_to_save=(*(options.modules_to_save or ()), *heads))
    elif options.task_type == "QUESTION_ANS":
        options = replace(options, modules_to_save=(*(options.modules_to_save or ()), "qa_outputs"))
    work = Work(
        options=options,
        targets=options.target_modules,
        parameters=options.target_parameters or (),
        ranks=dict(options.rank_pattern),
        fan_in_fan_out=options.fan_in_fan_out,
        modules={module.name: module for module in built.modules},
        where=where,
    )
    moved = convert(built, options, work.targets, work.parameters, work.ranks, where=where)
    if moved is not None:
        work.targets, work.parameters, work.converted = moved[0], moved[1], True
    if built.no_input and built.may_tie:
        raise TargetError(
            "PEFT cannot adapt this class: it asks for the input embedding, to see what is tied "
            "to it, and the class does not name one",
            where=where,
            hint="with tie_word_embeddings false in config.json PEFT does not ask",
        )
    tie(built, work)
    if work.targets is None:
        work.targets = _default(built, where)
    if options.layer_replication:
        built = replicate(built, options.layer_replication, where)
        work.modules = {module.name: module for module in built.modules}
    if isinstance(work.targets, str) and work.targets.lower() == "all-linear":
        work.targets = _all_linear(built, options)
    if not isinstance(work.targets, str):
        work.targets = frozenset(work.targets)
    adapted = _modules(built, work)
    adapted += adapt_parameters(built, work, {item.name for item in adapted})
    adapted += adapt_tied(built, work, adapted)
    if not adapted:
        raise _nothing(built, work)
    elements = built.elements()
    taken = {item.name for item in adapted}
    copies = copy_tied(built, work, saved_modules(built, work, taken), taken)
    saved = copies.trained
    freed = biases(built, work, adapted, elements, saved)
    return Injection(
        adapted=tuple(adapted),
        saved={**saved, **token_rows(built, work, saved, taken)},
        biases=freed,
        base=sum(elements.values()),
        idle=copies.idle,
        copied=copies.written
        - sum(saved.values())
        + written_biases(built, work, adapted, freed, saved),
        embeddings=saved_embeddings(built, work, taken),
        unmatched=_unmatched(built, work),
        converted=work.converted,
    )


# -- which modules -------------------------------------------------------------------------------


def _default(built: Built, where: str) -> str | list[str]:
    mapping = peft_facts()["default_targets"]
    if built.model_type not in mapping:
        raise TargetError(
            f"PEFT has no default target_modules for model_type '{printable(built.model_type)}'",
            where=where,
            hint="name them, or use all-linear",
        )
    found: str | list[str] = mapping[built.model_type]
    return found


def _all_linear(built: Built, options: LoraOptions) -> frozenset[str]:
    # What may be a linear layer is matched as well, so that it is refused and not left out.
    names = {module.name for module in built.modules if module.kind in (*LINEAR, *UNCLEAR)}
    if built.output is not None:
        names.discard(built.output)
    elif options.task_type == "SEQ_CLS":
        names.discard(next((name for name in _HEADS if name in names), ""))
    return frozenset(names)


def _modules(built: Built, work: Work) -> list[Adapted]:
    options, targets = work.options, work.targets
    layers = options.layers_to_transform
    if (
        not isinstance(targets, str)
        and targets is not None
        and layers is not None
        and len(targets) >= _SHORTENED
        and any("." in name for name in targets)
    ):
        raise UnsupportedError(
            "PEFT shortens long lists of full names, and layers_to_transform then means another "
            "thing",
            where=work.where,
            hint="give short names",
        )
    exclude: str | Collection[str] | None = options.exclude_modules
    if exclude is not None and not isinstance(exclude, str):
        exclude = frozenset(exclude)
    expression = compiled(targets) if isinstance(targets, str) else None
    found: list[Adapted] = []
    attentions: set[str] = set()
    for module in built.modules:
        name = module.name
        if expression is not None:
            matched = expression.fullmatch(name) is not None
        elif not isinstance(targets, str) and targets is not None:
            matched = name in targets or (
                matches_list(targets, name) and layer_chosen(layers, options.layers_pattern, name)
            )
        else:
            matched = False
        if work.tied and matches_list(work.tied, name):
            continue  # after all others
        if matched and not excluded(exclude, options.modules_to_save, name):
            refuse_mamba(built, name, work.where)
            refuse_inside(module, attentions, work.where)
            if module.kind == "attention":
                attentions.add(name)
                found += adapt_attention(module, work)
            else:
                found.append(adapt(module, work))
    return found


def _unmatched(built: Built, work: Work) -> tuple[str, ...]:
    """Names that were asked for and match no module; PEFT goes on without them."""
    asked = work.options.target_modules
    if isinstance(asked, str) or asked is None or work.converted:
        return ()
    names = [module.name for module in built.modules]
    return tuple(
        name for name in asked if not any(matches_list((name,), module) for module in names)
    )


def near_names(built: Built, names: Collection[str]) -> list[str]:
    """Names of linear layers that are spelled much as these."""
    have = sorted({target_name(module.name) for module in built.modules if module.kind in LINEAR})
    found = [match for name in names for match in difflib.get_close_matches(name, have, n=2)]
    return list(dict.fromkeys(found))


def _nothing(built: Built, work: Work) -> TargetError:
    if work.converted and work.options.target_modules is None:
        return TargetError(
            "PEFT does not look up its default target_modules for model_type "
            f"'{printable(built.model_type)}', whose expert targets it converts first",
            where=work.where,
            hint="name them, or use all-linear",
        )
    have = sorted({target_name(module.name) for module in built.modules if module.kind in LINEAR})
    asked = work.options.target_modules
    names = [asked] if isinstance(asked, str) else list(asked or ())
    names += work.options.target_parameters or ()
    near = near_names(built, names)
    shown = ", ".join(names) if names else "PEFT's default targets"
    return TargetError(
        f"target_modules {printable(shown, 120)} match nothing that may be adapted",
        where=work.where,
        expected="names among " + printable(", ".join(have), 1000),
        hint="did you mean " + printable(" or ".join(near), 120) + "?" if near else "",
    )
