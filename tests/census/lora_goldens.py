"""The LoRA census as recorded: ``python -m tests.census.lora_goldens`` writes it anew from the
pinned transformers and PEFT (some ten minutes), and with types after it those alone."""

from __future__ import annotations

import copy
import gzip
import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

PATH = Path(__file__).parent.parent / "fixtures" / "lora_census.json.gz"


@cache
def records() -> list[dict[str, Any]]:
    """Every recorded class: ``model_type``, ``class``, ``config``, ``header`` and ``cases``, each
    ``[options, what PEFT made]``. To be looked at and left as they are."""
    with gzip.open(PATH, "rt", encoding="utf-8") as file:
        found: list[dict[str, Any]] = json.load(file)
    return found


def record(model_type: str, name: str) -> dict[str, Any]:
    """One class, measured now."""
    from hfkv.live.lora import build_for, measure
    from hfkv.tensors import Tensor, TensorTable
    from tests.census.lora_cases import cases, published, small_config
    from tests.census.lora_compare import pack, summary

    config = small_config(model_type, name)
    values = json.loads(config.to_json_string(use_diff=False))
    model = build_for(copy.deepcopy(config), name)
    header = TensorTable(
        Tensor(name=tensor, dtype=dtype, shape=shape) for tensor, dtype, shape in published(model)
    )
    return {
        "model_type": model_type,
        "class": name,
        "config": values,
        "header": pack(header),
        "cases": {
            case: [
                options,
                summary(measure(build_for(copy.deepcopy(config), name), copy.deepcopy(options))),
            ]
            for case, options in cases(model).items()
        },
    }


def classes() -> Iterator[tuple[str, str]]:
    """Every class that has a module table."""
    from hfkv.generate.module_tables import TARGET

    index = json.loads((TARGET / "INDEX.json").read_text(encoding="utf-8"))
    for model_type, names in index["types"].items():
        for name in names:
            yield model_type, name


def write(found: list[dict[str, Any]]) -> None:
    """The file, the same bytes for the same content."""
    data = json.dumps(found, separators=(",", ":")).encode()
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_bytes(gzip.compress(data, 9, mtime=0))


if __name__ == "__main__":
    wanted = sys.argv[1:]
    kept = {(item["model_type"], item["class"]): item for item in records()} if wanted else {}
    write(
        [
            record(*key) if not wanted or key[0] in wanted or key not in kept else kept[key]
            for key in classes()
        ]
    )
