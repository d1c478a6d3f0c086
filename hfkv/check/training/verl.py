"""verl's Hydra configs and overrides: a ``model`` with ``lora_rank`` and ``target_modules``."""

from __future__ import annotations

from hfkv.check.asked import Asked
from hfkv.check.training.fields import Fields, Section, context

__all__ = ["verl"]

_EVERY = ("all-linear", "all_linear")


def verl(section: Section) -> list[Asked] | None:
    """The adapter of a ``model`` mapping of verl; an empty list where it trains none, None where
    it is no such mapping."""
    value = section.value
    base = section.first("path", "partial_pretrain")
    if base is None or "lora_rank" not in value:
        return None
    if value["lora_rank"] in (0, "0", None):
        return []
    read = Fields(section)
    read.take("lora_rank", "r")
    targets = read.targets("target_modules", every=_EVERY, default="all-linear")
    if isinstance(targets, str) and targets != "all-linear" and targets.isidentifier():
        # verl splits what stands on one line.
        read.fields["target_modules"] = [targets]
    if value.get("exclude_modules"):
        read.take("exclude_modules", "exclude_modules")
    read.misspelt(
        ("lora_rank", "lora_alpha", "target_modules", "exclude_modules", "lora_adapter_path")
    )
    data = None
    for above in section.around:
        data = above.below("data")
        if data is not None:
            break
    return [
        read.asked(
            "verl",
            base,
            **context(data, ("max_length",), ("micro_batch_size_per_gpu", "micro_batch_size")),
        )
    ]
