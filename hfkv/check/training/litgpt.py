"""LitGPT's YAML: ``checkpoint_dir`` and switches such as ``lora_query``.

LitGPT has its own model classes, in which query, key and value are one layer. Its switches are
named here as transformers names what they adapt.
"""

from __future__ import annotations

from hfkv.check.asked import Asked
from hfkv.check.text.places import KeyPath
from hfkv.check.training.fields import Fields, Section, context

__all__ = ["litgpt"]

#: Switch to (its default, the modules that it adapts).
_SWITCHES: dict[str, tuple[bool, tuple[str, ...]]] = {
    "lora_query": (True, ("q_proj",)),
    "lora_key": (False, ("k_proj",)),
    "lora_value": (True, ("v_proj",)),
    "lora_projection": (False, ("o_proj",)),
    "lora_mlp": (False, ("gate_proj", "up_proj", "down_proj")),
    "lora_head": (False, ("lm_head",)),
}
_KEYS = (*_SWITCHES, "lora_r", "lora_alpha", "lora_dropout", "checkpoint_dir")
_RANK = 8


def litgpt(section: Section) -> list[Asked] | None:
    """The adapter of a LitGPT config; None where it is no such config."""
    value = section.value
    if "checkpoint_dir" not in value or not any(key in value for key in ("lora_r", *_SWITCHES)):
        return None
    read = Fields(section)
    read.take("lora_r", "r", _RANK)
    targets: list[str] = []
    written: dict[str, str] = {}
    for key, (default, names) in _SWITCHES.items():
        if value.get(key, default) is True:
            targets += names
            written.update(dict.fromkeys(names, key))
    read.fields["target_modules"] = targets
    read.names["target_modules"] = next(iter(written.values()), "lora_query")
    read.places["target_modules"] = (*section.path, read.names["target_modules"])
    read.misspelt(_KEYS)
    found = context(section.below("train"), ("max_seq_length",), ("micro_batch_size",))
    return [
        read.asked(
            "LitGPT",
            _base(section),
            items={"target_modules": written},
            translated=True,
            **found,
        )
    ]


def _base(section: Section) -> tuple[object, KeyPath]:
    """LitGPT downloads ``org/name`` to ``checkpoints/org/name``."""
    folder = section.value["checkpoint_dir"]
    if isinstance(folder, str):
        parts = folder.rstrip("/").split("/")
        if len(parts) > 2 and parts[-3] == "checkpoints":
            folder = "/".join(parts[-2:])
    return folder, (*section.path, "checkpoint_dir")
