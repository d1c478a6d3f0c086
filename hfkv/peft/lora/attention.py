"""``torch.nn.MultiheadAttention`` as a target: PEFT adapts its two projections, at one rank."""

from __future__ import annotations

from hfkv.errors import TargetError, UnsupportedError
from hfkv.modules.built import Module
from hfkv.peft.lora.matching import rank_of
from hfkv.peft.lora.variants import requested
from hfkv.peft.lora.work import Adapted, Work
from hfkv.reading import printable

__all__ = ["adapt_attention", "refuse_inside"]


def adapt_attention(module: Module, work: Work) -> list[Adapted]:
    """The adapters of the joint input projection, under the module's name, and of ``out_proj``.

    Raises:
        TargetError: query, key and value have widths of their own, or a variant is asked for.
        UnsupportedError: the start is one that is not known here for it.
    """
    options = work.options
    name = printable(module.name)
    joint = module.parameters.get("in_proj_weight")
    if joint is None:
        raise TargetError(
            f"PEFT does not adapt {name}, whose query, key and value have widths of their own",
            where=work.where,
        )
    variants = requested(options)
    if variants:
        raise TargetError(
            f"PEFT has no {', '.join(variants)} for {name}, a MultiheadAttention",
            where=work.where,
            hint="exclude it, or leave the variant out",
        )
    start = options.init_lora_weights
    if isinstance(start, str) and start.lower() != "gaussian":
        raise UnsupportedError(
            f"init_lora_weights='{printable(start, 40)}' on {name}, a MultiheadAttention, is not "
            "counted: it has no weight of its own to start from",
            where=work.where,
        )
    rank = rank_of(work.ranks, module.name, options.r)
    width = joint[1]
    return [
        Adapted(
            name=full,
            inputs=width,
            outputs=outputs,
            rank=rank,
            parameters=rank * (width + outputs) + (outputs if options.lora_bias else 0),
        )
        for full, outputs in ((f"{module.name}.out_proj", width), (module.name, 3 * width))
    ]


def refuse_inside(module: Module, attentions: set[str], where: str) -> None:
    """A target inside an attention that is one itself: PEFT adapts it twice."""
    if module.name.rpartition(".")[0] in attentions:
        raise UnsupportedError(
            f"{printable(module.name)} is a target, and the MultiheadAttention around it as well: "
            "an adapter on an adapter is not counted",
            where=where,
            hint="name one of them",
        )
