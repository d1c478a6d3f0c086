"""axolotl's YAML: ``base_model``, ``adapter: lora`` and the ``lora_`` and ``peft_`` keys."""

from __future__ import annotations

import difflib

from hfkv.check.asked import Asked, EveryLinear, Slip
from hfkv.check.text.placeholder import is_placeholder
from hfkv.check.training.fields import Fields, Section, context, model_name
from hfkv.reading import printable

__all__ = ["axolotl"]

#: The output embeddings that axolotl leaves out of ``lora_target_linear``, by their names.
_OUTPUTS = ("lm_head", "embed_out")
_KINDS = ("lora", "qlora", "llama-adapter")
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
_KEYS = (
    *_FIELDS, "lora_r", "lora_alpha", "lora_target_modules", "lora_target_linear",
    "lora_model_dir", "sequence_len", "micro_batch_size", "sample_packing", "peft_use_rslora",
    "peft_init_lora_weights", "lora_on_cpu", "base_model_config", "peft_autocast_adapter_dtype",
    "lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel", "lora_embedding_kernel",
)  # fmt: skip


def axolotl(section: Section) -> list[Asked] | None:
    """The adapter of an axolotl config; an empty list where it trains none, None where it is no
    such config."""
    value = section.value
    if "base_model" not in value or "adapter" not in value:
        return None
    kind = value["adapter"]
    read = Fields(section)
    if kind not in ("lora", "qlora"):
        near = difflib.get_close_matches(str(kind), _KINDS, 1, 0.7)
        if not isinstance(kind, str) or kind in _KINDS or is_placeholder(kind) or not near:
            return [] if not isinstance(kind, dict) else None
        message = f"adapter: '{printable(kind, 40)}' is no kind that axolotl knows"
        read.slips.append(
            Slip(
                code="HFKV107",
                path=(*section.path, "adapter"),
                message=f"{message}; did you mean {near[0]}?",
            )
        )
    rank = read.take("lora_r", "r")
    for key, name in _FIELDS.items():
        if value.get(key):
            read.take(key, name)
    targets = read.take("lora_target_modules", "target_modules", [])
    if targets == ["all-linear"]:
        targets = read.fields["target_modules"] = "all-linear"
    every = None
    if value.get("lora_target_linear") is True:
        read.places.setdefault("target_modules", (*section.path, "lora_target_linear"))
        read.names.setdefault("target_modules", "lora_target_linear")
        beside = targets if isinstance(targets, list) else [targets]
        named = tuple(item for item in beside if isinstance(item, str))
        every = EveryLinear(but=_OUTPUTS, beside=named)
    read.misspelt(_KEYS)
    uncounted = ""
    if value.get("lora_model_dir"):
        uncounted = "the adapter in lora_model_dir is trained on, whatever is set here"
    elif rank is None:
        uncounted = "the file does not say the rank"
    stretched = value.get("overrides_of_model_config") or value.get("rope_scaling")
    length = (
        {}
        if stretched
        else context(
            section, ("sequence_len",), ("micro_batch_size",), packed=value.get("sample_packing")
        )
    )
    return [
        read.asked(
            "axolotl",
            (value["base_model"], (*section.path, "base_model")),
            revision=model_name(value.get("revision_of_model")),
            every_linear=every,
            uncounted=uncounted,
            **length,
        )
    ]
