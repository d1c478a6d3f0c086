"""ms-swift's YAML and flags: ``model``, ``tuner_type: lora``, ``lora_rank``, ``target_modules``."""

from __future__ import annotations

from hfkv.check.asked import Asked, EveryLinear
from hfkv.check.training.fields import Fields, Section, context, model_name

__all__ = ["swift"]

#: ms-swift's own default.
_RANK = 8
#: The key has had three names.
_KINDS = ("tuner_type", "train_type", "sft_type")
_BASES = ("model", "model_id_or_path")
_KEYS = (
    *_KINDS, "lora_rank", "lora_alpha", "lora_dropout", "target_modules", "target_regex",
    "modules_to_save", "max_length", "lora_bias", "lora_dtype", "model_type", "model_name",
    "model_author", "lora_modules", "target_parameters", "lora_target_modules", "model_revision",
)  # fmt: skip
#: What ``all-linear`` leaves out; of models with towers, ms-swift takes the language model's.
_EVERY = EveryLinear(but=("lm_head", "score", "v_head", "classifier"), anywhere=True)


def swift(section: Section) -> list[Asked] | None:
    """The adapter of an ms-swift config; an empty list where it trains none, None where it is no
    such config."""
    value = section.value
    kind = section.first(*_KINDS)
    base = section.first(*_BASES)
    if kind is None or base is None or not isinstance(kind[0], str):
        return None
    if kind[0] not in ("lora", "longlora", "adalora"):
        return []
    read = Fields(section)
    key = "lora_target_modules" if "lora_target_modules" in value else "target_modules"
    targets = read.targets(key, default="all-linear")
    if isinstance(targets, str):
        targets = [targets]
    if isinstance(targets, list):
        if any(item in ("ALL", "DEFAULT", "EMBEDDING", "AUTO") for item in targets):
            read.unknown.add("target_modules")
        # These words stand for what it looks up itself, beside the names.
        named = [item for item in targets if not str(item).startswith("all-")]
        read.fields["target_modules"] = named
    every = None
    if not isinstance(targets, list) or "all-linear" in targets:
        also = read.fields.get("target_modules")
        beside = tuple(map(str, also)) if isinstance(also, list) else ()
        every = EveryLinear(but=_EVERY.but, anywhere=True, beside=beside)
    if isinstance(value.get("target_regex"), str):
        every = None
        read.take("target_regex", "target_modules")
    read.take("lora_rank", "r", _RANK)
    saved = read.take("modules_to_save", "modules_to_save")
    if isinstance(saved, str):
        read.fields["modules_to_save"] = [saved]
    if isinstance(saved, list) and any(str(item).startswith("all-") for item in saved):
        read.unknown.add("modules_to_save")
    for name in ("lora_dropout", "use_dora", "target_parameters"):
        read.take(name, name)
    read.misspelt(_KEYS)
    return [
        read.asked(
            "ms-swift",
            base,
            revision=model_name(value.get("model_revision")),
            every_linear=every,
            own_towers=True,
            **(
                {}
                if value.get("rope_scaling")
                else context(
                    section,
                    ("max_length",),
                    ("per_device_train_batch_size",),
                    packed=value.get("packing"),
                )
            ),
        )
    ]
