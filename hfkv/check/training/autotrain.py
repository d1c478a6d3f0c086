"""autotrain's YAML: ``task``, ``base_model`` and ``params`` with ``peft: true``."""

from __future__ import annotations

from hfkv.check.asked import Asked
from hfkv.check.training.fields import Fields, Section, context

__all__ = ["autotrain"]

_RANK = 16
_KEYS = (
    "lora_r", "lora_alpha", "lora_dropout", "target_modules", "model_max_length", "block_size",
    "batch_size", "peft", "merge_adapter", "max_completion_length", "max_prompt_length",
)  # fmt: skip


def autotrain(section: Section) -> list[Asked] | None:
    """The adapter of an autotrain config; an empty list where it trains none, None where it is no
    such config."""
    value = section.value
    params = section.below("params")
    if params is None or "base_model" not in value or "task" not in value:
        return None
    if params.value.get("peft") is not True:
        return []
    read = Fields(params)
    read.take("lora_r", "r", _RANK)
    read.take("lora_dropout", "lora_dropout")
    # It splits at commas whatever there is.
    read.targets("target_modules", every=("all-linear",), default="all-linear", listed=True)
    read.misspelt(_KEYS)
    return [
        read.asked(
            "autotrain",
            section.first("base_model"),
            **context(params, ("model_max_length", "block_size"), ("batch_size",)),
        )
    ]
