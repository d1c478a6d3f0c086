"""Write ``hfkv/data/peft_methods.json``: the config class of each of PEFT's tuners, its fields with
their defaults, and its default targets by model type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hfkv.generate.peft_facts import fields_of

__all__ = ["generate", "main", "text"]

TARGET = Path(__file__).parent.parent / "data" / "peft_methods.json"


def generate() -> dict[str, Any]:
    """The facts of the pinned PEFT: a table of targets that several methods have is there once."""
    import peft
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING
    from peft.utils import constants

    tables: dict[str, dict[str, Any]] = {}
    methods: dict[str, Any] = {}
    for kind, cls in sorted(PEFT_TYPE_TO_CONFIG_MAPPING.items()):
        if kind == "LORA":
            continue  # in peft.json
        tuner = PEFT_TYPE_TO_TUNER_MAPPING.get(kind)
        mapping = getattr(tuner, "target_module_mapping", None) or {}
        if kind == "IA3":
            mapping = constants.TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING
        methods[kind.value] = {
            "class": cls.__name__,
            "fields": fields_of(cls),
            "targets": _named(tables, kind.value, _plain(mapping)) if mapping else None,
        }
    forward = constants.TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING
    return {
        "peft": peft.__version__,
        "methods": methods,
        "targets": tables,
        "feedforward": _plain(forward),
    }


def _plain(mapping: Any) -> dict[str, Any]:
    return {
        key: sorted(value) if isinstance(value, (list, set, tuple)) else value
        for key, value in sorted(mapping.items())
    }


def _named(tables: dict[str, dict[str, Any]], name: str, table: dict[str, Any]) -> str:
    for known, other in tables.items():
        if other == table:
            return known
    tables[name] = table
    return name


def text() -> str:
    """The file."""
    return json.dumps(generate(), indent=1, ensure_ascii=True) + "\n"


def main() -> None:
    """Write the file."""
    TARGET.write_text(text(), encoding="utf-8")
