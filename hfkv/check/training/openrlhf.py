"""OpenRLHF's flags: ``--pretrain``, ``--lora_rank`` and ``--target_modules``."""

from __future__ import annotations

from hfkv.check.asked import Asked
from hfkv.check.training.fields import Fields, Section, context

__all__ = ["openrlhf"]


def openrlhf(section: Section) -> list[Asked] | None:
    """The adapter of OpenRLHF's flags; an empty list where they train none, None where they are
    none of its."""
    value = section.value
    if "pretrain" not in value or "lora_rank" not in value:
        return None
    if value["lora_rank"] in (0, "0", None):
        return []
    read = Fields(section)
    read.take("lora_rank", "r")
    # Its parser makes a list of whatever there is.
    read.targets("target_modules", every=("all-linear",), default="all-linear", listed=True)
    read.misspelt(("lora_rank", "lora_alpha", "lora_dropout", "target_modules"))
    return [
        read.asked(
            "OpenRLHF",
            section.first("pretrain"),
            **context(
                section,
                ("max_len", "max_length"),
                ("micro_train_batch_size",),
                packed=value.get("packing_samples"),
            ),
        )
    ]
