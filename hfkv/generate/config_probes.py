"""What a config class does with keys beyond its own, found by building it and looking.

Classes fill nested configs in, take keys of an old flat file into them, and read keys under names
that they no longer state. None of that is declared, so it is probed.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from hfkv.live.build import transformers

__all__ = ["fixed_parts", "flat_keys", "is_json", "old_names", "sub_defaults", "typeless_defaults"]

#: Numbers that no class has as a default, to be recognised where they turn up.
_MARKS = (48, 96, 3)


def is_json(value: object) -> bool:
    """Whether JSON can hold the value as it is."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, tuple)


#: Types that hardly any class has as its own part.
_FOREIGN = ("gpt2", "llama", "gemma", "clip_vision_model")


def fixed_parts(cls: Any, sub_configs: dict[str, str]) -> list[str]:
    """Nested configs that the class reads as its own type, whatever type the file calls them."""
    mapping = transformers().CONFIG_MAPPING
    found = []
    for key, model_type in sub_configs.items():
        for foreign in _FOREIGN:
            if foreign == model_type:
                continue
            try:
                made = getattr(cls(**{key: {"model_type": foreign}}), key)
            except Exception:  # it reads keys that the foreign type does not have
                continue
            if type(made) is not mapping[foreign]:
                found.append(key)
            break
    return found


def sub_defaults(
    cls: Any, sub_configs: Mapping[str, str], left_out: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Where a class fills a nested config otherwise than the nested class does by itself.

    Key to ``absent`` (the whole nested config is not there) and ``given`` (it is, without those
    keys), each key to value.
    """
    found: dict[str, dict[str, Any]] = {}
    for key, model_type in sub_configs.items():
        if model_type not in transformers().CONFIG_MAPPING:
            continue
        nested = transformers().CONFIG_MAPPING[model_type]
        cases = {
            "absent": _filled_where_absent(cls, key, nested, left_out),
            "given": _filled_where_given(cls, key, nested, left_out),
        }
        if any(cases.values()):
            found[key] = cases
    return found


def typeless_defaults(
    nested: Mapping[str, Any], sub_configs: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """The same of parts whose class has no type of its own, so that it has no file either."""
    found = {}
    for key, cls in nested.items():
        if key in sub_configs or not dataclasses.is_dataclass(cls):
            continue
        base = {field.name for field in dataclasses.fields(transformers().PreTrainedConfig)}
        values = {name: v for name, v in _values(_declared(cls), base).items() if v is not None}
        if values:
            found[key] = {"absent": values, "given": values}
    return found


def _filled_where_absent(
    cls: Any, key: str, nested: Any, left_out: Collection[str]
) -> dict[str, Any]:
    """Everything there is a constant: all that is not what the nested class declares.

    What that class derives (a head size from a hidden size) is kept too, as it follows from
    values that this class chose.
    """
    declared = _declared(nested)
    try:
        made = getattr(cls(), key).to_dict()
    except Exception:  # a class that needs arguments fills nothing in
        return {}
    return {
        name: value
        for name, value in _values(made, left_out).items()
        if name not in declared or declared[name] != value
    }


def _filled_where_given(
    cls: Any, key: str, nested: Any, left_out: Collection[str]
) -> dict[str, Any]:
    """What differs from the nested class alone, and is the same whatever size is given beside."""
    filled: dict[str, Any] = {}
    seen: dict[str, Any] = {}
    varying: set[str] = set()
    size = _declared(nested).get("hidden_size")
    for given in ({}, {"hidden_size": 3 * size} if isinstance(size, int) else {}):
        try:
            alone = _values(nested(**given).to_dict(), left_out)
            inside = {key: {"model_type": nested.model_type, **given}}
            made = _values(getattr(cls(**inside), key).to_dict(), left_out)
        except Exception:
            continue
        for name, value in made.items():
            if name in given:
                continue
            # What follows from the size may look like the nested class's own in one of them.
            if seen.setdefault(name, value) != value:
                varying.add(name)
            if name not in alone or alone[name] != value:
                filled.setdefault(name, value)
    return {name: value for name, value in filled.items() if name not in varying}


def _declared(cls: Any) -> dict[str, Any]:
    return {
        field.name: field.default
        for field in dataclasses.fields(cls)
        if field.default is not dataclasses.MISSING
    }


def _values(made: Mapping[str, Any], left_out: Collection[str]) -> dict[str, Any]:
    return {
        name: value
        for name, value in made.items()
        if name not in left_out
        and name != "model_type"
        and not name.startswith("_")
        and not isinstance(value, dict)
        and is_json(value)
    }


def flat_keys(cls: Any, sub_configs: Mapping[str, str]) -> dict[str, list[str]]:
    """Keys of a nested config that the class also takes from the top, where there is no nested one.

    A key that cannot be probed (a list, a string) is taken where all that can be are.
    """
    found: dict[str, list[str]] = {}
    for key, model_type in sub_configs.items():
        if model_type not in transformers().CONFIG_MAPPING:
            continue
        nested = transformers().CONFIG_MAPPING[model_type]
        taken: list[str] = []
        left: list[str] = []
        unknown: list[str] = []
        for name, value in _declared(nested).items():
            took = _takes(cls, key, name, value)
            (unknown if took is None else taken if took else left).append(name)
        if taken:
            found[key] = sorted(taken if left else taken + unknown)
    return found


def _takes(cls: Any, key: str, name: str, value: Any) -> bool | None:
    if isinstance(value, bool):
        others: tuple[Any, ...] = (not value,)
    elif isinstance(value, int):
        others = (2 * value, value + 1, value // 2)
    else:
        return None
    for other in others:
        try:
            before = getattr(getattr(cls(), key), name)
            made = getattr(getattr(cls(**{name: other}), key), name)
        except Exception:  # the value, or the key, is not one that the class takes
            continue
        if before != other:
            return bool(made == other)
    return None


def old_names(cls: Any, defaults: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Keys that the class still reads for others: to the key's own name, and which one wins where
    a file has both (true for the old one)."""
    found: dict[str, list[Any]] = {}
    try:
        plain = cls().to_dict()
    except Exception:  # a class that needs arguments is not probed
        return found
    names = re.findall(r'kwargs\.(?:pop|get)\(\s*"(\w+)"|"(\w+)" in kwargs', inspect.getsource(cls))
    for name in sorted({first or second for first, second in names} - set(plain)):
        own = _renamed(cls, name, plain)
        if own in defaults:
            found[name] = [own, _old_wins(cls, name, own)]
    return found


def _renamed(cls: Any, name: str, plain: Mapping[str, Any]) -> str:
    for mark in _MARKS:
        try:
            made = cls(**{name: mark}).to_dict()
        except Exception:
            continue
        hits = [key for key in made if made[key] == mark != plain.get(key) and key != name]
        return hits[0] if len(hits) == 1 else ""
    return ""


def _old_wins(cls: Any, name: str, own: str) -> bool:
    for old, new in ((48, 96), (96, 48), (3, 6), (6, 3)):
        try:
            return bool(cls(**{name: old, own: new}).to_dict()[own] == old)
        except Exception:
            continue
    return False
