"""One adapter: what PEFT makes of a module that matched, or of a plain parameter."""

from __future__ import annotations

import math

from hfkv.errors import TargetError, UnsupportedError
from hfkv.modules.built import Built, Module, leaf
from hfkv.peft.lora.matching import matches_list, rank_of
from hfkv.peft.lora.options import LoraOptions
from hfkv.peft.lora.variants import buffers, low_rank, requested, start_is_possible
from hfkv.peft.lora.work import CONVOLUTIONS, LINEAR, UNCLEAR, Adapted, Work
from hfkv.reading import printable

__all__ = ["adapt", "adapt_parameters", "refuse_mamba"]

#: PEFT's own lists (``tuners_utils.py``, ``constants.py``).
_MAMBA_TYPES = frozenset(["falcon_h1", "mamba", "mamba2", "falcon_mamba", "nemotron_h"])
_MAMBA_REFUSED = frozenset(["out_proj", "conv1d"])


def refuse_mamba(built: Built, name: str, where: str) -> None:
    if built.model_type in _MAMBA_TYPES and leaf(name) in _MAMBA_REFUSED:
        raise TargetError(
            f"PEFT refuses '{printable(leaf(name))}' in Mamba-like models "
            f"(model_type {built.model_type})",
            where=where,
            hint=f"leave it out with exclude_modules={leaf(name)}, or name other targets",
        )


def adapt(module: Module, work: Work) -> Adapted:
    """The adapter of a module that matched."""
    options = work.options
    rank = rank_of(work.ranks, module.name, options.r)
    _refuse_stated(module, work)
    if module.kind in LINEAR:
        # PEFT sets the field right for the layer at hand, and leaves it so.
        work.fan_in_fan_out = module.kind == "Conv1D"
        inputs, outputs = module.features
    elif module.kind == "embedding":
        inputs, outputs = module.features
        if options.lora_bias:
            raise TargetError(
                f"PEFT does not take lora_bias on an embedding ({printable(module.name)})",
                where=work.where,
            )
    elif module.kind in CONVOLUTIONS:
        return _convolution(module, rank, work)
    elif module.kind == "vocabulary" and _alike(options):
        inputs, outputs = module.features
    elif module.kind in UNCLEAR:
        raise UnsupportedError(
            f"whether {printable(module.name)} is {UNCLEAR[module.kind]} is not to be told from "
            "the checkpoint",
            where=work.where,
            hint=f"leave it out with exclude_modules={leaf(module.name)}",
        )
    elif module.kind in ("attention", "unknown"):
        raise UnsupportedError(
            f"the adapter of {printable(module.name)} is not counted: its weight is held in "
            "another form",
            where=work.where,
        )
    else:
        raise TargetError(
            f"PEFT does not support the module {printable(module.name)}, which is neither a "
            "linear layer nor an embedding nor a convolution",
            where=work.where,
            hint="name the layers inside it",
        )
    start_is_possible(options, module.kind, module.name, rank, work.where)
    trained, frozen = low_rank(
        options, module.kind, module.name, inputs, outputs, rank, where=work.where
    )
    return Adapted(
        name=module.name,
        inputs=inputs,
        outputs=outputs,
        rank=rank,
        parameters=trained,
        frozen=frozen,
        buffers=buffers(options, inputs, rank),
    )


def _refuse_stated(module: Module, work: Work) -> None:
    """A tied layer can state other sizes than its weight has. PEFT goes by what it states, and
    fails where it sets the two against each other."""
    if len(module.stated) > 1:
        raise UnsupportedError(
            f"the sizes that {printable(module.name)} states beside its tied weight are not known",
            where=work.where,
            hint=f"leave it out with exclude_modules={leaf(module.name)}",
        )
    start = work.options.init_lora_weights
    if module.stated and (requested(work.options) or isinstance(start, str)):
        raise UnsupportedError(
            f"{printable(module.name)} has a weight of "
            f"{list(module.parameters['weight'])} and states {list(next(iter(module.stated)))}: "
            "a variant or a start that reads the weight is not counted there",
            where=work.where,
            hint=f"leave it out with exclude_modules={leaf(module.name)}",
        )


def _alike(options: LoraOptions) -> bool:
    """Whether a linear layer and an embedding of one size get the same adapter."""
    named = options.target_modules != "all-linear"
    return named and not requested(options) and not options.lora_bias


def _convolution(module: Module, rank: int, work: Work) -> Adapted:
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
    start_is_possible(work.options, module.kind, module.name, rank, work.where)
    # The variant's own addition; the rest is counted below, by the groups.
    trained, _frozen = low_rank(
        work.options, module.kind, module.name, inputs, outputs, rank, where=work.where
    )
    extra = trained - rank * (inputs + outputs)
    return Adapted(
        name=module.name,
        inputs=inputs,
        outputs=outputs,
        rank=rank,
        parameters=rank * inputs + (rank // groups) * outputs + extra,
    )


def adapt_parameters(built: Built, work: Work, adapted: set[str]) -> list[Adapted]:
    """Adapters of plain parameters (``target_parameters``)."""
    wanted = frozenset(work.parameters)
    if not wanted:
        return []
    found = []
    wrapped: set[str] = set()
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
            around = _around(module.name, wrapped)
            if around:
                # PEFT puts a wrapper in that module's place, and no longer finds what is inside.
                raise TargetError(
                    f"PEFT cannot adapt {printable(full)} and a parameter of {printable(around)}, "
                    "the module around it",
                    where=work.where,
                    hint="name the parameters of one of them",
                )
            wrapped.add(module.name)
            if module.name in adapted:
                raise TargetError(
                    f"{printable(full)} is targeted as a parameter, and its module by "
                    "target_modules as well: PEFT refuses that",
                    where=work.where,
                    hint="leave one of them out",
                )
            refuse_mamba(built, module.name, work.where)
            found.append(_parameter(module, full, shape, work))
    return found


def _around(name: str, modules: set[str]) -> str:
    """The module among ``modules`` that this one lies in, or ""."""
    outer = name.rpartition(".")[0]
    while outer and outer not in modules:
        outer = outer.rpartition(".")[0]
    return outer


def _parameter(module: Module, full: str, shape: tuple[int, ...], work: Work) -> Adapted:
    options = work.options
    for field_name in ("lora_dropout", "fan_in_fan_out", "lora_bias", "use_dora"):
        if getattr(work if field_name == "fan_in_fan_out" else options, field_name):
            raise TargetError(
                f"PEFT does not take {field_name} on plain parameters such as {printable(full)}",
                where=work.where,
                hint="the experts of this model are such parameters" if work.converted else "",
            )
    variants = requested(options)
    if variants:
        raise TargetError(
            f"PEFT does not take {', '.join(variants)} on plain parameters such as "
            f"{printable(full)}",
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
    start = options.init_lora_weights
    if isinstance(start, str) and "weight" not in module.parameters:
        # These look at the weight of the module that holds the parameter.
        known = start.lower() == "gaussian" or start == "eva"
        if not known:
            raise TargetError(
                f"PEFT cannot start {printable(full)} by init_lora_weights="
                f"'{printable(start, 40)}'",
                where=work.where,
            )
    return Adapted(
        name=full,
        inputs=inputs,
        outputs=outputs,
        experts=experts,
        rank=rank,
        parameters=experts * rank * (inputs + outputs),
    )
