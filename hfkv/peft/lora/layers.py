"""One adapter: what PEFT makes of a module that matched, of a plain parameter, of a tied layer."""

from __future__ import annotations

import math
from dataclasses import replace

from hfkv.errors import TargetError, UnsupportedError
from hfkv.modules.built import CONVOLUTIONS, LINEAR, UNCLEAR, Built, Module, leaf
from hfkv.peft.lora.draft import Adapted, Draft, Rank
from hfkv.peft.lora.options import LoraOptions
from hfkv.peft.lora.variants import Size, buffers, low_rank, requested, start_step, uncast
from hfkv.peft.matching import matches_list
from hfkv.peft.targets import matched
from hfkv.reading import printable

__all__ = ["adapt_modules", "adapt_parameters", "adapt_tied"]

#: PEFT's own lists (``tuners_utils.py``, ``constants.py``).
_MAMBA_TYPES = frozenset(["falcon_h1", "mamba", "mamba2", "falcon_mamba", "nemotron_h"])
_MAMBA_REFUSED = frozenset(["out_proj", "conv1d"])


def adapt_modules(built: Built, draft: Draft) -> list[Adapted]:
    """The adapters of all modules that are chosen, in the model's order."""
    found: list[Adapted] = []
    attentions: set[str] = set()
    for module in matched(built, draft):
        _refuse_mamba(built, module.name, draft.where)
        if module.name.rpartition(".")[0] in attentions:
            raise UnsupportedError(
                f"{printable(module.name)} is a target, and so is the MultiheadAttention around "
                "it: an adapter on an adapter is not counted",
                where=draft.where,
                hint="name one of them",
            )
        if module.kind == "attention":
            attentions.add(module.name)
            found += _attention(module, draft)
        else:
            found.append(_adapt(module, draft))
    return found


def _refuse_mamba(built: Built, name: str, where: str) -> None:
    if built.model_type in _MAMBA_TYPES and leaf(name) in _MAMBA_REFUSED:
        raise TargetError(
            f"PEFT refuses '{printable(leaf(name))}' in Mamba-like models "
            f"(model_type {built.model_type})",
            where=where,
            hint=f"leave it out with exclude_modules={leaf(name)}, or name other targets",
        )


def _adapt(module: Module, draft: Draft) -> Adapted:
    """The adapter of a module that matched."""
    options = draft.options
    rank = draft.rank(module.name)
    _refuse_stated(module, draft)
    if module.kind in LINEAR:
        # PEFT sets the field right for the layer at hand, and leaves it so.
        draft.fan_in_fan_out = module.kind == "Conv1D"
        inputs, outputs = module.features
    elif module.kind == "embedding":
        inputs, outputs = module.features
        if options.lora_bias:
            raise TargetError(
                f"PEFT does not take lora_bias on an embedding ({printable(module.name)})",
                where=draft.where,
            )
    elif module.kind in CONVOLUTIONS:
        return _convolution(module, rank, draft)
    elif module.kind in ("vocabulary", "lookup") and _alike(options):
        inputs, outputs = module.features
    elif module.kind in UNCLEAR:
        raise UnsupportedError(
            f"whether {printable(module.name)} is {UNCLEAR[module.kind]} cannot be "
            "seen in the checkpoint",
            where=draft.where,
            hint=f"leave it out with exclude_modules={leaf(module.name)}",
        )
    elif module.kind in ("attention", "unknown"):
        raise UnsupportedError(
            f"the adapter of {printable(module.name)} is not counted: its weight is held in "
            "another form, or its sizes are not known",
            where=draft.where,
            hint=f"leave it out with exclude_modules={leaf(module.name)}",
        )
    else:
        raise TargetError(
            f"PEFT does not support the module {printable(module.name)}, which is neither a "
            "linear layer nor an embedding nor a convolution",
            where=draft.where,
            hint="name the layers inside it",
        )
    size = _size(module, inputs, outputs, rank, draft)
    return Adapted(
        name=module.name,
        inputs=inputs,
        outputs=outputs,
        rank=rank.value,
        parameters=size.trained,
        slope=rank.times * size.slope,
        frozen=size.frozen,
        buffers=buffers(options, inputs, rank.value),
        uncast=uncast(options, rank.value),
    )


def _size(module: Module, inputs: int, outputs: int, rank: Rank, draft: Draft) -> Size:
    """What the variant asked for makes of the layer, and which ranks it takes there."""
    options, name, where = draft.options, module.name, draft.where
    draft.restrict(rank, step=start_step(options, module.kind, name, rank.value, where))
    size = low_rank(options, module.kind, name, inputs, outputs, rank.value, where=where)
    if draft.half and size.frozen and module.kind == "embedding":
        # PEFT casts both halves to float32, and forgets that one was frozen.
        size = replace(size, trained=size.trained + size.frozen, frozen=0, slope=inputs + outputs)
    draft.restrict(rank, step=size.step, most=size.most)
    return size


def _refuse_stated(module: Module, draft: Draft) -> None:
    """A tied layer can state other sizes than its weight has. PEFT goes by what it states, and
    fails where it sets the two against each other."""
    if len(module.stated) > 1:
        raise UnsupportedError(
            f"the sizes that {printable(module.name)} states beside its tied weight are not known",
            where=draft.where,
            hint=f"leave it out with exclude_modules={leaf(module.name)}",
        )
    start = draft.options.init_lora_weights
    if module.stated and (requested(draft.options) or isinstance(start, str)):
        raise UnsupportedError(
            f"{printable(module.name)} has a weight of "
            f"{list(module.parameters['weight'])} and states {list(next(iter(module.stated)))}: "
            "a variant of LoRA, or a start that reads the weight, is not counted there",
            where=draft.where,
            hint=f"leave it out with exclude_modules={leaf(module.name)}",
        )


def _alike(options: LoraOptions) -> bool:
    """Whether a linear layer and an embedding of one size get the same adapter."""
    named = options.target_modules != "all-linear"
    return named and not requested(options) and not options.lora_bias


def _convolution(module: Module, rank: Rank, draft: Draft) -> Adapted:
    shape = module.parameters["weight"]
    outputs, groups = shape[0], module.groups
    if rank.value % groups:
        raise TargetError(
            f"PEFT needs a rank divisible by the {groups} groups of {printable(module.name)}",
            where=draft.where,
            expected=f"a multiple of {groups}, found {rank.value}",
        )
    # lora_A has all inputs and the kernel; lora_B is 1 x 1 and grouped as the layer is.
    inputs = shape[1] * groups * math.prod(shape[2:])
    draft.restrict(rank, step=groups)
    size = _size(module, inputs, outputs, rank, draft)
    # What a group of lora_B lacks of a whole one.
    lacking = outputs - outputs // groups
    return Adapted(
        name=module.name,
        inputs=inputs,
        outputs=outputs,
        rank=rank.value,
        parameters=size.trained - rank.value * lacking,
        slope=rank.times * (size.slope - lacking),
    )


def _attention(module: Module, draft: Draft) -> list[Adapted]:
    """The adapters of the joint input projection, under the module's name, and of ``out_proj``.

    Raises:
        TargetError: query, key and value have different widths, or a variant is asked for.
        UnsupportedError: the start is one that is not known here for it.
    """
    options = draft.options
    name = printable(module.name)
    joint = module.parameters.get("in_proj_weight")
    if joint is None:
        raise TargetError(
            f"PEFT does not adapt {name}, whose query, key and value have different widths",
            where=draft.where,
        )
    variants = requested(options)
    if variants:
        raise TargetError(
            f"PEFT has no {', '.join(variants)} for {name}, a MultiheadAttention",
            where=draft.where,
            hint="exclude it, or leave the variant out",
        )
    start = options.init_lora_weights
    if isinstance(start, str) and start.lower() != "gaussian":
        raise UnsupportedError(
            f"init_lora_weights='{printable(start, 40)}' on {name}, a MultiheadAttention, is not "
            "counted: it has no weight of its own to start from",
            where=draft.where,
        )
    rank = draft.rank(module.name)
    width = joint[1]
    return [
        Adapted(
            name=full,
            inputs=width,
            outputs=outputs,
            rank=rank.value,
            parameters=rank.value * (width + outputs) + (outputs if options.lora_bias else 0),
            slope=rank.times * (width + outputs),
        )
        for full, outputs in ((f"{module.name}.out_proj", width), (module.name, 3 * width))
    ]


def adapt_parameters(built: Built, draft: Draft, adapted: set[str]) -> list[Adapted]:
    """Adapters of plain parameters (``target_parameters``)."""
    wanted = frozenset(draft.parameters)
    if not wanted:
        return []
    found = []
    wrapped: set[str] = set()
    for name in built.loose:
        if matches_list(wanted, f".{name}"):
            raise TargetError(
                f"PEFT cannot target a parameter of the model itself ({printable(name)})",
                where=draft.where,
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
                    where=draft.where,
                    hint="name the parameters of one of them",
                )
            wrapped.add(module.name)
            if module.name in adapted:
                raise TargetError(
                    f"{printable(full)} is targeted as a parameter, and its module by "
                    "target_modules as well: PEFT refuses that",
                    where=draft.where,
                    hint="leave one of them out",
                )
            _refuse_mamba(built, module.name, draft.where)
            found.append(_parameter(module, full, shape, draft))
    return found


def _around(name: str, modules: set[str]) -> str:
    """The module among ``modules`` that this one lies in, or ""."""
    outer = name.rpartition(".")[0]
    while outer and outer not in modules:
        outer = outer.rpartition(".")[0]
    return outer


def _parameter(module: Module, full: str, shape: tuple[int, ...], draft: Draft) -> Adapted:
    options = draft.options
    for field_name in ("lora_dropout", "fan_in_fan_out", "lora_bias", "use_dora"):
        if getattr(draft if field_name == "fan_in_fan_out" else options, field_name):
            raise TargetError(
                f"PEFT does not take {field_name} on plain parameters such as {printable(full)}",
                where=draft.where,
                hint="the experts of this model are such parameters" if draft.converted else "",
            )
    variants = requested(options)
    if variants:
        raise TargetError(
            f"PEFT does not take {', '.join(variants)} on plain parameters such as "
            f"{printable(full)}",
            where=draft.where,
            hint="the experts of this model are such parameters" if draft.converted else "",
        )
    if len(shape) not in (2, 3):
        raise TargetError(
            f"PEFT adapts parameters of 2 or 3 dimensions, and {printable(full)} has {len(shape)}",
            where=draft.where,
        )
    experts = shape[0] if len(shape) == 3 else 1
    rows, columns = shape[-2:]
    inputs, outputs = (rows, columns) if module.transposed and experts > 1 else (columns, rows)
    rank = draft.rank(full)
    start = options.init_lora_weights
    if isinstance(start, str) and "weight" not in module.parameters:
        # These look at the weight of the module that holds the parameter.
        known = start.lower() == "gaussian" or start == "eva"
        if not known:
            raise TargetError(
                f"PEFT cannot start {printable(full)} by init_lora_weights="
                f"'{printable(start, 40)}'",
                where=draft.where,
            )
    return Adapted(
        name=full,
        inputs=inputs,
        outputs=outputs,
        experts=experts,
        rank=rank.value,
        parameters=experts * rank.value * (inputs + outputs),
        slope=experts * rank.times * (inputs + outputs),
    )


def adapt_tied(built: Built, draft: Draft, adapted: list[Adapted]) -> list[Adapted]:
    """The adapters of layers that are tied to the embedding, after all others.

    A linear layer at the top of the model gets the embedding's two matrices, transposed; they are
    parameters of its own as far as PEFT counts. One further down gets an adapter like any other.
    """
    if not draft.tied:
        return []
    source = next((item for item in adapted if item.name == built.input), None)
    found = []
    for module in built.modules:
        if not matches_list(draft.tied, module.name):
            continue
        _refuse_mamba(built, module.name, draft.where)
        if leaf(module.name) not in draft.tied:
            found.append(_adapt(module, draft))
            continue
        if source is None:
            raise TargetError(
                f"PEFT ties the adapter of {printable(module.name)} to that of the input "
                f"embedding {printable(built.input or '')}, which gets none",
                where=draft.where,
            )
        item = _adapt(replace(module, stated=frozenset()), draft)
        if module.kind in LINEAR:
            options = draft.options
            if set(requested(options)) - {"use_dora"} or isinstance(options.init_lora_weights, str):
                raise UnsupportedError(
                    "ensure_weight_tying is not counted together with a variant of LoRA or with "
                    "init_lora_weights by name",
                    where=draft.where,
                )
            more = item.parameters - item.rank * (item.inputs + item.outputs)
            size = source.rank * (source.inputs + source.outputs)
            item = replace(item, rank=source.rank, parameters=size + more, slope=source.slope)
        found.append(item)
    return found
