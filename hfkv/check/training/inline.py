"""A ``LoraConfig`` written out inside another config: ``peft_config: {r: 8, ...}``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hfkv.check.asked import Asked
from hfkv.check.document import KeyPath
from hfkv.check.training.fields import model_name

__all__ = ["inline"]

#: Keys under which configs name the model, in this order.
_BASES = (
    "base_model_name_or_path",
    "model_name_or_path",
    "pretrained_model_name_or_path",
    "base_model",
    "model_name",
    "model_id",
)
_DEEPEST = 6
#: The fields that decide what is adapted; whatever else stands beside them is the script's own.
_FIELDS = frozenset(
    """r target_modules exclude_modules rank_pattern alpha_pattern layers_to_transform
    layers_pattern modules_to_save target_parameters trainable_token_indices bias use_dora
    lora_bias fan_in_fan_out ensure_weight_tying lora_dropout task_type layer_replication""".split()
)
#: Keys of a LoraConfig that no other mapping has beside ``target_modules``.
_TELLING = ("r", "lora_alpha", "lora_dropout", "peft_type")


def inline(value: Mapping[str, Any], root: KeyPath) -> Iterator[Asked]:
    """Every mapping in a file that is a ``LoraConfig``, with the model named beside or around."""
    yield from _search(value, root, None, (), 0)


def _search(
    value: Mapping[str, Any], path: KeyPath, base: str | None, base_path: KeyPath, depth: int
) -> Iterator[Asked]:
    named = _named(value, path)
    if named is not None:
        base, base_path = named
    if "target_modules" in value and any(key in value for key in _TELLING):
        kind = value.get("peft_type", "LORA")
        if kind == "LORA" and isinstance(value.get("r", 8), int):
            yield Asked(
                kind="LoRA",
                base=base,
                base_path=base_path or path,
                fields={key: item for key, item in value.items() if key in _FIELDS},
                places={key: (*path, key) for key in value if key in _FIELDS},
                uncounted="" if "r" in value else "the file does not say the rank",
                needs_base=False,
            )
        return
    if depth < _DEEPEST:
        for key, item in value.items():
            if isinstance(item, Mapping):
                yield from _search(item, (*path, str(key)), base, base_path, depth + 1)


def _named(value: Mapping[str, Any], path: KeyPath) -> tuple[str, KeyPath] | None:
    for key in _BASES:
        name = model_name(value.get(key))
        if name is not None:
            return name, (*path, key)
    inner = value.get("model")
    if isinstance(inner, Mapping):
        for key in (*_BASES, "name", "path"):
            name = model_name(inner.get(key))
            if name is not None:
                return name, (*path, "model", key)
    elif model_name(inner) is not None:
        return str(inner).strip(), (*path, "model")
    return None
