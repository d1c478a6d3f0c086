"""Write ``hfkv/data/peft.json``: what PEFT holds as data, and the fields of its ``LoraConfig``."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from hfkv.live.build import transformers

__all__ = ["fields_of", "generate", "main", "text"]

TARGET = Path(__file__).parent.parent / "data" / "peft.json"


def generate() -> dict[str, Any]:
    """The facts of the pinned PEFT."""
    import peft
    from peft.utils import constants
    from peft.utils import transformers_weight_conversion as conversion
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as DEFAULT
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    # Looked up by the built model's own type, which for a text part is not the whole's.
    converted = {
        model_type: base
        for model_type, base in sorted(conversion._MODEL_TO_CONVERSION_PATTERN.items())
        if base in conversion._MOE_TARGET_MODULE_MAPPING
        and get_checkpoint_conversion_mapping(model_type) is not None
    }
    return {
        "peft": peft.__version__,
        "transformers": transformers().__version__,
        "default_targets": {
            key: sorted(value) if isinstance(value, (list, set, tuple)) else value
            for key, value in sorted(DEFAULT.items())
        },
        "expert_conversions": converted,
        "expert_targets": conversion._MOE_TARGET_MODULE_MAPPING,
        "expert_fused": conversion._MOE_FUSED_TARGETS,
        "embedding_layers": list(constants.EMBEDDING_LAYER_NAMES),
        "classifier_heads": list(constants.SEQ_CLS_HEAD_NAMES),
        "shortened_from": constants.MIN_TARGET_MODULES_FOR_OPTIMIZATION,
        "fields": fields_of(peft.LoraConfig),
        "task_types": [item.value for item in peft.TaskType],
    }


def fields_of(cls: Any) -> dict[str, Any]:
    """Each field of a config class with its default, as JSON."""
    found = {}
    for field in dataclasses.fields(cls):
        value = field.default
        if value is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        if dataclasses.is_dataclass(value):
            value = dataclasses.asdict(value)  # type: ignore[arg-type]
        found[field.name] = None if value is dataclasses.MISSING else value
    return found


def text() -> str:
    """The file."""
    return json.dumps(generate(), indent=1, ensure_ascii=True) + "\n"


def main() -> None:
    """Write the file."""
    TARGET.write_text(text(), encoding="utf-8")
