"""The second step of a line's table (:mod:`hfkv.generate.line`): what its own classes do.

``python -m hfkv.generate line_held FOLDER [TYPE...]`` runs where a release of that line is
installed. For each ``FOLDER/TYPE.CLASS.json`` it builds the class with every config there, and with
its own defaults as that release saves them, and writes what the cache held, which modules there
were, and what PEFT made of them.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from hfkv.facts.classes import config_class

__all__ = ["ADAPTERS", "ends", "held", "main", "modules_of"]

#: What PEFT makes of them is asked for these; of other configs the modules say it.
_ORIGINS = ("default", "real", "saved")
ADAPTERS: Mapping[str, Mapping[str, Any]] = {
    "all-linear": {"r": 8, "target_modules": "all-linear"},
    "default": {"r": 8},
    "names": {"r": 8, "target_modules": ["q_proj", "k_proj", "v_proj", "down_proj"]},
}
#: Fewer runs than these prove little.
_FEW = 9
#: Words in lists by layer that a class of this release has other words for.
_WORDS = {"granitemoehybrid": {"linear_attention": "mamba", "full_attention": "attention"}}
#: What every published file of a type states, and its class of this release cannot do without.
_MROPE = {"rope_scaling": {"type": "mrope", "rope_type": "default", "mrope_section": [16, 24, 24]}}
_STATED = dict.fromkeys(
    ("qwen2_vl_text", "qwen2_5_vl_text", "qwen3_vl_text", "qwen3_vl_moe_text"), _MROPE
)
#: How many configs of each sort are taken.
_MOST = {"default": 1, "built": 9, "bare": 1, "one": 9, "real": 2, "alone": 1, "together": 2}
#: How many experts a config may have, and what keys say it.
_EXPERTS = 16
_COUNTED = re.compile(r"^(num|n|moe_num)_(routed_|local_)?experts$")
#: Seconds of its own time that a class may take for one config.
_PATIENCE = 12


def ends(lengths: list[int]) -> list[int]:
    """The shortest and the longest of some lengths: one within a window and one beyond."""
    return sorted({min(lengths), max(lengths)})


def held(raw: Mapping[str, Any], name: str, lengths: list[int], encoder: int | None) -> Any:
    """What the class keeps at each length.

    Raises:
        Exception: whatever the class raises.
    """
    from hfkv.live.build import build, config_of
    from hfkv.live.filled_cache import read_cache, run

    model = build(config_of(copy.deepcopy(dict(raw))), name=name)
    return {str(n): read_cache(run(model, n, encoder_tokens=encoder)) for n in lengths}


def modules_of(raw: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The modules of the class, as :class:`hfkv.modules.built.Built` has them.

    Raises:
        Exception: whatever the class raises.
    """
    from hfkv.live.modules import live_built

    found = asdict(live_built({**copy.deepcopy(dict(raw)), "architectures": [name]}))
    for module in found["modules"]:
        module["stated"] = sorted(module["stated"])
    kept = ("modules", "input", "output", "tied", "loose", "to_input", "may_tie")
    return {key: found[key] for key in kept}


def _some(trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Some of each sort of trial, from first to last; first those that show what one key does."""
    found: list[dict[str, Any]] = []
    for origin, most in _MOST.items():
        of_it = [trial for trial in trials if _sort(trial) == origin]
        found += of_it[:: -(-len(of_it) // most) or 1]
    return found


def _sort(trial: Mapping[str, Any]) -> str:
    alone = trial["origin"] == "alone" and len(trial["changed"]) == 1
    return "one" if alone else str(trial["origin"])


def _few_experts(values: Any) -> Any:
    """A config with few experts, each of which is a module of its own here, and with infinity as
    4.x reads it from a file."""
    if isinstance(values, list):
        return [_few_experts(item) for item in values]
    if not isinstance(values, dict):
        return values
    if list(values) == ["__float__"]:
        return float(values["__float__"])
    return {
        key: min(value, _EXPERTS)
        if type(value) is int and _COUNTED.search(key)
        else _few_experts(value)
        for key, value in values.items()
    }


def _named_as_there(raw: Mapping[str, Any], model_type: str) -> dict[str, Any]:
    """A config with the names that its class of this release knows: the newest may save a key under
    another one, which published files do not have."""
    from hfkv.live.build import transformers

    made = dict(raw)
    for key, value in raw.items():
        if isinstance(value, dict):
            inner = value.get("model_type", f"{model_type}_text" if key == "text_config" else None)
            made[key] = value if inner is None else _named_as_there(value, inner)
    made |= {key: value for key, value in _STATED.get(model_type, {}).items() if not made.get(key)}
    words = _WORDS.get(model_type, {})
    for key, value in made.items() if words else ():
        if isinstance(value, list):
            made[key] = [words.get(item, item) if isinstance(item, str) else item for item in value]
    cls = config_class(model_type)
    if cls is None or model_type not in transformers().CONFIG_MAPPING:
        return made
    there = vars(transformers().CONFIG_MAPPING[model_type]())
    for alias, own in cls.attribute_map.items():
        if own in made and own not in there and alias in there:
            made[alias] = made.pop(own)
    return made


def _adapters(raw: Mapping[str, Any], name: str) -> dict[str, Any]:
    from hfkv.live.lora import live_lora

    return {key: live_lora(raw, options, name=name) for key, options in ADAPTERS.items()}


def _saved(name: str, trial: Mapping[str, Any]) -> dict[str, Any] | None:
    """The class's own small defaults as this release writes them into a file."""
    from hfkv.live.build import config_of

    whole = config_of(copy.deepcopy(dict(trial["raw"])))
    raw = json.loads(whole.to_json_string(use_diff=False))
    return {**trial, "raw": {**raw, "architectures": [name]}, "origin": "saved"}


def main() -> None:
    """Write what was held, type by type."""
    from hfkv.generate.plan_builds import timed, without_values

    parser = argparse.ArgumentParser(prog="python -m hfkv.generate line_held")
    parser.add_argument("folder", type=Path)
    parser.add_argument("types", nargs="*", metavar="TYPE")
    asked = parser.parse_intermixed_args(sys.argv[2:])
    ran = {name: metadata.version(name) for name in ("transformers", "peft")}
    (asked.folder / "versions").write_text(json.dumps(ran), encoding="utf-8")
    for place in sorted(asked.folder.glob("*.json")):
        model_type, _, name = place.stem.rpartition(".")
        out = place.with_suffix(".held")
        if out.exists() or (asked.types and model_type not in asked.types):
            continue
        trials = _some(json.loads(place.read_text(encoding="utf-8")))
        found: list[dict[str, Any]] = []
        first = next((trial for trial in trials if trial["origin"] == "default"), None)
        if first and sum(bool(trial["lengths"]) for trial in trials) < _FEW:
            # Of a class that few configs were run of, those that change its modules are run too.
            trials = [
                trial
                if trial["lengths"]
                else {**trial, "lengths": first["lengths"], "encoder": first["encoder"]}
                for trial in trials
            ]
        with without_values():
            own = timed(lambda: _saved(name, first)) if first else None  # noqa: B023
            for trial in [*trials, *([own] if own else [])]:
                raw = _few_experts(_named_as_there(trial["raw"], model_type))
                kept = trial["lengths"] and timed(
                    lambda: held(raw, name, ends(trial["lengths"]), trial["encoder"]),  # noqa: B023
                    _PATIENCE,
                )
                built = timed(lambda: modules_of(raw, name), _PATIENCE)  # noqa: B023
                adapters = None
                if built and trial["origin"] in _ORIGINS:
                    adapters = timed(lambda: _adapters(raw, name), 4 * _PATIENCE)  # noqa: B023
                found.append(
                    {
                        **trial,
                        "raw": raw,
                        "held": kept or None,
                        "built": built,
                        "adapters": adapters,
                    }
                )
        out.write_text(json.dumps(found), encoding="utf-8")
        kept_by = sum(item["held"] is not None for item in found)
        print(f"{model_type} {name}: {kept_by} of {len(found)} ran", flush=True)
