"""Write ``hfkv/data/loaded_otherwise.json``: what a class holds otherwise than its dtype says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hfkv.generate.plan_builds import without_values
from hfkv.generate.trials import default_config
from hfkv.live.build import pairs, transformers
from hfkv.live.lora import build_for

__all__ = ["generate", "main", "text"]

TARGET = Path(__file__).parent.parent / "data" / "loaded_otherwise.json"
_NUMBER = re.compile(r"(?<=\.)[0-9]+(?=\.|$)")


def generate(types: set[str] | None = None) -> dict[str, dict[str, list[str]]]:
    """Class to what a model of it, built in bfloat16, has otherwise.

    ``made``: parameters that the class makes in float32, ``{}`` for each number in their names;
    ``strict`` and ``half``: its expressions (``_keep_in_fp32_modules_strict``,
    ``_keep_in_fp32_modules``), which a built model gathers from the models inside it;
    ``unlike``: modules of a class of their own that is a ``torch.nn.Linear`` too, which
    bitsandbytes passes over. Classes that have none are left out, and so are those whose defaults
    make no model.
    """
    from torch.nn import Linear

    found: dict[str, dict[str, list[str]]] = {}
    for model_type, name in pairs():
        if types is not None and model_type not in types:
            continue
        holder: Any = getattr(transformers(), name)
        made: set[str] = set()
        unlike: set[str] = set()
        try:
            with without_values():
                holder = build_for(default_config(model_type), name)
        except Exception as error:  # some defaults make no model; the class's own are known
            print(f"{name}: {error}"[:100])
        else:
            made = {
                _NUMBER.sub("{}", key)
                for key, parameter in holder.named_parameters()
                if str(parameter.dtype) == "torch.float32"
            }
            unlike = {
                _NUMBER.sub("{}", key)
                for key, module in holder.named_modules()
                if isinstance(module, Linear) and type(module) is not Linear
            }
        kept = {
            "made": sorted(made),
            "unlike": sorted(unlike),
            "strict": sorted(getattr(holder, "_keep_in_fp32_modules_strict", None) or ()),
            "half": sorted(getattr(holder, "_keep_in_fp32_modules", None) or ()),
        }
        kept = {key: values for key, values in kept.items() if values}
        if kept:
            found[name] = kept
    return dict(sorted(found.items()))


def text(found: Mapping[str, Any]) -> str:
    """The file."""
    return json.dumps(found, indent=1) + "\n"


def main() -> None:
    """Write the file."""
    TARGET.write_text(text(generate()), encoding="utf-8")
