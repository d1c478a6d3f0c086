"""The Python that makes an adapter."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from hfkv.peft.lora.options import LoraOptions

__all__ = ["keywords", "snippet"]

#: Fields kept as pairs; PEFT takes a variant's config as a dict.
_MAPPINGS = ("rank_pattern", "use_bdlora", "kasa_config", "monteclora_config", "velora_config")


def snippet(options: LoraOptions) -> str:
    """``LoraConfig(...)`` with every field that is not at its default.

    >>> snippet(LoraOptions(r=8, target_modules=("q_proj",), use_dora=True))
    "LoraConfig(r=8, target_modules=['q_proj'], use_dora=True, task_type='CAUSAL_LM')"
    """
    given = {**keywords(options), "task_type": options.task_type or "CAUSAL_LM"}
    return f"LoraConfig({', '.join(f'{name}={value!r}' for name, value in given.items())})"


def keywords(options: LoraOptions) -> dict[str, Any]:
    """The same as keyword arguments of ``LoraConfig``, in plain Python types."""
    found: dict[str, Any] = {"r": options.r}
    if options.target_modules is not None:
        found["target_modules"] = _listed(options.target_modules)
    for field in fields(options):
        if field.name in ("r", "target_modules", "ignored", "lora_dropout"):
            continue
        value = getattr(options, field.name)
        if field.default is not MISSING and value == field.default:
            continue
        found[field.name] = _listed(_plain(field.name, value))
    return found


def _plain(name: str, value: Any) -> Any:
    if name in _MAPPINGS:
        return {key: list(item) if isinstance(item, tuple) else item for key, item in value}
    if name == "layer_replication":
        return [list(pair) for pair in value]
    if name == "trainable_token_indices":
        found = {key: list(indices) for key, indices in value}
        return found[""] if list(found) == [""] else found
    return value


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
