"""``adapter_config.json`` as PEFT writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hfkv.check.asked import Asked
from hfkv.check.training.fields import model_name
from hfkv.reading import printable

__all__ = ["adapter_of", "is_adapter"]

#: Kinds of adapters beside LoRA that choose modules by ``target_modules``: their names are checked.
_TARGETING = frozenset(
    """ADALORA BOFT C3A FOURIERFT HRA IA3 LN_TUNING LOHA LOKR MISS OFT POLY RANDLORA ROAD SHIRA
    VBLORA VERA WAVEFT XLORA""".split()
)
_NAMES = ("target_modules", "modules_to_save", "exclude_modules")


def is_adapter(value: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a PEFT config, by what it holds."""
    return isinstance(value.get("peft_type"), str)


def adapter_of(value: Mapping[str, Any]) -> Asked | None:
    """What a PEFT config asks; None for a kind that targets no modules."""
    kind = str(value["peft_type"])
    revision = value.get("revision")
    counted = kind == "LORA"
    if not counted and (kind not in _TARGETING or not value.get("target_modules")):
        return None
    return Asked(
        kind=f"PEFT {printable(kind, 20)}",
        base=model_name(value.get("base_model_name_or_path")),
        base_path=("base_model_name_or_path",),
        revision=revision if isinstance(revision, str) and revision else None,
        fields={key: item for key, item in value.items() if counted or key in _NAMES},
        places={key: (key,) for key in value},
        uncounted="" if counted else f"the parameters of {printable(kind, 20)} are not counted",
        lora=counted,
        owns_header=True,
    )
