"""Where the tables show a model as a part of another: the source of parts that have no class of
their own among those that generate text (vision and audio towers)."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["places"]


def places(folder: Path) -> dict[str, list[str]]:
    """Part's ``model_type`` to the table that has it: type, class, module name, config path."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.json")):
        if path.name == "INDEX.json":
            continue
        content = json.loads(path.read_text(encoding="utf-8"))
        for name, table in content["classes"].items():
            for module, _cls, model_type, config in table["parts"]:
                inside = any(module.startswith(f"{other[0]}.") for other in table["parts"])
                if "{}" not in module and not inside and config:
                    found.setdefault(model_type, [content["model_type"], name, module, config])
    return dict(sorted(found.items()))
