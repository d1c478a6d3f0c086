"""Leave one key out, and worse: the changes that a plan must survive or refuse.

Each change is of one key of a config that spells everything out: the keys that the plan read are
dropped, nulled and changed; and keys that tempt a reader are set, at the top and in the nested
config, whether the class looks at them or not.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hfkv.facts.config import Read

__all__ = ["changes"]

ABSENT = object()

#: Keys that mean something in some class, and tempt a reader in all others.
TEMPTING: tuple[tuple[str, Any], ...] = (
    ("sliding_window", 9),
    ("use_sliding_window", True),
    ("use_sliding_window", False),
    ("sliding_window_pattern", 3),
    ("max_window_layers", 2),
    ("attention_chunk_size", 7),
    ("layer_types", ["full_attention", "sliding_attention"] * 2),
    ("layer_types", None),
    ("layers_block_type", ["attention", "mamba"] * 2),
    ("hybrid_override_pattern", "M-*E"),
    ("full_attention_interval", 2),
    ("head_dim", 24),
    ("head_dim", None),
    ("num_key_value_heads", 1),
    ("num_key_value_heads", None),
    ("num_kv_heads", 1),
    ("n_head", 2),
    ("n_layer", 3),
    ("num_layers", 3),
    ("multi_query", True),
    ("multi_query", False),
    ("new_decoder_architecture", True),
    ("kv_lora_rank", 24),
    ("num_kv_shared_layers", 2),
    ("use_bidirectional_attention", True),
    ("per_layer_config", {"0": {"num_key_value_heads": 1}}),
    ("num_nextn_predict_layers", 1),
    ("add_cross_attention", False),
    ("is_decoder", True),
    ("use_cache", False),
)
#: Keys that only tempt at the top of a config with a nested one.
TEMPTING_ABOVE: tuple[tuple[str, Any], ...] = (
    ("num_hidden_layers", 3),
    ("hidden_size", 48),
    ("num_attention_heads", 2),
    ("text_config", ABSENT),
    ("text_config", None),
    ("text_config", {}),
    ("llm_config", {"num_hidden_layers": 3}),
    ("language_config", {"num_hidden_layers": 3}),
    ("thinker_config", {"text_config": {"num_hidden_layers": 3}}),
)


def changes(
    raw: Mapping[str, Any], reads: Iterable[Read], text: str, *, brief: bool = False
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each change by a name, with the config it makes.

    Args:
        raw: the config.
        reads: what the plan of ``raw`` read.
        text: the path of the decoder's config.
        brief: whether to leave other values to the decoder's own type, and only drop and null
            what was read, which the class around it may fill in otherwise.
    """
    seen = set()
    every: list[tuple[str, Any]] = []
    for read in reads:
        if read.origin == "derived":
            continue
        every += [(read.key, value) for value in (ABSENT, None)]
        every += [] if brief else [(read.key, value) for value in _others(read.value)]
    if not brief:
        every += [(f"{text}.{key}" if text else key, value) for key, value in TEMPTING]
    if text:
        every += [*TEMPTING, *TEMPTING_ABOVE]
        yield "the nested config at the top", _flattened(raw, text)
    else:
        every += [(name, value) for name in own_names(raw) for value in (48, 3, True, None)]
    for path, value in every:
        name = f"{path} = {'absent' if value is ABSENT else json.dumps(value)[:40]}"
        changed = _set(raw, path, value)
        if changed is not None and name not in seen:
            seen.add(name)
            yield name, changed


def own_names(raw: Mapping[str, Any]) -> list[str]:
    """Keys that the config class reads without declaring them, by its source."""
    from hfkv.live.build import transformers

    source = inspect.getsource(transformers().CONFIG_MAPPING[raw["model_type"]])
    found = re.findall(r'kwargs\.(?:pop|get)\(\s*"(\w+)"|"(\w+)" in kwargs', source)
    return sorted({first or second for first, second in found})


def _flattened(raw: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Its keys at the top in the nested config's stead, as older files have them."""
    copied: dict[str, Any] = json.loads(json.dumps(raw))
    first = text.split(".")[0]
    inner = copied.pop(first, {})
    return {**inner, **copied}


def _others(value: Any) -> list[Any]:
    """Other values of the same sort, the edges among them."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        found = [0, 1, value + 1, 2 * value, value // 2, -1]
        return [item for item in dict.fromkeys(found) if item != value]
    if isinstance(value, float):
        return [2 * value, value / 2, 0]
    if isinstance(value, str):
        return [""]
    if isinstance(value, list):
        reverse = value[::-1]
        swapped = [value[-1], *value[1:-1], value[0]] if len(value) > 1 else []
        return [[], value[:-1], value + value[-1:], reverse, swapped]
    return [1, 7, 128, True, []]


def _set(raw: Mapping[str, Any], path: str, value: Any) -> dict[str, Any] | None:
    """A copy with one change; None where the change is none."""
    copied: dict[str, Any] = json.loads(json.dumps(raw))
    *parents, key = path.split(".")
    part = copied
    for parent in parents:
        inner = part.get(parent)
        if not isinstance(inner, dict):
            if value is ABSENT:
                return None
            inner = part[parent] = {}
        part = inner
    if value is ABSENT:
        if key not in part:
            return None
        del part[key]
        return copied
    if (
        key in part
        and part[key] == value
        and isinstance(part[key], bool) == isinstance(value, bool)
    ):
        return None
    part[key] = value
    return copied
