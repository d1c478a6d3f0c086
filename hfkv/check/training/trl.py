"""TRL's ``ModelConfig`` in YAML and flags, and scripts on transformers that took over its names."""

from __future__ import annotations

from hfkv.check.asked import Asked
from hfkv.check.training.fields import Fields, Section, context, model_name
from hfkv.reading import printable

__all__ = ["trl"]

#: TRL's own defaults, which differ from PEFT's.
_RANK, _DROPOUT, _TASK = 16, 0.05, "CAUSAL_LM"
_KEYS = (
    "lora_r", "lora_rank", "lora_alpha", "lora_dropout", "lora_target_modules",
    "lora_target_parameters", "lora_modules_to_save", "lora_task_type", "use_dora", "use_rslora",
    "use_peft", "model_revision", "max_seq_length", "max_length", "lora_exclude_modules",
    "lora_weight_path", "lora_weights", "lora_layers", "lora_bias", "lora_path", "lora_alpha_r",
)  # fmt: skip
_EVERY = ("all-linear", "all_linear", "all")


def trl(section: Section) -> list[Asked] | None:
    """The adapter of a TRL config; an empty list where it trains none, None where it is no such
    config."""
    value = section.value
    if "model_name_or_path" not in value:
        return None
    # Scripts that do not have TRL's flag have defaults of their own.
    own = value.get("use_peft") is True
    if not own and not any(isinstance(key, str) and key.startswith("lora_") for key in value):
        return None
    if value.get("use_peft", value.get("use_lora", True)) is not True:
        return []
    read = Fields(section)
    if own:
        targets = read.take("lora_target_modules", "target_modules")
    else:
        targets = read.targets("lora_target_modules", every=_EVERY)
        if isinstance(targets, str) and targets.replace("_", "").isalnum():
            read.fields["target_modules"] = [targets]
    hints = {}
    if own and isinstance(targets, list) and len(targets) == 1 and isinstance(targets[0], str):
        # ModelConfig.__post_init__ unpacks a list of one; PEFT then takes it as an expression.
        name = read.fields["target_modules"] = targets[0]
        hints["target_modules"] = (
            "TRL hands a list of one on as an expression for the whole name: write "
            f"'.*{printable(name, 60)}', or name another one as well"
        )
    rank = read.take("lora_r", "r", _RANK if own else None)
    if rank is None:
        rank = read.take("lora_rank", "r")
    read.take("lora_modules_to_save", "modules_to_save")
    read.take("lora_target_parameters", "target_parameters")
    read.take("lora_dropout", "lora_dropout", _DROPOUT if own else None)
    read.take("lora_task_type", "task_type", _TASK if own else None)
    read.take("use_dora", "use_dora")
    if own:  # other scripts have keys of their own, and more of them
        read.misspelt(_KEYS)
    if not own and targets is None:
        # Whoever wrote the script decides which targets are its default.
        read.unknown.add("target_modules")
    return [
        read.asked(
            "TRL" if own else "LoRA",
            (value["model_name_or_path"], (*section.path, "model_name_or_path")),
            revision=model_name(value.get("model_revision")),
            hints=hints,
            **context(
                section,
                ("max_length", "max_seq_length"),
                ("per_device_train_batch_size",),
                packed=value.get("packing"),
            ),
        )
    ]
