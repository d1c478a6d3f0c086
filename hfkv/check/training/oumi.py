"""oumi's YAML: ``model.model_name``, ``training.use_peft`` and a ``peft`` mapping."""

from __future__ import annotations

from hfkv.check.asked import Asked
from hfkv.check.training.fields import Fields, Section, context

__all__ = ["oumi"]

_RANK = 8
_KEYS = (
    "lora_r", "lora_alpha", "lora_dropout", "lora_target_modules", "lora_modules_to_save",
    "lora_bias", "lora_init_weights", "lora_task_type", "lora_target_parameters", "peft_method",
)  # fmt: skip


def oumi(section: Section) -> list[Asked] | None:
    """The adapter of an oumi config; an empty list where it trains none, None where it is no such
    config."""
    model, peft, training = (section.below(key) for key in ("model", "peft", "training"))
    if model is None or peft is None or "model_name" not in model.value:
        return None
    if not any(isinstance(key, str) and key.startswith("lora_") for key in peft.value):
        return None
    if training is not None and training.value.get("use_peft", False) is not True:
        return []
    read = Fields(peft)
    read.targets("lora_target_modules", every=("all-linear", "all_linear"))
    read.take("lora_r", "r", _RANK)
    read.take("lora_modules_to_save", "modules_to_save")
    read.take("lora_target_parameters", "target_parameters")
    read.take("lora_dropout", "lora_dropout")
    read.misspelt(_KEYS)
    base = model.first("model_name")
    found = context(model, ("model_max_length",))
    if training is not None:
        found.update(
            {
                key: item
                for key, item in context(training, (), ("per_device_train_batch_size",)).items()
                if key == "batch"
            }
        )
    return [read.asked("oumi", base, **found)]
