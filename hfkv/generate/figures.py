"""What hfkv says of every type's default config by the tables of a folder.

``python -m hfkv.generate.figures FOLDER`` prints it as JSON, for a report that compares two
folders: the program is this one, whatever tables it reads.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["ENCODER", "TOKENS", "main"]

#: Tokens of the cache; of an encoder's output, where it attends to one.
TOKENS, ENCODER = 4096, 1024


def main() -> None:
    """Print type and class to ``kv`` (bytes) and ``lora`` (parameters): a number, or why none."""
    from hfkv import data

    # Before anything reads a table.
    data._FOLDER = str(Path(sys.argv[1]).absolute())
    from hfkv.facts.classes import known_types

    found = {
        f"{model_type} {name}": _said(model_type, name)
        for model_type, names in known_types().items()
        for name in names
    }
    print(json.dumps(found))


def _said(model_type: str, name: str) -> dict[str, Any]:
    from hfkv.errors import HfkvError
    from hfkv.facts import Facts
    from hfkv.model import Model

    config = {"model_type": model_type, "architectures": [name]}
    model = Model(Facts(model=model_type, source="directory", config=config))

    def cache() -> int:
        try:
            return model.kv_cache(tokens=TOKENS, dtype="bf16").bytes
        except HfkvError:
            # Beside an encoder, whose output it keeps too.
            return model.kv_cache(tokens=TOKENS, dtype="bf16", encoder_tokens=ENCODER).bytes

    def adapter() -> int:
        return model.lora(r=8, target_modules="all-linear", dtype="bf16").trainable_parameters

    found: dict[str, Any] = {}
    for key, ask in (("kv", cache), ("lora", adapter)):
        try:
            found[key] = ask()
        except HfkvError as error:
            found[key] = str(error)
    return found


if __name__ == "__main__":
    main()
