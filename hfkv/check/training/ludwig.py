"""Ludwig's YAML: ``model_type: llm``, ``base_model`` and ``adapter`` with ``type: lora``."""

from __future__ import annotations

from hfkv.check.asked import Asked
from hfkv.check.training.fields import Fields, Section, context

__all__ = ["ludwig"]

_RANK = 8
_KEYS = (
    "target_modules", "dropout", "alpha", "use_rslora", "use_dora", "bias_type", "postprocessor",
    "pretrained_adapter_weights",
)  # fmt: skip


def ludwig(section: Section) -> list[Asked] | None:
    """The adapter of a Ludwig config; an empty list where it trains none, None where it is no such
    config."""
    value = section.value
    if value.get("model_type") != "llm" or "base_model" not in value:
        return None
    adapter = section.below("adapter")
    if adapter is None or adapter.value.get("type") != "lora":
        return []
    read = Fields(adapter)
    read.take("r", "r", _RANK)
    targets = read.targets("target_modules")
    if isinstance(targets, str):
        read.fields["target_modules"] = targets
    read.take("use_dora", "use_dora")
    read.misspelt(_KEYS)
    if adapter.value.get("pretrained_adapter_weights"):
        return []
    processing = section.below("preprocessing")
    return [
        read.asked(
            "Ludwig",
            section.first("base_model"),
            **context(processing, ("global_max_sequence_length",)),
        )
    ]
