"""H2O LLM Studio's YAML: ``llm_backbone`` and ``training`` with ``lora: true``."""

from __future__ import annotations

from hfkv.check.asked import Asked, EveryLinear
from hfkv.check.training.fields import Fields, Section, context

__all__ = ["h2o"]

_RANK = 4
_KEYS = (
    "lora_r", "lora_alpha", "lora_dropout", "lora_target_modules", "lora_unfreeze_layers",
    "use_dora", "use_rslora", "batch_size",
)  # fmt: skip


def h2o(section: Section) -> list[Asked] | None:
    """The adapter of an H2O LLM Studio config; an empty list where it trains none, None where it
    is no such config."""
    training = section.below("training")
    if "llm_backbone" not in section.value or training is None:
        return None
    if training.value.get("lora") is not True:
        return []
    read = Fields(training)
    read.take("lora_r", "r", _RANK)
    targets = read.targets("lora_target_modules", listed=True)
    read.take("lora_dropout", "lora_dropout")
    read.take("use_dora", "use_dora")
    read.misspelt(_KEYS)
    every = None
    if targets is None and "target_modules" not in read.unknown:
        # An empty text is every linear layer but the head.
        every = EveryLinear(but=("lm_head", "embed_out"), anywhere=True)
    length = context(section.below("tokenizer"), ("max_length",))
    size = context(training, (), ("batch_size",))
    return [
        read.asked(
            "H2O LLM Studio",
            section.first("llm_backbone"),
            every_linear=every,
            uncounted="lora_unfreeze_layers trains more"
            if training.value.get("lora_unfreeze_layers")
            else "",
            **{**size, **length},
        )
    ]
