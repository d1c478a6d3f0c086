"""What is asked of LoRA: the fields of PEFT's ``LoraConfig`` that decide the count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hfkv.errors import ConfigError, InputError, UnsupportedError
from hfkv.reading import describe

__all__ = ["LoraOptions"]

#: Fields that change nothing about the number of parameters.
_IRRELEVANT = frozenset(
    [
        "alpha_pattern",
        "auto_mapping",
        "base_model_name_or_path",
        "inference_mode",
        "init_lora_weights",
        "lora_alpha",
        "lora_dropout",
        "peft_type",
        "peft_version",
        "revision",
        "task_type",
        "use_rslora",
        "fan_in_fan_out",
        "megatron_config",
        "megatron_core",
        "loftq_config",
        "eva_config",
        "corda_config",
        "runtime_config",
        "ensure_weight_tying",
    ]
)
#: Fields that change it, and are refused unless they have their default.
_REFUSED = (
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
    "rank_pattern",
    "modules_to_save",
    "target_parameters",
    "trainable_token_indices",
    "bias",
    "use_dora",
    "lora_bias",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraOptions:
    """An adapter's configuration.

    Attributes:
        r: the rank.
        target_modules: ``"all-linear"``, a regular expression, names, or None for PEFT's default.
    """

    r: int
    target_modules: str | tuple[str, ...] | None = "all-linear"

    @classmethod
    def from_options(cls, *, r: object, target_modules: object, **fields: Any) -> LoraOptions:
        """From the fields of ``LoraConfig`` by name.

        Raises:
            InputError: a field is not usable or not a field.
            UnsupportedError: a field changes the count in a way that is not supported.
        """
        if isinstance(r, bool) or not isinstance(r, int) or not 1 <= r <= 10**9:
            raise InputError(f"found {describe(r)}", where="r", expected="a rank of at least 1")
        for name, value in fields.items():
            if name in _IRRELEVANT:
                continue
            if value in (None, False, "none") or value in ([], {}, ()):
                continue
            if name in _REFUSED:
                raise UnsupportedError(
                    f"{name}={describe(value)} is not counted yet", where="LoraConfig"
                )
            raise InputError(f"'{name}' is not a field that is known here", where="LoraConfig")
        return cls(r=r, target_modules=_targets(target_modules))

    @classmethod
    def from_config(cls, config: object) -> LoraOptions:
        """From an ``adapter_config.json`` mapping or a PEFT ``LoraConfig`` object."""
        if isinstance(config, Mapping):
            fields = dict(config)
        elif callable(getattr(config, "to_dict", None)):
            fields = dict(config.to_dict())  # type: ignore[attr-defined]
        else:
            raise InputError(
                f"found {describe(config)}", where="LoRA config", expected="a LoraConfig or mapping"
            )
        kind = fields.get("peft_type", "LORA")
        kind = getattr(kind, "value", kind)
        if kind != "LORA":
            raise UnsupportedError(f"peft_type is {describe(kind)}", where="adapter_config.json")
        if "r" not in fields:
            raise ConfigError("is missing", where="adapter_config.json: r", expected="the rank")
        targets = fields.pop("target_modules", None)
        return cls.from_options(r=fields.pop("r"), target_modules=targets, **fields)

    @staticmethod
    def parse_targets(text: str) -> str | tuple[str, ...] | None:
        """What ``--target-modules`` takes: all-linear, default, NAME,NAME or regex:...

        >>> LoraOptions.parse_targets("q_proj,v_proj")
        ('q_proj', 'v_proj')
        """
        if text == "default":
            return None
        if text.lower() == "all-linear":
            return "all-linear"
        if text.startswith("regex:"):
            return text.removeprefix("regex:")
        return tuple(name.strip() for name in text.split(",") if name.strip())


def _targets(value: object) -> str | tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return "all-linear" if value.lower() == "all-linear" else value
    if isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        names = tuple(value)
        if names and all(isinstance(name, str) for name in names):
            return tuple(sorted(dict.fromkeys(names)))
    raise InputError(
        f"found {describe(value)}",
        where="target_modules",
        expected="all-linear, a regular expression, names, or None",
    )
