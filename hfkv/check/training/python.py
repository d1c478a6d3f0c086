"""Calls in Python: PEFT's ``LoraConfig(...)``, and unsloth's ``get_peft_model``."""

from __future__ import annotations

from hfkv.check.asked import Asked, Slip
from hfkv.check.text.placeholder import HOLE
from hfkv.check.text.python_calls import BASE, CALL, TARGETS
from hfkv.check.training.fields import Fields, Section, near_key
from hfkv.check.training.inline import FIELDS
from hfkv.peft.lora.fields import KNOWN
from hfkv.reading import printable

__all__ = ["python"]

#: unsloth's own defaults.
_RANK = 16
_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def python(section: Section) -> list[Asked] | None:
    """The adapter that a call sets up; None where the mapping is no call."""
    value = section.value
    name = value.get(CALL)
    if not isinstance(name, str):
        return None
    if name == TARGETS:
        read = Fields(section)
        read.take("target_modules", "target_modules")
        return [read.asked("Python", None, needs_base=False)]
    fast = name.endswith("get_peft_model")
    lora = fast or name == "LoraConfig"
    read = Fields(section, converts=False)
    wanted = FIELDS if lora else ("target_modules", "modules_to_save")
    for key in value:
        if key in wanted:
            read.take(key, key)
    if not fast and lora:
        for key in value:
            near = (
                near_key(key, KNOWN) if key not in KNOWN and key not in (CALL, BASE, "type") else ""
            )
            if near:
                message = f"LoraConfig takes no '{printable(key, 60)}'; did you mean {near}?"
                read.slips.append(Slip(code="HFKV111", path=(*section.path, key), message=message))
    if fast:
        if read.fields.get("r") is None and "r" not in read.unknown:
            read.fields["r"] = _RANK
        if "target_modules" not in value:
            read.fields["target_modules"] = _TARGETS
        if read.fields.get("target_modules") == "all-linear" or "Vision" in name:
            # unsloth makes an expression of its own of these.
            read.unknown.add("target_modules")
            read.fields.pop("target_modules", None)
    elif lora and "r" not in value:
        read.fields["r"] = 8
    if value.get("lora_alpha") not in (None, HOLE):
        read.fields["lora_alpha"] = value["lora_alpha"]
    base = section.first(BASE)
    return [
        read.asked(
            "unsloth" if fast else "PEFT",
            base,
            lora=lora,
            own_experts=fast,
            needs_base=False,
            exact_types=not fast,
            uncounted="" if lora else f"the parameters of {printable(name, 30)} are not counted",
        )
    ]
