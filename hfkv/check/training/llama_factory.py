"""LLaMA-Factory's YAML: ``finetuning_type: lora`` with ``lora_target`` and ``lora_rank``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hfkv.check.asked import Asked, EveryLinear
from hfkv.check.document import KeyPath
from hfkv.check.training.fields import Fields, model_name, names

__all__ = ["llama_factory"]

#: LLaMA-Factory's own default.
_RANK = 8
#: What ``lora_target: all`` leaves out, wherever it stands in a module's name.
_BUT = ("lm_head",)


def llama_factory(value: Mapping[str, Any], root: KeyPath, text: str) -> list[Asked] | None:
    """The adapter of a LLaMA-Factory config; an empty list where it trains none, None where it is
    no such config."""
    if "model_name_or_path" not in value:
        return None
    if not any(key in value for key in ("finetuning_type", "lora_target", "lora_rank")):
        return None
    if value.get("finetuning_type", "lora") != "lora":
        return []
    if not any(key in value for key in ("do_train", "lora_target", "lora_rank")):
        return []  # it exports or serves what was trained
    if value.get("adapter_name_or_path") and value.get("create_new_adapter") is not True:
        return []  # it goes on with an adapter that is there
    read = Fields(value, root)
    targets = names(read.take("lora_target", "target_modules", "all"))
    read.fields["target_modules"] = targets
    every = EveryLinear(but=_BUT, anywhere=True) if targets == ["all"] else None
    read.take("lora_rank", "r", _RANK)
    if read.take("additional_target", "modules_to_save") is not None:
        read.fields["modules_to_save"] = names(read.fields["modules_to_save"])
    read.take("lora_dropout", "lora_dropout")
    read.take("use_dora", "use_dora")
    read.fields["task_type"] = "CAUSAL_LM"
    uncounted = ""
    if value.get("use_llama_pro") is True:
        uncounted = "use_llama_pro adapts the layers that it adds"
    elif value.get("resize_vocab") is True and value.get("additional_target") is None:
        uncounted = "resize_vocab trains the embeddings as well"
    return [
        Asked(
            kind="LLaMA-Factory",
            base=model_name(value["model_name_or_path"]),
            base_path=(*root, "model_name_or_path"),
            revision=model_name(value.get("model_revision")),
            fields=read.fields,
            places=read.places,
            names=read.names,
            every_linear=every,
            uncounted=uncounted,
            own_towers=True,
        )
    ]
