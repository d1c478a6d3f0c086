"""Write ``hfkv/data/classes``: what each config class of the pinned transformers fills in."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from hfkv.generate.config_keywords import filled_nulls, keyword_defaults
from hfkv.generate.config_probes import (
    fixed_parts,
    flat_keys,
    is_json,
    old_names,
    sub_defaults,
    typeless_defaults,
)
from hfkv.live.build import pairs, transformers

__all__ = ["LEFT_OUT", "entry", "generate", "main", "text"]

TARGET = Path(__file__).parent.parent / "data" / "classes"

#: Keys of every config that no figure depends on: generation, labels, bookkeeping.
LEFT_OUT = frozenset(
    [
        "architectures",
        "transformers_version",
        "id2label",
        "label2id",
        "problem_type",
        "return_dict",
        "output_attentions",
        "output_hidden_states",
        "finetuning_task",
        "chunk_size_feed_forward",
        "name_or_path",
        "_name_or_path",
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
        "sep_token_id",
        "decoder_start_token_id",
        "forced_bos_token_id",
        "forced_eos_token_id",
        "suppress_tokens",
        "begin_suppress_tokens",
        "initializer_range",
        "use_cache",
        "output_router_logits",
        "_attn_implementation_internal",
        "_experts_implementation_internal",
    ]
)


def generate() -> dict[str, dict[str, Any]]:
    """File name to content, for every text-generating type and the configs nested in them."""
    library = transformers()
    architectures: dict[str, list[str]] = {}
    for model_type, name in pairs():
        architectures.setdefault(model_type, []).append(name)
    pending = list(architectures)
    found: dict[str, dict[str, Any]] = {}
    while pending:
        model_type = pending.pop(0)
        if model_type in found or model_type not in library.CONFIG_MAPPING:
            continue
        cls = library.CONFIG_MAPPING[model_type]
        found[model_type] = made = entry(cls, model_type)
        made["architectures"] = architectures.get(model_type, [])
        pending += [name for name in made["sub_configs"].values() if name not in found]
    return {
        "INDEX.json": {
            "transformers": library.__version__,
            "types": {key: found[key]["architectures"] for key in sorted(found)},
        },
        **{f"{key}.json": found[key] for key in sorted(found)},
    }


def entry(cls: Any, model_type: str) -> dict[str, Any]:
    """What one class fills in, without its text-generating classes."""
    defaults: dict[str, Any] = {}
    nested = dict(getattr(cls, "sub_configs", {}) or {})
    for field in dataclasses.fields(cls):
        if field.name in LEFT_OUT or field.name.startswith("_") or field.name in nested:
            continue
        if field.default is not dataclasses.MISSING:
            value = field.default
        elif field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        else:
            continue
        if isinstance(value, tuple):
            value = list(value)
        if is_json(value):
            defaults[field.name] = value
    # Annotations are not all fields: classes also state plain attributes.
    sub_configs = _sub_configs(cls, nested)
    return {
        "model_type": model_type,
        "class": cls.__name__,
        "defaults": defaults,
        **_where_any("keyword_defaults", keyword_defaults(cls)),
        **_where_any("filled_nulls", filled_nulls(cls, defaults)),
        "attribute_map": dict(getattr(cls, "attribute_map", {}) or {}),
        "sub_configs": sub_configs,
        "fixed": fixed_parts(cls, sub_configs),
        "sub_defaults": {
            **typeless_defaults(nested, sub_configs),
            **sub_defaults(cls, sub_configs, LEFT_OUT),
        },
        "flat": flat_keys(cls, sub_configs),
        "old_names": old_names(cls, defaults),
        "text": _text_path(cls),
        "null_refused": [key for key in defaults if _refuses_null(cls, key, defaults[key])],
    }


def _where_any(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """Few classes have any, so that a file has the entry only where there are some."""
    return {name: values} if values else {}


def _sub_configs(cls: Any, nested: dict[str, Any]) -> dict[str, str]:
    found = {}
    try:
        instance = cls()
    except Exception:  # a class that cannot be built from nothing still has its annotations
        instance = None
    for key, sub in nested.items():
        part = getattr(instance, key, None)
        model_type = getattr(part, "model_type", None) or getattr(sub, "model_type", None)
        if model_type:
            found[key] = model_type
    return found


def _text_path(cls: Any) -> str:
    """The path of the nested config that ``get_text_config(decoder=True)`` gives."""
    try:
        config = cls()
        text = config.get_text_config(decoder=True)
    except Exception:
        return ""
    return "" if text is config else _find(config, text)


def _find(config: Any, wanted: Any, prefix: str = "", depth: int = 0) -> str:
    for key in getattr(config, "sub_configs", {}) or {}:
        part = getattr(config, key, None)
        if part is wanted:
            return f"{prefix}{key}"
        if part is not None and depth < 3:
            found = _find(part, wanted, f"{prefix}{key}.", depth + 1)
            if found:
                return found
    return ""


def _refuses_null(cls: Any, key: str, default: object) -> bool:
    if default is None or isinstance(default, (str, dict)):
        return False
    try:
        cls(**{key: None})
    except Exception:
        return True
    return False


def text(name: str, content: Any) -> str:
    """A file of the folder, as JSON with a line for each key."""
    made = json.dumps(content, indent=1, sort_keys=name != "INDEX.json", ensure_ascii=True)
    return made + "\n"


def main() -> None:
    """Write the files, and delete those of types that are gone."""
    TARGET.mkdir(parents=True, exist_ok=True)
    files = generate()
    for name, content in files.items():
        (TARGET / name).write_text(text(name, content), encoding="utf-8")
    for path in TARGET.glob("*.json"):
        if path.name not in files:
            path.unlink()
    print(f"{len(files) - 1} config classes")
