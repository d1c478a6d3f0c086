"""axolotl's YAML: ``base_model``, ``adapter: lora`` and the ``lora_`` and ``peft_`` keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hfkv.check.asked import Asked, EveryLinear
from hfkv.check.document import KeyPath
from hfkv.check.training.fields import Fields, model_name

__all__ = ["axolotl"]

#: The output embeddings that axolotl leaves out of ``lora_target_linear``, by their names.
_OUTPUTS = ("lm_head", "embed_out")
_FIELDS = {
    "lora_target_parameters": "target_parameters",
    "lora_modules_to_save": "modules_to_save",
    "lora_exclude_modules": "exclude_modules",
    "lora_fan_in_fan_out": "fan_in_fan_out",
    "lora_rank_pattern": "rank_pattern",
    "lora_alpha_pattern": "alpha_pattern",
    "lora_dropout": "lora_dropout",
    "peft_layers_to_transform": "layers_to_transform",
    "peft_layers_pattern": "layers_pattern",
    "peft_layer_replication": "layer_replication",
    "peft_trainable_token_indices": "trainable_token_indices",
    "peft_ensure_weight_tying": "ensure_weight_tying",
    "peft_use_dora": "use_dora",
}


def axolotl(value: Mapping[str, Any], root: KeyPath, text: str) -> list[Asked] | None:
    """The adapter of an axolotl config; an empty list where it trains none, None where it is no
    such config."""
    if "base_model" not in value or "adapter" not in value:
        return None
    if value["adapter"] not in ("lora", "qlora"):
        return []
    read = Fields(value, root)
    rank = read.take("lora_r", "r")
    for key, name in _FIELDS.items():
        if value.get(key):
            read.take(key, name)
    targets = read.take("lora_target_modules", "target_modules", [])
    every = None
    if value.get("lora_target_linear") is True:
        read.places.setdefault("target_modules", (*root, "lora_target_linear"))
        read.names.setdefault("target_modules", "lora_target_linear")
        beside = targets if isinstance(targets, list) else [targets]
        named = tuple(item for item in beside if isinstance(item, str))
        every = EveryLinear(but=_OUTPUTS, beside=named)
    uncounted = ""
    if value.get("lora_model_dir"):
        uncounted = "the adapter in lora_model_dir is trained on, whatever is set here"
    elif rank is None:
        uncounted = "the file does not say the rank"
    read.fields.setdefault("r", 1)
    return [
        Asked(
            kind="axolotl",
            base=model_name(value["base_model"]),
            base_path=(*root, "base_model"),
            revision=model_name(value.get("revision_of_model")),
            fields=read.fields,
            places=read.places,
            names=read.names,
            every_linear=every,
            uncounted=uncounted,
        )
    ]
