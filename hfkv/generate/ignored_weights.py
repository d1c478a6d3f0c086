"""Write ``hfkv/data/ignored_weights.json``: what a class passes over on loading."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hfkv.generate.plan_builds import without_values
from hfkv.generate.trials import default_config
from hfkv.live.build import pairs, transformers
from hfkv.live.lora import build_for

__all__ = ["generate", "main", "text"]

TARGET = Path(__file__).parent.parent / "data" / "ignored_weights.json"


def generate(types: set[str] | None = None) -> dict[str, list[str]]:
    """Class to the expressions of its ``_keys_to_ignore_on_load_unexpected``, which a built model
    gathers from the models inside it; classes that have none are left out."""
    found: dict[str, list[str]] = {}
    for model_type, name in pairs():
        if types is not None and model_type not in types:
            continue
        holder: Any = getattr(transformers(), name)
        try:
            with without_values():
                holder = build_for(default_config(model_type), name)
        except Exception as error:  # some defaults make no model; the class's own are known
            print(f"{name}: {error}"[:100])
        patterns = sorted(getattr(holder, "_keys_to_ignore_on_load_unexpected", None) or ())
        if patterns:
            found[name] = patterns
    return dict(sorted(found.items()))


def text(found: Mapping[str, Any]) -> str:
    """The file."""
    return json.dumps(found, indent=1) + "\n"


def main() -> None:
    """Write the file."""
    TARGET.write_text(text(generate()), encoding="utf-8")
