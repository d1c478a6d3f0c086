"""Write ``hfkv/data/cache_rows.json``: which file of ``hfkv/cache/rows`` has a type's row."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

__all__ = ["generate", "main", "text"]

TARGET = Path(__file__).parent.parent / "data" / "cache_rows.json"


def generate() -> dict[str, str]:
    """Type to file, by name.

    Raises:
        ValueError: a type has rows in two files.
    """
    folder = import_module("hfkv.cache.rows")
    found: dict[str, str] = {}
    for module in iter_modules(folder.__path__):
        for model_type in import_module(f"{folder.__name__}.{module.name}").ROWS:
            if model_type in found:
                raise ValueError(f"{model_type} is in {found[model_type]} and in {module.name}")
            found[model_type] = module.name
    return dict(sorted(found.items()))


def text() -> str:
    """The file."""
    return json.dumps(generate(), indent=0) + "\n"


def main() -> None:
    """Write the file."""
    TARGET.write_text(text(), encoding="utf-8")
