"""TRL's ``ModelConfig`` in YAML, and scripts on transformers that took over its names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hfkv.check.asked import Asked
from hfkv.check.document import KeyPath
from hfkv.check.training.fields import Fields, model_name
from hfkv.reading import printable

__all__ = ["trl"]

#: TRL's own defaults, which differ from PEFT's.
_RANK, _DROPOUT, _TASK = 16, 0.05, "CAUSAL_LM"


def trl(value: Mapping[str, Any], root: KeyPath, text: str) -> list[Asked] | None:
    """The adapter of a TRL config; an empty list where it trains none, None where it is no such
    config."""
    if "model_name_or_path" not in value:
        return None
    # Scripts that do not have TRL's flag have defaults of their own.
    own = value.get("use_peft") is True
    if not own and not any(isinstance(key, str) and key.startswith("lora_") for key in value):
        return None
    if value.get("use_peft", value.get("use_lora", True)) is not True:
        return []
    read = Fields(value, root)
    targets = read.take("lora_target_modules", "target_modules")
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
    if rank is None:
        read.fields["r"] = 1
    return [
        Asked(
            kind="TRL" if own else "LoRA",
            base=model_name(value["model_name_or_path"]),
            base_path=(*root, "model_name_or_path"),
            revision=model_name(value.get("model_revision")),
            fields=read.fields,
            places=read.places,
            names=read.names,
            hints=hints,
            uncounted="" if rank is not None else "the file does not say the rank",
        )
    ]
