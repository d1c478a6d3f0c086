"""What PEFT does with a model and a config, step by step, as far as parameters are concerned.

Follows ``inject_adapter`` of the pinned PEFT: the conversion of expert targets, the default
mapping, ``all-linear``, the matching, one adapter per module, plain parameters, biases, modules
that are trained whole, trained token rows.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from hfkv.errors import TargetError, UnsupportedError
from hfkv.lora.built import Built, Module, leaf, target_name
from hfkv.lora.experts import convert
from hfkv.lora.matching import compiled, excluded, layer_chosen, matches_list, rank_of
from hfkv.lora.options import LoraOptions
from hfkv.lora.table import peft_facts
from hfkv.reading import printable

__all__ = ["Adapted", "Injection", "inject"]

_LINEAR = ("linear", "Conv1D")
_CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
#: PEFT's own lists (``tuners_utils.py``, ``constants.py``).
_MAMBA_TYPES = frozenset(["falcon_h1", "mamba", "mamba2", "falcon_mamba", "nemotron_h"])
_MAMBA_REFUSED = frozenset(["out_proj", "conv1d"])
_EMBEDDING_NAMES = frozenset(["embed_tokens", "lm_head"])
_HEADS = ("score", "classifier")
#: From this many names on, PEFT shortens the list, which changes what "named in full" means.
_SHORTENED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """One low-rank adapter.

    Attributes:
        name: full name of the module or parameter.
        inputs, outputs: of the layer; of a convolution, inputs times the kernel's elements.
        experts: how many such layers one parameter holds.
        rank: LoRA's rank there.
        parameters: in all.
    """

    name: str
    inputs: int
    outputs: int
    experts: int = 1
    rank: int
    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """The trained parameters by where they are.

    Attributes:
        adapted: the low-rank adapters in module order.
        saved: modules trained whole, or whose token rows are, to the parameters added for them.
        biases: biases of the base model that are trained, by full name.
        base: parameters of the base model.
        converted: whether expert targets were moved to fused parameters.
    """

    adapted: tuple[Adapted, ...]
    saved: dict[str, int]
    biases: dict[str, int]
    base: int
    converted: bool = False

    @property
    def trainable(self) -> int:
        """The first number of ``print_trainable_parameters()``."""
        low_rank = sum(item.parameters for item in self.adapted)
        return low_rank + sum(self.saved.values()) + sum(self.biases.values())

    @property
    def all(self) -> int:
        """The second number of ``print_trainable_parameters()``."""
        return self.base + sum(item.parameters for item in self.adapted) + sum(self.saved.values())


@dataclass(slots=True)
class _Work:
    """The config as PEFT rewrites it on the way."""

    options: LoraOptions
    targets: str | Collection[str] | None
    parameters: tuple[str, ...]
    ranks: dict[str, int]
    converted: bool = False
    fan_in_fan_out: bool = False
    modules: dict[str, Module] = field(default_factory=dict)
    where: str = ""


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
    work = _Work(
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
    _refuse_tying(built, work)
    if work.targets is None:
        work.targets = _default(built, where)
    if isinstance(work.targets, str) and work.targets.lower() == "all-linear":
        work.targets = _all_linear(built, options)
    if not isinstance(work.targets, str):
        work.targets = frozenset(work.targets)
    adapted = _modules(built, work)
    adapted += _parameters(built, work, {item.name for item in adapted})
    if not adapted:
        raise _nothing(built, work)
    elements = built.elements()
    saved = _saved(built, work, {item.name for item in adapted})
    return Injection(
        adapted=tuple(adapted),
        saved={**saved, **_tokens(built, work, saved)},
        biases=_biases(built, work, adapted, elements, saved),
        base=sum(elements.values()),
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
    names = {module.name for module in built.modules if module.kind in _LINEAR}
    if built.output is not None:
        names.discard(built.output)
    elif options.task_type == "SEQ_CLS":
        names.discard(next((name for name in _HEADS if name in names), ""))
    return frozenset(names)


def _modules(built: Built, work: _Work) -> list[Adapted]:
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
    found = []
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
        if matched and not excluded(exclude, options.modules_to_save, name):
            _refuse_mamba(built, name, work.where)
            found.append(_one(module, work))
    return found


def _refuse_mamba(built: Built, name: str, where: str) -> None:
    if built.model_type in _MAMBA_TYPES and leaf(name) in _MAMBA_REFUSED:
        raise TargetError(
            f"PEFT refuses '{printable(leaf(name))}' in Mamba-like models "
            f"(model_type {built.model_type})",
            where=where,
            hint=f"leave it out with exclude_modules={leaf(name)}, or name other targets",
        )


# -- one adapter ---------------------------------------------------------------------------------


def _one(module: Module, work: _Work) -> Adapted:
    """The adapter of a module that matched."""
    options = work.options
    rank = rank_of(work.ranks, module.name, options.r)
    if module.kind in _LINEAR:
        # PEFT sets the field right for the layer at hand, and leaves it so.
        work.fan_in_fan_out = module.kind == "Conv1D"
        inputs, outputs = module.features
        extra = outputs if options.use_dora or options.lora_bias else 0
    elif module.kind == "embedding":
        inputs, outputs = module.features
        extra = outputs if options.use_dora else 0
        if options.lora_bias:
            raise TargetError(
                f"PEFT does not take lora_bias on an embedding ({printable(module.name)})",
                where=work.where,
            )
    elif module.kind in _CONVOLUTIONS:
        return _convolution(module, rank, work)
    elif module.kind in ("attention", "unknown"):
        raise UnsupportedError(
            f"the adapter of {printable(module.name)} is not counted (a MultiheadAttention, or a "
            "weight held in another form)",
            where=work.where,
        )
    else:
        raise TargetError(
            f"PEFT does not support the module {printable(module.name)}, which is neither a "
            "linear layer nor an embedding nor a convolution",
            where=work.where,
            hint="name the layers inside it",
        )
    return Adapted(
        name=module.name,
        inputs=inputs,
        outputs=outputs,
        rank=rank,
        parameters=rank * (inputs + outputs) + extra,
    )


def _convolution(module: Module, rank: int, work: _Work) -> Adapted:
    shape = module.parameters["weight"]
    outputs, groups = shape[0], module.groups
    if rank % groups:
        raise TargetError(
            f"PEFT needs a rank divisible by the {groups} groups of {printable(module.name)}",
            where=work.where,
            expected=f"a multiple of {groups}, found {rank}",
        )
    # lora_A has all inputs and the kernel; lora_B is 1 x 1 and grouped as the layer is.
    inputs = shape[1] * groups * math.prod(shape[2:])
    extra = outputs if work.options.use_dora or work.options.lora_bias else 0
    return Adapted(
        name=module.name,
        inputs=inputs,
        outputs=outputs,
        rank=rank,
        parameters=rank * inputs + (rank // groups) * outputs + extra,
    )


def _parameters(built: Built, work: _Work, adapted: set[str]) -> list[Adapted]:
    """Adapters of plain parameters (``target_parameters``)."""
    wanted = frozenset(work.parameters)
    if not wanted:
        return []
    found = []
    for name in built.loose:
        if matches_list(wanted, f".{name}"):
            raise TargetError(
                f"PEFT cannot target a parameter of the model itself ({printable(name)})",
                where=work.where,
            )
    for module in built.modules:
        for short, shape in module.parameters.items():
            full = f"{module.name}.{short}"
            if not matches_list(wanted, full):
                continue
            if module.name in adapted:
                raise TargetError(
                    f"{printable(full)} is targeted as a parameter, and its module by "
                    "target_modules as well: PEFT refuses that",
                    where=work.where,
                    hint="leave one of them out",
                )
            _refuse_mamba(built, module.name, work.where)
            found.append(_parameter(module, full, shape, work))
    return found


def _parameter(module: Module, full: str, shape: tuple[int, ...], work: _Work) -> Adapted:
    options = work.options
    for field_name in ("lora_dropout", "fan_in_fan_out", "lora_bias", "use_dora"):
        if getattr(work if field_name == "fan_in_fan_out" else options, field_name):
            raise TargetError(
                f"PEFT does not take {field_name} on plain parameters such as {printable(full)}",
                where=work.where,
                hint="the experts of this model are such parameters" if work.converted else "",
            )
    if len(shape) not in (2, 3):
        raise TargetError(
            f"PEFT adapts parameters of 2 or 3 dimensions, and {printable(full)} has {len(shape)}",
            where=work.where,
        )
    experts = shape[0] if len(shape) == 3 else 1
    rows, columns = shape[-2:]
    inputs, outputs = (rows, columns) if module.transposed and experts > 1 else (columns, rows)
    rank = rank_of(work.ranks, full, options.r)
    return Adapted(
        name=full,
        inputs=inputs,
        outputs=outputs,
        experts=experts,
        rank=rank,
        parameters=experts * rank * (inputs + outputs),
    )


# -- beside the low-rank part --------------------------------------------------------------------


def _saved(built: Built, work: _Work, adapted: set[str]) -> dict[str, int]:
    """Modules that are copied and trained whole, a tied one as a full copy of its own."""
    wanted = work.options.modules_to_save
    if not wanted:
        return {}
    chosen = [module.name for module in built.modules if module.name.endswith(wanted)]
    found: dict[str, int] = {}
    for name in chosen:
        inside = [
            module
            for module in built.modules
            if module.name == name or module.name.startswith(f"{name}.")
        ]
        if any(name.startswith(f"{other}.") for other in chosen):
            raise UnsupportedError(
                f"modules_to_save matches {printable(name)} and a module around it",
                where=work.where,
            )
        if _is_list(name, inside):
            raise TargetError(
                f"PEFT cannot save {printable(name)}, which is a list of modules", where=work.where
            )
        if any(item == name or item.startswith(f"{name}.") for item in adapted):
            raise TargetError(
                f"PEFT cannot both adapt {printable(name)} and save it whole", where=work.where
            )
        found[name] = sum(
            math.prod(shape) for module in inside for shape in module.parameters.values()
        )
    return found


def _is_list(name: str, inside: list[Module]) -> bool:
    children = {module.name[len(name) + 1 :].split(".")[0] for module in inside[1:]}
    own = inside[0]
    return bool(children) and not own.parameters and all(child.isdigit() for child in children)


def _tokens(built: Built, work: _Work, saved: dict[str, int]) -> dict[str, int]:
    """Token rows that are trained beside a frozen embedding."""
    wanted = work.options.trainable_token_indices
    if wanted is None:
        return {}
    found: dict[str, int] = {}
    for asked, indices in wanted:
        name = asked
        if not name:
            if not built.input_known or built.input is None:
                raise UnsupportedError(
                    "the input embedding of this class is not known here",
                    where=work.where,
                    hint="name it in trainable_token_indices",
                )
            name = built.input
        if name in (work.options.modules_to_save or ()):
            raise TargetError(
                f"PEFT cannot train {printable(name)} whole and token rows of it", where=work.where
            )
        modules = [module for module in built.modules if module.name.endswith(name)]
        if not modules:
            raise TargetError(f"no module is named {printable(name)}", where=work.where)
        for module in modules:
            shape = module.parameters.get("weight")
            if shape is None or module.kind not in (*_LINEAR, "embedding") or module.name in saved:
                raise UnsupportedError(
                    f"trained token rows of {printable(module.name)} are not counted",
                    where=work.where,
                )
            if f"{module.name}.weight" in built.tied and len(wanted) > 1:
                raise UnsupportedError(
                    "trained token rows of several tied layers are not counted", where=work.where
                )
            found[module.name] = len(indices) * shape[1]
    return found


def _biases(
    built: Built,
    work: _Work,
    adapted: list[Adapted],
    elements: dict[str, int],
    saved: dict[str, int],
) -> dict[str, int]:
    """Biases of the base model that ``bias`` sets free."""
    if work.options.bias == "none":
        return {}
    if work.options.bias == "all":
        chosen = [name for name in elements if name == "bias" or name.endswith(".bias")]
    else:
        names = {item.name for item in adapted} | {
            item.name.rpartition(".")[0] for item in adapted if item.name not in work.modules
        }
        chosen = [f"{name}.bias" for name in names if f"{name}.bias" in elements]
    kept = tuple(f"{name}." for name in saved)
    return {name: elements[name] for name in chosen if not name.startswith(kept or ("\0",))}


# -- refusals ------------------------------------------------------------------------------------


def _refuse_tying(built: Built, work: _Work) -> None:
    """``ensure_weight_tying`` changes what is adapted only where embeddings are tied and named."""
    options = work.options
    if not options.ensure_weight_tying or not built.tied:
        return
    targets = work.targets
    names = [*(options.modules_to_save or ()), *(() if isinstance(targets, str) else targets or ())]
    touched = any(leaf(name) in _EMBEDDING_NAMES for name in names) or (
        isinstance(targets, str)
        and targets != "all-linear"
        and any(compiled(targets).fullmatch(name) for name in _EMBEDDING_NAMES)
    )
    if touched or options.trainable_token_indices is not None:
        raise UnsupportedError(
            "ensure_weight_tying with tied embeddings among the targets is not counted",
            where=work.where,
        )


def _nothing(built: Built, work: _Work) -> TargetError:
    if work.converted and work.options.target_modules is None:
        return TargetError(
            "PEFT does not look up its default target_modules for model_type "
            f"'{printable(built.model_type)}', whose expert targets it converts first",
            where=work.where,
            hint="name them, or use all-linear",
        )
    have = sorted({target_name(module.name) for module in built.modules if module.kind in _LINEAR})
    asked = work.options.target_modules
    names = [asked] if isinstance(asked, str) else list(asked or ())
    names += work.options.target_parameters or ()
    near = [match for name in names for match in difflib.get_close_matches(name, have, n=2)]
    shown = ", ".join(names) if names else "PEFT's default targets"
    return TargetError(
        f"target_modules {printable(shown, 120)} match nothing that may be adapted",
        where=work.where,
        expected="names among " + printable(", ".join(have), 1000),
        hint="did you mean " + printable(" or ".join(dict.fromkeys(near)), 120) + "?"
        if near
        else "",
    )
