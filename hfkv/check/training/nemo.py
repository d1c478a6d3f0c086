"""NeMo's YAML: Automodel's ``peft`` and NeMo-RL's ``lora_cfg``, whose names may hold ``*``; and
``peft_scheme: lora`` of the older NeMo, which has modules of its own."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from hfkv.check.asked import Asked, EveryLinear, Slip
from hfkv.check.training.fields import Fields, Section, context
from hfkv.reading import describe

__all__ = ["nemo"]

_RANK = 8
_EVERY = EveryLinear(but=("lm_head",), anywhere=True)
_KEYS = (
    "target_modules", "exclude_modules", "match_all_linear", "dropout", "dropout_position",
    "lora_A_init", "lora_dtype", "use_triton", "use_dora",
)  # fmt: skip
#: Modules of Megatron's classes, which are not transformers'.
_MEGATRON = (
    "linear_qkv", "linear_proj", "linear_fc1", "linear_fc2", "linear_q", "linear_k", "linear_v",
    "linear_fc1_gate", "linear_fc1_up", "linear_q_proj", "linear_q_down_proj", "linear_q_up_proj",
    "linear_kv_down_proj", "linear_kv_up_proj", "in_proj", "out_proj", "router",
)  # fmt: skip
_SCHEMES = (
    "attention", "mlp", "all", "attention_qkv", "attention_dense", "mlp_fc1", "mlp_fc2",
    "attention_query", "attention_key_value",
)  # fmt: skip


def nemo(section: Section) -> list[Asked] | None:
    """The adapter of a mapping of NeMo's; an empty list where it trains none, None where it is no
    such mapping."""
    value = section.value
    tuning = section.below("lora_tuning")
    if "peft_scheme" in value and tuning is not None:
        return _older(section, tuning)
    target = value.get("_target_")
    automodel = (isinstance(target, str) and "PeftConfig" in target) or "match_all_linear" in value
    if "dim" not in value or not (automodel or ("target_modules" in value and "alpha" in value)):
        return None
    if value.get("enabled", True) is not True:
        return []
    read = Fields(section)
    read.take("dim", "r", _RANK)
    targets = read.targets("target_modules")
    read.take("exclude_modules", "exclude_modules")
    if not read.fields.get("exclude_modules"):
        read.fields.pop("exclude_modules", None)
    read.take("use_dora", "use_dora")
    read.misspelt(_KEYS)
    every = None
    if value.get("match_all_linear") is True or (targets is None and not read.unknown):
        every = _EVERY
    elif isinstance(targets, str):
        read.fields["target_modules"] = [targets]
    names = read.fields.get("target_modules")
    if isinstance(names, list) and names and all(str(name) in _MEGATRON for name in names):
        return []  # Megatron's classes are not checked
    base, length = _around(section)
    return [
        read.asked(
            "NeMo",
            base,
            every_linear=every,
            wildcards=True,
            needs_base=False,
            **length,
        )
    ]


def _around(section: Section) -> tuple[Any, dict[str, Any]]:
    """The model that a mapping around this one names, and the length of a sequence there."""
    for above in section.around:
        model = above.below("model")
        found = above.first("pretrained_model_name_or_path", "model_name")
        if found is None and model is not None:
            found = model.first("pretrained_model_name_or_path", "model_name")
        if found is not None:
            return found, context(
                above, ("max_total_sequence_length",), ("train_micro_batch_size",)
            )
    return None, {}


def _older(section: Section, tuning: Section) -> list[Asked]:
    if section.value["peft_scheme"] not in ("lora", "qlora"):
        return []
    return [
        Asked(
            kind="NeMo",
            base=None,
            base_path=section.path,
            slips=tuple(_scheme(tuning)),
            needs_base=False,
            uncounted="NeMo's own classes are not counted",
        )
    ]


def _scheme(tuning: Section) -> Iterator[Slip]:
    found = tuning.value.get("target_modules")
    for number, item in enumerate(found if isinstance(found, list) else []):
        if item not in (*_SCHEMES, *_MEGATRON) and "$" not in str(item):
            near = difflib.get_close_matches(str(item), (*_SCHEMES, *_MEGATRON), 1, 0.6)
            yield Slip(
                code="HFKV102",
                path=(*tuning.path, "target_modules", number),
                message=f"target_modules: {describe(item)} is no module that NeMo adapts"
                + (f"; did you mean {near[0]}?" if near else ""),
            )
