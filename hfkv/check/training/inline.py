"""A ``LoraConfig`` written out inside another config, ``peft_config: {r: 8, ...}``, and scripts
with names of their own: ``base_model``, ``lora_r``, ``lora_target_modules``."""

from __future__ import annotations

from typing import Any

from hfkv.check.asked import Asked
from hfkv.check.text.places import KeyPath
from hfkv.check.training.fields import Fields, Section, model_name

__all__ = ["FIELDS", "inline"]

#: Keys under which configs name the model, in this order.
_BASES = (
    "base_model_name_or_path",
    "model_name_or_path",
    "pretrained_model_name_or_path",
    "base_model_name",
    "base_model_id",
    "base_model",
    "model_name",
    "model_id",
    "model_path",
    "pretrained_model",
    "pretrained",
)
#: The fields that decide what is adapted; whatever else stands beside them is the script's own.
FIELDS = frozenset(
    """r target_modules exclude_modules rank_pattern alpha_pattern layers_to_transform
    layers_pattern modules_to_save target_parameters trainable_token_indices bias use_dora
    lora_bias fan_in_fan_out ensure_weight_tying lora_dropout task_type layer_replication""".split()
)
_TARGETS = ("target_modules", "lora_target_modules", "lora_targets", "lora_target")
_RANKS = ("r", "lora_r", "lora_rank", "rank")
#: Keys of a LoraConfig that no other mapping has beside its targets.
_TELLING = (*_RANKS, "lora_alpha", "lora_dropout", "peft_type", "alpha")
_EVERY = ("all-linear", "all_linear", "all")
#: Words of trainers whose modules are of other classes than transformers'.
_FOREIGN = ("network_module", "network_dim", "unet", "unet_lora", "diffusion_model", "transformer")


def inline(section: Section) -> list[Asked] | None:
    """The adapter of a mapping that names targets and says a rank; None where it does not. The
    model is named beside or around it."""
    value = section.value
    targets = next((key for key in _TARGETS if key in value), None)
    if targets is None or not any(key in value for key in _TELLING):
        return None
    if str(value.get("peft_type", "LORA")).upper() != "LORA":
        return []
    if any(key in part.value for part in (section, *section.around) for key in _FOREIGN):
        return []
    if value[targets] in ("", []):
        return []  # it trains all of the model
    rank = next((key for key in _RANKS if key in value), None)
    own = targets == "target_modules" and rank in ("r", None)
    read = Fields(section)
    found = read.targets(targets, every=_EVERY)
    if isinstance(found, str) and not own and found.isidentifier():
        read.fields["target_modules"] = [found]
    if found is None:
        read.unknown.add("target_modules")
    if rank is not None:
        read.take(rank, "r")
    for key in value:
        if own and key in FIELDS and key not in ("r", "target_modules"):
            read.take(key, key)
    if not own:
        for key, name in (
            ("lora_modules_to_save", "modules_to_save"),
            ("modules_to_save", "modules_to_save"),
        ):
            if isinstance(value.get(key), list):
                read.take(key, name)
    if not isinstance(read.fields.get("r", 8), int):
        return []
    if _sleeps(section):
        return []
    return [read.asked("LoRA", _base(section), needs_base=False)]


def _sleeps(section: Section) -> bool:
    """Whether the config itself says that no adapter is trained."""
    for part in (section, *section.around[:2]):
        for key in ("enabled", "enable", "use_lora", "use_peft", "lora_enable", "lora_enabled"):
            if part.value.get(key) is False:
                return True
    return False


def _base(section: Section) -> tuple[Any, KeyPath] | None:
    for part in (section, *section.around):
        found = _named(part)
        if found is not None:
            return found
    return None


def _named(section: Section) -> tuple[str, KeyPath] | None:
    value = section.value
    for key in _BASES:
        name = model_name(value.get(key))
        if name is not None:
            return name, (*section.path, key)
    inner = section.below("model")
    if inner is not None:
        for key in (*_BASES, "name", "path", "id"):
            name = model_name(inner.value.get(key))
            if name is not None:
                return name, (*inner.path, key)
    elif model_name(value.get("model")) is not None:
        return str(value["model"]).strip(), (*section.path, "model")
    return None
