"""What is asked of LoRA: the fields of PEFT's ``LoraConfig`` that decide the count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hfkv.errors import InputError, TargetError, UnsupportedError
from hfkv.reading import describe, printable

__all__ = ["LoraOptions"]

#: Fields that change nothing about the number of parameters.
_IRRELEVANT = frozenset(
    """alpha_pattern auto_mapping base_model_name_or_path corda_config ephemeral_gpu_offload
    eva_config inference_mode init_lora_weights loftq_config lora_alpha lora_ga_config
    megatron_core peft_type peft_version revision runtime_config use_rslora
    qalora_group_size""".split()
)
#: Fields that change it (or what the adapter is), and are refused unless they have their default.
_REFUSED = frozenset(
    """alora_invocation_tokens arrow_config kasa_config layer_replication megatron_config
    monteclora_config use_bdlora use_qalora velora_config""".split()
)
_BIASES = ("none", "all", "lora_only")
_TASKS = (
    "SEQ_CLS",
    "SEQ_2_SEQ_LM",
    "CAUSAL_LM",
    "TOKEN_CLS",
    "QUESTION_ANS",
    "FEATURE_EXTRACTION",
)
#: More virtual names or indices than any real config has; a longer list is damage.
_MOST = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraOptions:
    """An adapter's configuration: the fields of ``LoraConfig`` by their names there.

    Attributes:
        r: the rank.
        target_modules: ``"all-linear"``, a regular expression, names, or None for PEFT's default.
        exclude_modules: names, or a regular expression.
        rank_pattern: (pattern, rank) in order.
        layers_to_transform: layer numbers.
        layers_pattern: names of the lists of layers.
        modules_to_save: modules that are trained and saved whole.
        target_parameters: plain parameters to adapt.
        trainable_token_indices: (module name or "" for the input embedding, token indices).
        bias: ``none``, ``all`` or ``lora_only``.
        use_dora, lora_bias, fan_in_fan_out, ensure_weight_tying: as there.
        lora_dropout: whether there is any (PEFT refuses it on plain parameters).
        task_type: as there, or None.
    """

    r: int
    target_modules: str | tuple[str, ...] | None = "all-linear"
    exclude_modules: str | tuple[str, ...] | None = None
    rank_pattern: tuple[tuple[str, int], ...] = ()
    layers_to_transform: int | tuple[int, ...] | None = None
    layers_pattern: str | tuple[str, ...] | None = None
    modules_to_save: tuple[str, ...] | None = None
    target_parameters: tuple[str, ...] | None = None
    trainable_token_indices: tuple[tuple[str, tuple[int, ...]], ...] | None = None
    bias: str = "none"
    use_dora: bool = False
    lora_bias: bool = False
    fan_in_fan_out: bool = False
    ensure_weight_tying: bool = False
    lora_dropout: bool = False
    task_type: str | None = None
    ignored: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def from_options(
        cls, *, r: object = 8, target_modules: object = None, **fields: Any
    ) -> LoraOptions:
        """From the fields of ``LoraConfig`` by name.

        Raises:
            InputError: a field is not usable or not a field.
            TargetError: PEFT itself refuses the combination.
            UnsupportedError: a field changes the count in a way that is not supported.
        """
        ignored = []
        known: dict[str, Any] = {}
        for name, value in fields.items():
            if name in _IRRELEVANT:
                if name == "use_rslora" and value is True:
                    ignored.append(name)
            elif name in _REFUSED:
                if value not in (None, False) and value not in ([], {}, ()):
                    raise UnsupportedError(
                        f"{name} changes what the adapter holds and is not counted",
                        where=f"LoraConfig: {name}",
                    )
            elif name in _READERS:
                known[name] = _READERS[name](name, value)
            else:
                raise InputError(
                    f"'{printable(name, 60)}' is not a field that is known here", where="LoraConfig"
                )
        options = cls(
            r=_rank("r", r),
            target_modules=_targets("target_modules", target_modules),
            ignored=tuple(ignored),
            **known,
        )
        _check(options, fields.get("init_lora_weights", True))
        return options

    @classmethod
    def from_config(cls, config: object) -> LoraOptions:
        """From an ``adapter_config.json`` mapping or a PEFT ``LoraConfig`` object (duck-typed)."""
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
            raise UnsupportedError(
                f"peft_type is {describe(kind)}, whose parameters are not counted",
                where="adapter_config.json: peft_type",
                expected="LORA",
            )
        task = fields.get("task_type")
        fields["task_type"] = getattr(task, "value", task)
        for name in [name for name in fields if name not in _KNOWN]:
            # Fields of other versions: PEFT ignores them, and off they mean nothing anyway.
            if not isinstance(name, str) or fields[name] not in (None, False, [], {}, ""):
                raise UnsupportedError(
                    f"the field '{printable(str(name), 60)}' is not one of the pinned PEFT",
                    where="adapter_config.json",
                )
            del fields[name]
        return cls.from_options(**fields)

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


def _check(options: LoraOptions, init: object) -> None:
    """The combinations that ``LoraConfig`` itself refuses."""
    pattern = options.layers_pattern
    if isinstance(options.target_modules, str):
        for name in ("layers_to_transform", "layers_pattern"):
            if getattr(options, name) is not None:
                raise TargetError(
                    f"PEFT does not take {name} when target_modules is a string",
                    where="LoraConfig",
                    hint="give a list of names",
                )
    if pattern and options.layers_to_transform is None:
        raise TargetError(
            "PEFT takes layers_pattern only with layers_to_transform", where="LoraConfig"
        )
    if options.lora_bias and options.use_dora:
        raise TargetError("PEFT does not take lora_bias with use_dora", where="LoraConfig")
    if options.lora_bias and not isinstance(init, bool):
        raise TargetError(
            "PEFT takes lora_bias only with init_lora_weights true or false", where="LoraConfig"
        )


# -- typed reads ---------------------------------------------------------------------------------


def _fail(name: str, value: object, expected: str) -> InputError:
    return InputError(f"found {describe(value)}", where=f"LoraConfig: {name}", expected=expected)


def _rank(name: str, value: object) -> int:
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


def _targets(name: str, value: object) -> str | tuple[str, ...] | None:
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
    return tuple((key, _rank(f"{name}[{printable(key, 60)}]", rank)) for key, rank in value.items())


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
    if value is not None and (not isinstance(value, str) or value not in _TASKS):
        raise _fail(name, value, "one of " + ", ".join(_TASKS))
    return value


def _dropout(name: str, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise _fail(name, value, "a number from 0 to 1")
    return value > 0


_READERS: dict[str, Any] = {
    "bias": _bias,
    "ensure_weight_tying": _flag,
    "exclude_modules": _pattern_or_names,
    "fan_in_fan_out": _flag,
    "layers_pattern": _pattern_or_names,
    "layers_to_transform": _layers,
    "lora_bias": _flag,
    "lora_dropout": _dropout,
    "modules_to_save": _names,
    "rank_pattern": _ranks,
    "target_parameters": _names,
    "task_type": _task,
    "trainable_token_indices": _tokens,
    "use_dora": _flag,
}

#: Every field there is.
_KNOWN = frozenset([*_IRRELEVANT, *_REFUSED, *_READERS, "r", "target_modules"])
