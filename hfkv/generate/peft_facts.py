"""Write ``hfkv/data/peft.json``: PEFT's default targets and its conversions of expert targets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hfkv.live.build import pairs, transformers

__all__ = ["generate", "main"]

TARGET = Path(__file__).parent.parent / "data" / "peft.json"


def generate() -> dict[str, Any]:
    """The facts of the pinned PEFT."""
    import peft
    from peft.utils import transformers_weight_conversion as conversion
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as DEFAULT
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    converted = {}
    for model_type in sorted({model_type for model_type, _ in pairs()}):
        base = conversion._MODEL_TO_CONVERSION_PATTERN.get(model_type)
        if (
            base in conversion._MOE_TARGET_MODULE_MAPPING
            and get_checkpoint_conversion_mapping(model_type) is not None
        ):
            converted[model_type] = base
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
    }


def main() -> None:
    """Write the file."""
    text = json.dumps(generate(), indent=1, ensure_ascii=True)
    TARGET.write_text(text + "\n", encoding="utf-8")
