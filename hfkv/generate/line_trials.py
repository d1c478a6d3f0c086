"""The first step of a line's table (:mod:`hfkv.generate.line`): configs to hold it against.

``python -m hfkv.generate line_trials FOLDER [--configs FOLDER] [--seconds N] [TYPE...]`` runs with
the newest release, whose classes say which keys they read. It writes ``FOLDER/TYPE.CLASS.json``:
the class's defaults made small, published configs, and each key varied alone and with others, as
far as the class takes them (:mod:`hfkv.generate.adopt_trials`).
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hfkv.cache.registry import ROWS
from hfkv.errors import UnsupportedError
from hfkv.generate.adopt import published, read_by_plans
from hfkv.generate.adopt_trials import Class
from hfkv.generate.plan_builds import plain
from hfkv.generate.plan_configs import Space, space_of, value_at
from hfkv.generate.trials import OVERRIDES
from hfkv.modules.class_plan import plan_of

__all__ = ["main", "trials_of"]

#: Random configs of each class, and published ones at most.
_COUNT = 16
_WAYS = 4
_HEAD = 48
_REAL = 8
#: What is said of types whose defaults can be built but not run, or have no layer of one kind.
_STARTS: Mapping[str, Mapping[str, Any]] = {
    "bamba": {"attn_layer_indices": [1, 3]},
    "deepseek_v2": {"num_experts_per_tok": 6, "moe_intermediate_size": 1408},
    "granitemoehybrid": {
        "num_hidden_layers": 8,
        "layer_types": ["mamba", "attention", "mamba", "mamba"] * 2,
    },
}


def trials_of(
    model_type: str,
    name: str,
    *,
    real: Sequence[Mapping[str, Any]] = (),
    seconds: float,
    count: int = _COUNT,
) -> Iterator[dict[str, Any]]:
    """The trials of one class, as JSON has them; begins none after so many seconds."""
    start = time.monotonic()
    cls = Class(model_type, name)
    own = [ROWS[model_type]] if model_type in ROWS else []
    for trial in cls.trials(count=count, real=real, alone=read_by_plans(own, cls)):
        yield {
            "raw": dict(trial.raw),
            "origin": trial.origin,
            "changed": list(trial.changed),
            "lengths": sorted(trial.held),
            "encoder": trial.encoder,
        }
        if time.monotonic() - start > seconds:
            return


def built_of(model_type: str, name: str, raw: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Configs of other modules: each key that the class's plan makes anything of, varied alone.

    Args:
        raw: of the small default, spelled out.
    """
    try:
        read = plan_of(model_type, name)
    except UnsupportedError:
        return
    text = str((read.modules, read.parameters, read.lengths, read.tied, read.input, read.output))
    space = space_of(model_type, name)
    base: Any = raw
    for key in filter(None, space.path.split(".")):
        base = base[key]
    known = {path: value for path, value in base.items() if path in space.keys}
    chance = random.Random(f"{model_type} {name}")
    # Published files state the size of a head where their class does not read it.
    yield _built({**known, "head_dim": _HEAD}, space, "head_dim")
    for path in read.keys:
        if path not in space.keys or not re.search(rf"(?<![\w.]){re.escape(path)}(?!\w)", text):
            continue
        for _ in range(_WAYS):
            values = space.change(known, [path], chance)
            if value_at(values, path) == value_at(known, path) or plain(space, values) is None:
                continue
            yield _built(values, space, path)
            break


def _built(values: Mapping[str, Any], space: Space, path: str) -> dict[str, Any]:
    return {
        "raw": space.wrap(values),
        "origin": "built",
        "changed": [path],
        "lengths": [],
        "encoder": None,
    }


def main() -> None:
    """Write the trials of the types named, or of all that generate text."""
    from hfkv.live.build import pairs

    parser = argparse.ArgumentParser(prog="python -m hfkv.generate line_trials")
    parser.add_argument("folder", type=Path)
    parser.add_argument("types", nargs="*", metavar="TYPE")
    parser.add_argument("--configs", type=Path, help="a folder of published configs")
    parser.add_argument("--seconds", type=float, default=20, help="of each class")
    asked = parser.parse_intermixed_args(sys.argv[2:])
    OVERRIDES.update({name: dict(values) for name, values in _STARTS.items()})
    asked.folder.mkdir(parents=True, exist_ok=True)
    for model_type in asked.types or sorted({pair[0] for pair in pairs()}):
        for name in [name for other, name in pairs() if other == model_type]:
            place = asked.folder / f"{model_type}.{name}.json"
            if place.exists():
                continue
            found: list[dict[str, Any]] = []
            try:
                real = published(asked.configs, model_type)
                real = real[:: len(real) // _REAL + 1]
                found += trials_of(model_type, name, real=real, seconds=asked.seconds)
            except Exception as error:
                # A class that cannot be tried is one without a proof.
                print(f"{model_type} {name}: {type(error).__name__}: {error}"[:300])
            default = next((item for item in found if item["origin"] == "default"), None)
            if default is not None:
                found += built_of(model_type, name, default["raw"])
            place.write_text(json.dumps(found), encoding="utf-8")
            print(f"{model_type} {name}: {len(found)} configs", flush=True)
