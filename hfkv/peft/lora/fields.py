"""The fields of PEFT's ``LoraConfig``, each read from an untrusted value or put aside.

Every field of the pinned class is in one of three groups, which a test compares with the class
itself: those that decide the count and are read, those that change nothing about it, and those
that change it and are refused by name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from hfkv.errors import InputError
from hfkv.peft.targets import TASKS
from hfkv.reading import describe, printable

__all__ = ["IRRELEVANT", "KNOWN", "READERS", "REFUSED", "read_rank", "read_targets"]

#: Fields that change nothing about the number of parameters; ``qalora_group_size`` is of the layers
#: that ``use_qalora`` is refused on.
IRRELEVANT = frozenset(
    """auto_mapping base_model_name_or_path corda_config eva_config inference_mode
    loftq_config lora_alpha lora_ga_config megatron_core peft_type peft_version revision
    runtime_config use_rslora qalora_group_size""".split()
)
#: Fields that change it (or what the adapter is), and are refused unless they are off:
#: ``arrow_config`` routes between other adapters, ``megatron_config`` is for Megatron's own layers.
REFUSED = frozenset("arrow_config megatron_config".split())
_BIASES = ("none", "all", "lora_only")
#: More virtual names or indices than any real config has; a longer list is damage.
_MOST = 100_000


def _fail(name: str, value: object, expected: str) -> InputError:
    return InputError(f"found {describe(value)}", where=f"LoraConfig: {name}", expected=expected)


def read_rank(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10**9:
        raise _fail(name, value, "a rank of at least 1")
    return value


def _names(name: str, value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        found = tuple(value)
        if len(found) <= _MOST and all(isinstance(item, str) and item for item in found):
            return found
    raise _fail(name, value, "a list of names")


def _pattern_or_names(name: str, value: object) -> str | tuple[str, ...] | None:
    if isinstance(value, str):
        return value
    found = _names(name, value)
    return None if found is None else tuple(sorted(dict.fromkeys(found)))


def read_targets(name: str, value: object) -> str | tuple[str, ...] | None:
    if isinstance(value, str):
        return "all-linear" if value.lower() == "all-linear" else value
    return _pattern_or_names(name, value)


def _layers(name: str, value: object) -> int | tuple[int, ...] | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, (list, tuple)) and len(value) <= _MOST:
        found = tuple(value)
        if all(isinstance(item, int) and not isinstance(item, bool) for item in found):
            return found
    raise _fail(name, value, "layer numbers")


def _ranks(name: str, value: object) -> tuple[tuple[str, int], ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _fail(name, value, "an object of names and ranks")
    return tuple(
        (key, read_rank(f"{name}[{printable(key, 60)}]", rank)) for key, rank in value.items()
    )


def _alphas(name: str, value: object) -> tuple[tuple[str, int | float], ...]:
    if value is None:
        return ()
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        found = tuple(value.items())
        if all(isinstance(item, (int, float)) and not isinstance(item, bool) for _, item in found):
            return found
    raise _fail(name, value, "an object of names and numbers")


def _tokens(name: str, value: object) -> tuple[tuple[str, tuple[int, ...]], ...] | None:
    if value is None:
        return None
    items = value.items() if isinstance(value, Mapping) else [("", value)]
    found = []
    for key, indices in items:
        checked = _layers(name, indices)
        if not isinstance(key, str) or not isinstance(checked, tuple):
            raise _fail(name, value, "token indices, or an object of them by module name")
        found.append((key, checked))
    return tuple(found)


def _ranges(name: str, value: object) -> tuple[tuple[int, int], ...] | None:
    if value is None:
        return None
    if isinstance(value, (list, tuple)) and len(value) <= _MOST:
        found = tuple(tuple(item) if isinstance(item, (list, tuple)) else () for item in value)
        if all(len(item) == 2 and all(type(part) is int for part in item) for item in found):
            pairs = tuple((item[0], item[1]) for item in found)
            if sum(max(0, end - first) for first, end in pairs) <= _MOST:
                return pairs or None
    raise _fail(name, value, "a list of ranges of layers, such as [[0, 4], [2, 5]]")


def _flag(name: str, value: object) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise _fail(name, value, "true or false")
    return value


def _bias(name: str, value: object) -> str:
    if not isinstance(value, str) or value not in _BIASES:
        raise _fail(name, value, " or ".join(_BIASES))
    return value


def _task(name: str, value: object) -> str | None:
    if value is not None and (not isinstance(value, str) or value not in TASKS):
        raise _fail(name, value, "one of " + ", ".join(TASKS))
    return value


def _dropout(name: str, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise _fail(name, value, "a number from 0 to 1")
    return value > 0


def _start(name: str, value: object) -> bool | str:
    if value is None:
        return False
    if not isinstance(value, (bool, str)):
        raise _fail(name, value, "true, false, or the name of a way to start")
    return value


def _invocation(name: str, value: object) -> tuple[int, ...] | None:
    found = _layers(name, value)
    if isinstance(found, int):
        raise _fail(name, value, "a list of token ids")
    return found or None


def _variant(**keys: Any) -> Any:
    """A reader for a variant's own config: its known keys, each with a check."""

    def read(name: str, value: object) -> tuple[tuple[str, Any], ...] | None:
        if value is None or value is False:
            return None
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = dataclasses.asdict(value)
        if not isinstance(value, Mapping):
            raise _fail(name, value, "an object")
        # Keys that the class does not have are dropped by PEFT as well.
        return tuple((key, keys[key](f"{name}.{key}", value[key])) for key in keys if key in value)

    return read


def _anything(name: str, value: object) -> Any:
    return value


#: The readers of the fields that decide the count; and of ``alpha_pattern``, whose names are held
#: against the base model's.
READERS: dict[str, Any] = {
    "alpha_pattern": _alphas,
    "alora_invocation_tokens": _invocation,
    "bias": _bias,
    "ensure_weight_tying": _flag,
    "exclude_modules": _pattern_or_names,
    "fan_in_fan_out": _flag,
    "init_lora_weights": _start,
    "kasa_config": _variant(beta=_anything, gamma=_anything),
    "layer_replication": _ranges,
    "layers_pattern": _pattern_or_names,
    "layers_to_transform": _layers,
    "lora_bias": _flag,
    "lora_dropout": _dropout,
    "modules_to_save": _names,
    "monteclora_config": _variant(num_samples=read_rank),
    "rank_pattern": _ranks,
    "target_parameters": _names,
    "task_type": _task,
    "trainable_token_indices": _tokens,
    "use_bdlora": _variant(
        target_modules_bd_a=_names,
        target_modules_bd_b=_names,
        nblocks=read_rank,
        match_strict=_flag,
    ),
    "use_dora": _flag,
    "use_qalora": _flag,
    "velora_config": _variant(num_groups=read_rank, scale=_anything, init_type=_anything),
}

#: Every field there is.
KNOWN = frozenset([*IRRELEVANT, *REFUSED, *READERS, "r", "target_modules"])
