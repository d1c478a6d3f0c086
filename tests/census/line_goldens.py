"""Record what the classes of an older line of transformers did, for the tests that run without it.

``python -m tests.census.line_goldens FOLDER`` takes the small defaults of each class from the files
that ``python -m hfkv.generate line_held FOLDER`` wrote, and writes them to ``tests/fixtures``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hfkv.release_lines import LINES
from tests.census.goldens import compact

(LINE,) = LINES
FILE = Path(__file__).parent.parent / "fixtures" / f"line_{LINE}.jsonl"


def recorded(model_type: str, name: str, trial: Mapping[str, Any]) -> dict[str, Any]:
    """A trial as it is kept: the config, the tensors of every layer, and what adapters come to."""
    held = trial["held"] or {}
    return {
        "model_type": model_type,
        "name": name,
        "raw": trial["raw"],
        "encoder": trial["encoder"],
        "held": {
            tokens: compact([(n, tuple(s), d) for n, s, d in layer] for layer in layers)
            for tokens, layers in held.items()
        },
        "adapters": {
            key: None if "error" in found else [found["trainable"], found["all"]]
            for key, found in (trial["adapters"] or {}).items()
        },
    }


def load() -> list[dict[str, Any]]:
    """All recordings."""
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Write the recordings."""
    lines = []
    for place in sorted(Path(sys.argv[1]).glob("*.held")):
        model_type, _, name = place.stem.rpartition(".")
        trials = json.loads(place.read_text(encoding="utf-8"))
        first = next((item for item in trials if item["origin"] == "default"), None)
        if first is not None and first["held"] is not None:
            lines.append(json.dumps(recorded(model_type, name, first)))
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
