"""The options of ``hfkv lora`` as a marker writes them, as fields of ``LoraConfig``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hfkv.errors import InputError

__all__ = ["LORA_FLAGS", "LORA_OPTIONS", "lora_options"]

_NAMES = {"--modules-to-save": "modules_to_save", "--target-parameters": "target_parameters"}
_TEXTS = {"--bias": "bias", "--layers-pattern": "layers_pattern"}
_FLAGS = {"--dora": "use_dora", "--lora-bias": "lora_bias"}

LORA_FLAGS = tuple(_FLAGS)
LORA_OPTIONS = (
    "--target-modules",
    "--exclude-modules",
    "--layers-to-transform",
    "--rank-pattern",
    *_NAMES,
    *_TEXTS,
    *_FLAGS,
)


def lora_options(options: Mapping[str, str]) -> dict[str, Any]:
    """The fields that were asked for.

    Raises:
        InputError: a value cannot be read.

    >>> lora_options({"--rank-pattern": "q_proj=8", "--dora": ""})
    {'target_modules': 'all-linear', 'rank_pattern': {'q_proj': 8}, 'use_dora': True}
    """
    from hfkv.peft.lora import LoraOptions

    found: dict[str, Any] = {
        "target_modules": LoraOptions.parse_targets(options.get("--target-modules", "all-linear"))
    }
    exclude = options.get("--exclude-modules")
    if exclude is not None:
        # As in PEFT: a list is of names, a single text is a regular expression.
        expression = exclude.startswith("regex:")
        found["exclude_modules"] = exclude[6:] if expression else _names(exclude)
    if "--layers-to-transform" in options:
        found["layers_to_transform"] = [
            _number(item, "--layers-to-transform")
            for item in _names(options["--layers-to-transform"])
        ]
    if "--rank-pattern" in options:
        ranks = [item.rpartition("=") for item in _names(options["--rank-pattern"])]
        found["rank_pattern"] = {
            name: _number(rank, "--rank-pattern", "PATTERN=RANK") for name, _, rank in ranks
        }
    for option, name in _NAMES.items():
        if option in options:
            found[name] = _names(options[option])
    for option, name in _TEXTS.items():
        if option in options:
            found[name] = options[option]
    for option, name in _FLAGS.items():
        if option in options:
            found[name] = True
    return found


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _number(text: str, option: str, expected: str = "numbers such as 0,1,2") -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InputError(f"cannot read {text[:40]!r}", where=option, expected=expected)
    return int(text)
