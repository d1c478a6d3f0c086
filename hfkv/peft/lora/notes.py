"""What a reader of an adapter's size must be told beside the number."""

from __future__ import annotations

from collections.abc import Mapping

from hfkv.facts.agreement import CONTRADICTED
from hfkv.modules.built import Built, leaf
from hfkv.modules.table import experts_moved
from hfkv.peft.lora.inject import Injection
from hfkv.peft.lora.options import LoraOptions

__all__ = ["notes"]


def notes(
    built: Built, injection: Injection, options: LoraOptions, held: Mapping[str, int], element: str
) -> tuple[str, ...]:
    """One sentence each.

    Args:
        held: bytes of the trained parameters while they are trained, by dtype.
    """
    found = []
    total = injection.trainable
    saved = sum(injection.saved.values())
    if saved * 2 > total:
        names = ", ".join(sorted(injection.saved))
        found.append(
            f"most of it is not low-rank: {names} trained and saved whole make {saved:,} of "
            f"{total:,} parameters"
        )
    tied = sorted(name for name in injection.saved if f"{name}.weight" in built.tied)
    if tied:
        found.append(
            f"{', '.join(tied)} shares its weight with another layer, and is trained as a full copy"
        )
    found += _experts(built, injection, options)
    if injection.embeddings:
        count = sum(injection.embeddings.values())
        found.append(
            f"on disk it is {injection.written:,} parameters: PEFT saves the base weights of "
            f"adapted embeddings as well ({', '.join(injection.embeddings)}, {count:,})"
        )
    if injection.frozen:
        found.append(f"{injection.frozen:,} parameters of it are saved and not trained")
    if options.task_type in ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS") and not injection.saved:
        found.append(
            f"counted on the class that generates text: a model for {options.task_type} has "
            "another head, sized by the number of labels, which PEFT trains whole"
        )
    if options.init_lora_weights == "eva":
        found.append("initialize_lora_eva_weights moves rank between layers, and changes the count")
    found += _held(held, element)
    if built.reason:
        # What casts doubt on the whole figure comes first.
        found.insert(0 if built.basis == CONTRADICTED else len(found), built.reason)
    if built.claim:
        found.insert(0, built.claim)
    return tuple(found)


def _held(held: Mapping[str, int], element: str) -> list[str]:
    """In what the parameters are trained, where that is not the model's own dtype."""
    if len(held) > 1:
        shown = ", ".join(f"{size:,} bytes in {dtype}" for dtype, size in held.items())
        return [
            "while training, PEFT by default holds the low-rank part and token rows in float32 "
            f"(autocast_adapter_dtype), and what is saved whole as the model is: {shown}"
        ]
    if element not in ("BF16", "F16") or "float32" not in held:
        return []
    return [
        "while training, PEFT by default holds the adapter in float32 "
        f"(autocast_adapter_dtype): {held['float32']:,} bytes"
    ]


def _experts(built: Built, injection: Injection, options: LoraOptions) -> list[str]:
    """Which of several counts of fused experts this is, and what the others would be."""
    explicit = naive = converted = 0
    for module in built.modules:
        for short, shape in module.parameters.items():
            if len(shape) != 3 or leaf(module.name) != "experts" or "bias" in short:
                continue
            experts, rows, columns = shape
            inputs, outputs = (rows, columns) if module.transposed else (columns, rows)
            # The joined gate and up projection is two layers of half the outputs.
            joined = 2 if "gate_up" in short else 1
            explicit += experts * options.r * (inputs + outputs)
            converted += experts * options.r * joined * (inputs + outputs)
            naive += experts * options.r * (joined * inputs + outputs)
    if not explicit:
        return []
    adapted = {item.name for item in injection.adapted if item.experts > 1}
    count = sum(item.parameters for item in injection.adapted if item.name in adapted)
    each = f"one adapter for each expert and projection {naive:,}"
    if not adapted:
        return [
            "experts: none of the fused experts' parameters is adapted; explicit "
            f"target_parameters would make {explicit:,}, {each}"
        ]
    if injection.converted and not options.target_parameters:
        return [
            f"experts: {count:,} parameters by PEFT's conversion of target_modules, which gives "
            f"the joined gate_up_proj twice the rank; explicit target_parameters would make "
            f"{explicit:,}, {each}"
        ]
    conversion = (
        f"PEFT's conversion of target_modules would make {converted:,}, "
        if experts_moved(built)
        else ""
    )
    return [
        f"experts: {count:,} parameters by explicit target_parameters, at the rank as it is; "
        f"{conversion}{each} over all of them"
    ]
