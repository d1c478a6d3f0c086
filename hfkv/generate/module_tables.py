"""Write ``hfkv/data/modules``: what modules each text-generating class makes, and how published
names reach them. The format is described beside the tables."""

from __future__ import annotations

import copy
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hfkv.generate.loading_rules import conversions_of, parts_of
from hfkv.generate.module_rows import Rows, Ties, buffers_of, counts_of, unsaved_of
from hfkv.generate.part_places import places
from hfkv.generate.symbols import Int, symbolic
from hfkv.generate.trials import (
    FEW,
    OVERRIDES,
    VARIANTS,
    at,
    changes,
    default_config,
    merge,
    model_of,
    nested,
    value_of,
    variant_of,
)
from hfkv.live.build import pairs, transformers
from hfkv.live.embeddings import input_raises, name_of, tie_keys
from hfkv.live.lora import build_for, own_config

__all__ = ["OVERRIDES", "default_config", "generate", "index_text", "main", "table", "text"]

TARGET = Path(__file__).parent.parent / "data" / "modules"


def table(model_type: str, name: str) -> dict[str, Any]:
    """The table of one class."""
    config = default_config(model_type)
    build_for(default_config(model_type), name)  # loads the code before its numbers are watched
    model = model_of(config, name)
    rows = Rows()
    rows.add(model)
    own, path = own_config(default_config(model_type), name)
    counts = counts_of(model)
    keys: dict[str, str] = {}
    ties = Ties(model)
    for where, change in changes(own, set(counts.values())):
        value = at(own, where)
        if type(value) is int and value_of(change) == value - 1:
            variant = variant_of(model_type, name, path, change)
            for container, count in {} if variant is None else counts_of(variant).items():
                if counts.get(container) == at(own, where) and count == value_of(change):
                    keys.setdefault(container, where)
    # A file can say it otherwise than the object: Dory's counts two blocks for each layer.
    saved = own.to_dict()
    keys = {container: where for container, where in keys.items() if _is_saved(saved, where, own)}
    # Towers that a class has only where the config describes them: then rules come with them.
    missing: dict[str, Any] = {
        key: {} for key in getattr(own, "sub_configs", {}) or {} if getattr(own, key, None) is None
    }
    whole = model
    if missing and (rich := variant_of(model_type, name, path, missing)) is not None:
        whole = rich
        rows.add(whole)
    if (variant := variant_of(model_type, name, "", VARIANTS.get(model_type, {}))) is not None:
        rows.add(variant)
    # Some classes take flags of biases all alike, or not at all.
    biased = {key: True for key, on in vars(own).items() if "bias" in key and on is False}
    if len(biased) > 1 and (variant := variant_of(model_type, name, path, biased)) is not None:
        rows.add(variant)
    few: dict[str, Any] = {}
    for key in keys.values():
        if at(own, key) > FEW:
            merge(few, nested(key, FEW))
    if variant_of(model_type, name, path, few) is None:
        few = {}
    given: dict[str, Any] = {}
    for where, change in changes(own, set()):
        if at(own, where) is None and type(value_of(change)) is int:
            merge(given, change)
    crossed = {
        key: True
        for key in ("is_decoder", "add_cross_attention")
        if isinstance(getattr(own, key, None), bool)
    }
    if "add_cross_attention" not in crossed:
        crossed = {}
    for where, change in changes(own, set()):
        variant = None
        # A flag may need numbers that the defaults leave out, and lists have a length to keep.
        for start in (few, {}, given) if few else ({}, given):
            both = copy.deepcopy(start)
            merge(both, change)
            variant = variant or variant_of(model_type, name, path, both)
        if variant is None:
            continue
        rows.add(variant)
        ties.add(where, value_of(change), variant)
        # What comes with cross-attention can hang on the change as well.
        if crossed and (variant := variant_of(model_type, name, path, {**crossed, **change})):
            rows.add(variant)
    return {
        "config": path,
        "config_type": model.config.model_type,
        "base_model_prefix": model.base_model_prefix,
        "input_embeddings": name_of(model, model.get_input_embeddings),
        "output_embeddings": name_of(model, model.get_output_embeddings),
        "tied": ties.tied,
        "ties": ties.rules,
        "modules": rows.rows(),
        "buffers": buffers_of(whole),
        "unsaved": unsaved_of(model),
        "counts": keys,
        "derived": _derived(type(own)),
        "parts": parts_of(whole, whole.config),
        "conversions": conversions_of(whole),
        "tie_keys": tie_keys(model),
        **({"input_raises": True} if input_raises(model) else {}),
    }


def _is_saved(saved: Any, where: str, own: Any) -> bool:
    """Whether a file states a number as the object has it."""
    for key in where.split("."):
        saved = saved.get(key) if isinstance(saved, dict) else None
    return saved is None or bool(saved == at(own, where))


def _derived(cls: Any) -> dict[str, str]:
    """What the class puts where a key is null, as formulas over its other keys."""
    try:
        plain = cls()
        numbers = {
            key: Int(value, key)
            for key, value in vars(plain).items()
            if isinstance(value, int) and not isinstance(value, bool) and not key.startswith("_")
        }
        empty = {
            field.name
            for field in dataclasses.fields(cls)
            if field.default is None and field.name not in ("dtype", "torch_dtype")
        }
        given = {key: value for key, value in numbers.items() if key not in empty}
        with symbolic():
            made = cls(**given)
    except Exception:
        return {}
    found = {}
    for key in sorted(empty):
        value = getattr(made, key, None)
        if isinstance(value, Int) and value.text != key:
            found[key] = value.text
    return found


def generate(types: set[str] | None = None) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """Each type with its file's content, or with the reason why none of its classes can be had."""
    classes: dict[str, list[str]] = {}
    for model_type, name in pairs():
        if types is None or model_type in types:
            classes.setdefault(model_type, []).append(name)
    for model_type, names in classes.items():
        tables: dict[str, Any] = {}
        reasons = []
        for name in names:
            try:
                tables[name] = table(model_type, name)
            except Exception as error:
                first = str(error).strip().splitlines()[0].rstrip(":")
                reasons.append(f"{type(error).__name__}: {first}")
        if tables:
            yield model_type, {"model_type": model_type, "classes": tables}
        else:
            yield model_type, reasons[0]


def text(content: dict[str, Any]) -> str:
    """JSON with a line for each key, and for each module and rule, so that changes can be read."""
    blocks = []
    for name, entry in content["classes"].items():
        lines = []
        for key, value in entry.items():
            if isinstance(value, list) and value:
                rows = ",\n".join(f"   {json.dumps(row)}" for row in value)
                lines.append(f"  {json.dumps(key)}: [\n{rows}\n  ]")
            else:
                lines.append(f"  {json.dumps(key)}: {json.dumps(value)}")
        blocks.append(f" {json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n }")
    start = f'{{"model_type": {json.dumps(content["model_type"])}, "classes": {{\n'
    return start + ",\n".join(blocks) + "\n}}\n"


def index_text(index: dict[str, Any]) -> str:
    """The file of all types, when those of each are written."""
    sorted_ones = {key: dict(sorted(index[key].items())) for key in ("types", "refused")}
    return json.dumps({**index, **sorted_ones, "parts": places(TARGET)}, indent=1) + "\n"


def main() -> None:
    """Write the files of the types named on the command line, or of all."""
    import torch

    torch.set_num_threads(1)
    wanted = set(sys.argv[2:]) or None
    TARGET.mkdir(parents=True, exist_ok=True)
    index: dict[str, Any] = {"transformers": transformers().__version__, "types": {}, "refused": {}}
    path = TARGET / "INDEX.json"
    if wanted and path.exists():
        index = json.loads(path.read_text(encoding="utf-8"))
    for model_type, content in generate(wanted):
        index["types"].pop(model_type, None)
        index["refused"].pop(model_type, None)
        if isinstance(content, str):
            index["refused"][model_type] = content
        else:
            index["types"][model_type] = list(content["classes"])
            (TARGET / f"{model_type}.json").write_text(text(content), encoding="utf-8")
        print(model_type, content if isinstance(content, str) else "", flush=True)
    path.write_text(index_text(index), encoding="utf-8")
