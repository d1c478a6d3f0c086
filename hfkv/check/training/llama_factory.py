"""LLaMA-Factory's YAML and flags: ``finetuning_type: lora`` with ``lora_target`` and ``lora_rank``;
of its version 1 ``peft_config`` with ``name: lora``."""

from __future__ import annotations

from hfkv.check.asked import Asked, EveryLinear
from hfkv.check.training.fields import Fields, Section, context, model_name, names

__all__ = ["llama_factory"]

#: LLaMA-Factory's own default.
_RANK = 8
#: What ``lora_target: all`` leaves out, wherever it stands in a module's name.
_EVERY = EveryLinear(but=("lm_head",), anywhere=True)
_KEYS = (
    "lora_target", "lora_rank", "lora_alpha", "lora_dropout", "additional_target", "use_dora",
    "finetuning_type", "create_new_adapter", "adapter_name_or_path", "cutoff_len", "use_rslora",
    "loraplus_lr_ratio", "loraplus_lr_embedding", "pissa_init", "pissa_iter", "pissa_convert",
    "resize_vocab", "use_llama_pro", "model_revision", "freeze_trainable_layers",
    "freeze_vision_tower", "freeze_multi_modal_projector",
)  # fmt: skip


def llama_factory(section: Section) -> list[Asked] | None:
    """The adapter of a LLaMA-Factory config; an empty list where it trains none, None where it is
    no such config."""
    value = section.value
    second = section.below("peft_config")
    if second is not None and "model" in value and "name" in second.value:
        return _second(section, second)
    if "model_name_or_path" not in value:
        return None
    if not any(key in value for key in ("finetuning_type", "lora_target")) and (
        "lora_rank" not in value or any(key in value for key in ("use_peft", "use_lora"))
    ):
        return None
    if "lora_target_modules" in value and "lora_target" not in value:
        return None
    if value.get("finetuning_type", "lora") != "lora":
        return []
    if not any(key in value for key in ("do_train", "lora_target", "lora_rank")):
        return []  # it exports or serves what was trained
    if value.get("adapter_name_or_path") and value.get("create_new_adapter") is not True:
        return []  # it goes on with an adapter that is there
    read = Fields(section)
    targets = read.targets("lora_target", default="all")
    if isinstance(targets, str) and "," not in targets:
        targets = [targets]
    every = None
    if targets == ["all"] or ("target_modules" not in read.fields and not read.unknown):
        every = _EVERY
    if targets is not None:
        read.fields["target_modules"] = targets
    read.take("lora_rank", "r", _RANK)
    if read.take("additional_target", "modules_to_save") is not None:
        saved = names(read.fields["modules_to_save"])
        read.fields["modules_to_save"] = [saved] if isinstance(saved, str) else saved
    read.take("lora_dropout", "lora_dropout")
    read.take("use_dora", "use_dora")
    read.misspelt(_KEYS)
    read.fields["task_type"] = "CAUSAL_LM"
    uncounted = ""
    if value.get("use_llama_pro") is True:
        uncounted = "use_llama_pro adapts the layers that it adds"
    elif value.get("resize_vocab") is True and value.get("additional_target") is None:
        uncounted = "resize_vocab trains the embeddings as well"
    length = (
        {}
        if value.get("rope_scaling")
        else context(
            section, ("cutoff_len",), ("per_device_train_batch_size",), packed=value.get("packing")
        )
    )
    return [
        read.asked(
            "LLaMA-Factory",
            (value["model_name_or_path"], (*section.path, "model_name_or_path")),
            revision=model_name(value.get("model_revision")),
            every_linear=every,
            uncounted=uncounted,
            own_towers=True,
            **length,
        )
    ]


def _second(section: Section, peft: Section) -> list[Asked]:
    if peft.value.get("name") != "lora":
        return []
    read = Fields(peft)
    targets = read.targets("target_modules", default="all")
    read.take("r", "r", _RANK)
    for name in ("lora_dropout", "modules_to_save", "exclude_modules", "use_dora", "lora_alpha"):
        read.take(name, name)
    every = _EVERY if targets in ("all", ["all"]) else None
    return [
        read.asked(
            "LLaMA-Factory",
            section.first("model"),
            every_linear=every,
            own_towers=True,
            **context(section, ("cutoff_len", "max_seqlen"), ("micro_batch_size",)),
        )
    ]
