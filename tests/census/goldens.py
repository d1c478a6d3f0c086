"""Record what the pinned transformers caches hold, for the tests that run without it.

``python -m tests.census.goldens [TYPE ...]`` writes ``tests/fixtures/cache_goldens``, one file per
text-generating class of each type in the registry: the default config and the tensors of every
layer at several lengths.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.census.published import DECODERS, MORE_LENGTHS
from tests.census.towers import COMPOSITES, stand_in_for_timm

FOLDER = Path(__file__).parent.parent / "fixtures" / "cache_goldens"

#: Defaults that are inconsistent, with the smallest change that makes the class run.
OVERRIDES: dict[str, dict[str, Any]] = {
    # The class computes a scale from head_dim, which only its published configs state.
    "ministral": {"head_dim": 128},
    "ministral3": {},
    **DECODERS,
    **COMPOSITES,
}
_WINDOWS = ("sliding_window", "attention_chunk_size")


def lengths(config: Any) -> list[int]:
    """1, 2, some hundreds, and just below, at and above each window."""
    found = {1, 2, 300}
    for key in _WINDOWS:
        window = config.to_dict().get(key)
        if isinstance(window, int) and 2 < window < 9000:
            found |= {window - 1, window, window + 1}
    return sorted(found)


def compact(layers: Iterable[Any]) -> list[list[Any]]:
    """Runs of equal layers: ``[how many, tensors]``."""
    runs: list[list[Any]] = []
    for layer in layers:
        tensors = [[name, list(shape), dtype] for name, shape, dtype in layer]
        if runs and runs[-1][1] == tensors:
            runs[-1][0] += 1
        else:
            runs.append([1, tensors])
    return runs


def record(model_type: str, name: str | None = None) -> dict[str, Any]:
    """The default config of a type and what its cache holds."""
    from hfkv.live.build import build, transformers
    from hfkv.live.cache import read_cache, run

    stand_in_for_timm()
    config = transformers().CONFIG_MAPPING[model_type](**OVERRIDES.get(model_type, {}))
    raw = json.loads(config.to_json_string(use_diff=False))
    text = config.get_text_config(decoder=True)
    model = build(config, name=name)
    return {
        "model_type": model_type,
        "class": name or type(model).__name__,
        "config": {key: value for key, value in raw.items() if key not in _LEFT_OUT},
        "runs": [
            {"tokens": tokens, "layers": compact(read_cache(run(model, tokens)))}
            for tokens in sorted({*lengths(text), *MORE_LENGTHS.get(model_type, ())})
        ],
    }


_LEFT_OUT = ("id2label", "label2id", "vision_config", "transformers_version", "_name_or_path")


def load() -> list[dict[str, Any]]:
    """Every recording, by name."""
    return [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]


def main(types: Sequence[str]) -> None:
    """Write the recordings of these types, or of every exact row that has a class."""
    from hfkv.cache import ROWS
    from hfkv.live.build import pairs, transformers

    for model_type, name in pairs():
        row = ROWS.get(model_type)
        if (types and model_type not in types) or row is None or row.basis != "exact":
            continue
        try:
            value = {"transformers": transformers().__version__, **record(model_type, name)}
        except Exception as error:
            print("left out:", model_type, name, type(error).__name__, str(error)[:100])
            continue
        (FOLDER / f"{model_type}-{name}.json").write_text(
            json.dumps(value, separators=(",", ":")) + "\n"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
