"""What a reader of an adapter's size must be told beside the number."""

from __future__ import annotations

from hfkv.lora.built import Built
from hfkv.lora.inject import Injection, near_names
from hfkv.lora.options import LoraOptions
from hfkv.reading import printable

__all__ = ["notes"]


def notes(
    built: Built, injection: Injection, options: LoraOptions, element: str
) -> tuple[str, ...]:
    """One sentence each."""
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
            f"{', '.join(tied)} shares its weight with another layer, and is trained as a full "
            "copy of its own"
        )
    found += _experts(injection, options)
    if injection.embeddings:
        count = sum(injection.embeddings.values())
        found.append(
            f"on disk it is {injection.written:,} parameters: PEFT saves the base weights of "
            f"adapted embeddings as well ({', '.join(injection.embeddings)}, {count:,})"
        )
    if injection.frozen:
        found.append(f"{injection.frozen:,} parameters of it are saved and not trained")
    if injection.unmatched:
        near = near_names(built, injection.unmatched)
        found.append(
            f"no module is named {', '.join(map(printable, injection.unmatched[:6]))}, and PEFT "
            "goes on without" + (f"; near names: {', '.join(near)}" if near else "")
        )
    if options.task_type in ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS") and not injection.saved:
        found.append(
            f"counted on the class that generates text: a model for {options.task_type} has a head "
            "of its own, by the number of labels, which PEFT trains whole"
        )
    if options.init_lora_weights == "eva":
        found.append("initialize_lora_eva_weights moves rank between layers, and changes the count")
    if element in ("BF16", "F16"):
        found.append(
            "while training, PEFT by default holds the adapter in float32 "
            f"(autocast_adapter_dtype): {total * 4:,} bytes"
        )
    if built.reason:
        found.append(built.reason)
    return tuple(found)


def _experts(injection: Injection, options: LoraOptions) -> list[str]:
    """Which of several counts of fused experts this is."""
    fused = [item for item in injection.adapted if item.experts > 1]
    if not fused or not injection.converted:
        return []
    count = sum(item.parameters for item in fused)
    explicit = 0
    naive = 0
    for item in fused:
        explicit += item.experts * options.r * (item.inputs + item.outputs)
        joined = max(item.rank // options.r, 1)
        # Modules of their own: each of the joined projections has all inputs and its outputs.
        naive += item.experts * options.r * (joined * item.inputs + item.outputs)
    return [
        (
            f"experts: {count:,} parameters by PEFT's conversion of target_modules, which gives "
            f"the joined gate_up_proj twice the rank; explicit target_parameters would make "
            f"{explicit:,}, one adapter per expert and projection {naive:,}"
        )
    ]
