"""``adapter_config.json`` as PEFT writes it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from hfkv.check.asked import Asked, Slip
from hfkv.check.text.placeholder import is_placeholder
from hfkv.check.text.places import KeyPath
from hfkv.check.training.fields import model_name, near_key, of_diffusers
from hfkv.peft.lora.fields import KNOWN
from hfkv.reading import printable

__all__ = ["adapter_of", "is_adapter"]

#: Kinds of adapters beside LoRA that choose modules by ``target_modules``: their names are checked.
_TARGETING = frozenset(
    """ADALORA BOFT C3A FOURIERFT HRA IA3 LN_TUNING LOHA LOKR MISS OFT POLY RANDLORA ROAD SHIRA
    VBLORA VERA WAVEFT XLORA BONE DELORA GRALORA OSF""".split()
)
_OTHERS = frozenset(
    """PROMPT_TUNING P_TUNING PREFIX_TUNING MULTITASK_PROMPT_TUNING ADAPTION_PROMPT CPT
    TRAINABLE_TOKENS CARTRIDGE""".split()
)
_NAMES = ("target_modules", "modules_to_save", "exclude_modules")


def is_adapter(value: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a PEFT config, by what it holds."""
    kind = value.get("peft_type")
    if not isinstance(kind, str) or is_placeholder(kind):
        return False
    # Scripts have keys of that name as well, with values of their own.
    return kind.isupper() or "base_model_name_or_path" in value or "r" in value


def adapter_of(value: Mapping[str, Any], root: KeyPath) -> Asked | None:
    """What a PEFT config asks; None for a kind that targets no modules."""
    kind = str(value["peft_type"])
    slips = tuple(_slips(value, kind, root))
    if any(slip.path[-1:] == ("peft_type",) for slip in slips):
        kind = "LORA" if "r" in value else kind.upper()
    revision = value.get("revision")
    counted = kind == "LORA"
    if not counted and not slips and (kind not in _TARGETING or not value.get("target_modules")):
        return None
    unknown = frozenset(key for key, item in value.items() if is_placeholder(item))
    fields = {
        key: item
        for key, item in value.items()
        if (counted or key in _NAMES) and key not in unknown
    }
    if counted and any(slip.path[-1:] == ("lora_alpha",) for slip in slips):
        fields.pop("lora_alpha", None)
    return Asked(
        kind=f"PEFT {printable(kind, 20)}",
        base=model_name(value.get("base_model_name_or_path")),
        base_path=(*root, "base_model_name_or_path"),
        revision=revision if isinstance(revision, str) and revision else None,
        fields=fields,
        places={key: (*root, key) for key in value},
        slips=slips,
        unknown=unknown & KNOWN,
        uncounted="" if counted else f"the parameters of {printable(kind, 20)} are not counted",
        lora=counted,
        exact_types=True,
        owns_header=True,
        foreign=_foreign(value),
        needs_base=not is_placeholder(value.get("base_model_name_or_path")),
    )


def _foreign(value: Mapping[str, Any]) -> str:
    """The library of the class that is adapted, where that is another than transformers."""
    mapping = value.get("auto_mapping")
    library = mapping.get("parent_library") if isinstance(mapping, Mapping) else None
    first = library.partition(".")[0] if isinstance(library, str) else ""
    if first and first not in ("transformers", "transformers_modules", "peft"):
        return printable(first, 40)
    return "diffusers" if of_diffusers(value.get("target_modules")) else ""


def _slips(value: Mapping[str, Any], kind: str, root: KeyPath) -> Iterator[Slip]:
    kinds = _TARGETING | _OTHERS | {"LORA"}
    near = difflib.get_close_matches(kind.upper(), sorted(kinds), 1, 0.75)
    if kind not in kinds and near:
        yield Slip(
            code="HFKV107",
            path=(*root, "peft_type"),
            message=f"peft_type: '{printable(kind, 40)}' is none of PEFT's; "
            f"did you mean {near[0]}?",
        )
    for key in value if kind.upper() == "LORA" else ():
        other = near_key(key, KNOWN) if key not in KNOWN else ""
        if other and other not in value:
            yield Slip(
                code="HFKV111",
                path=(*root, key),
                message=f"'{printable(key, 60)}' is no field of PEFT's; did you mean {other}?",
            )
