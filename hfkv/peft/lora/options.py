"""What is asked of LoRA: the fields of PEFT's ``LoraConfig`` that decide the count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from hfkv.errors import InputError, TargetError, UnsupportedError
from hfkv.peft.lora.fields import IRRELEVANT, KNOWN, READERS, REFUSED, read_rank, read_targets
from hfkv.reading import describe, printable

__all__ = ["LoraOptions", "keywords", "snippet"]

#: Fields kept as pairs; PEFT takes a variant's config as a dict.
_MAPPINGS = tuple(
    "rank_pattern alpha_pattern use_bdlora kasa_config monteclora_config velora_config".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraOptions:
    """An adapter's configuration: the fields of ``LoraConfig`` by their names there.

    Attributes:
        r: the rank.
        target_modules: ``"all-linear"``, a regular expression, names, or None for PEFT's default.
        exclude_modules: names, or a regular expression.
        rank_pattern: (pattern, rank) in order.
        alpha_pattern: (pattern, alpha); it changes no count, and its names may fit nothing.
        layers_to_transform: layer numbers.
        layers_pattern: names of the lists of layers.
        modules_to_save: modules that are trained and saved whole.
        target_parameters: plain parameters to adapt.
        trainable_token_indices: (module name or "" for the input embedding, token indices).
        bias: ``none``, ``all`` or ``lora_only``.
        use_dora, lora_bias, fan_in_fan_out, ensure_weight_tying, layer_replication,
            use_qalora: as there.
        lora_dropout: whether there is any (PEFT refuses it on plain parameters).
        init_lora_weights: as there; it changes the count where it freezes a part (``mica``).
        use_bdlora, kasa_config, monteclora_config, velora_config: (key, value) pairs of these
            variants' configs, or None.
        alora_invocation_tokens: as there, or None.
        task_type: as there, or None.
    """

    r: int
    target_modules: str | tuple[str, ...] | None = "all-linear"
    exclude_modules: str | tuple[str, ...] | None = None
    rank_pattern: tuple[tuple[str, int], ...] = ()
    alpha_pattern: tuple[tuple[str, int | float], ...] = ()
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
    layer_replication: tuple[tuple[int, int], ...] | None = None
    use_qalora: bool = False
    lora_dropout: bool = False
    init_lora_weights: bool | str = True
    use_bdlora: tuple[tuple[str, Any], ...] | None = None
    kasa_config: tuple[tuple[str, Any], ...] | None = None
    monteclora_config: tuple[tuple[str, Any], ...] | None = None
    velora_config: tuple[tuple[str, Any], ...] | None = None
    alora_invocation_tokens: tuple[int, ...] | None = None
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
            if name in IRRELEVANT:
                if name == "use_rslora" and value is True:
                    ignored.append(name)
            elif name in REFUSED:
                if value not in (None, False) and value not in ([], {}, ()):
                    raise UnsupportedError(
                        f"{name} changes what the adapter holds and is not counted",
                        where=f"LoraConfig: {name}",
                    )
            elif name in READERS:
                known[name] = READERS[name](name, value)
            else:
                raise InputError(
                    f"'{printable(name, 60)}' is not a field that is known here", where="LoraConfig"
                )
        options = cls(
            r=read_rank("r", r),
            target_modules=read_targets("target_modules", target_modules),
            ignored=tuple(ignored),
            **known,
        )
        _check(options)
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
        for name in [name for name in fields if name not in KNOWN]:
            # Fields of other versions: PEFT ignores them, and off they mean nothing anyway.
            if not isinstance(name, str) or fields[name] not in (None, False, [], {}, ""):
                raise UnsupportedError(
                    f"the field '{printable(str(name), 60)}' is not one of the pinned PEFT",
                    where="adapter_config.json",
                )
            del fields[name]
        return cls.from_options(**fields)

    @property
    def patterns(self) -> dict[str, tuple[str, ...]]:
        """Patterns for adapted modules, by field."""
        found = {"rank_pattern": self.rank_pattern, "alpha_pattern": self.alpha_pattern}
        return {name: tuple(key for key, _ in items) for name, items in found.items()}

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


def _check(options: LoraOptions) -> None:
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
    if options.lora_bias and not isinstance(options.init_lora_weights, bool):
        raise TargetError(
            "PEFT takes lora_bias only with init_lora_weights true or false", where="LoraConfig"
        )


def snippet(options: LoraOptions) -> str:
    """The Python that makes an adapter, with every field that is not at its default.

    >>> snippet(LoraOptions(r=8, target_modules=("q_proj",), use_dora=True))
    "LoraConfig(r=8, target_modules=['q_proj'], use_dora=True, task_type='CAUSAL_LM')"
    """
    given = {**keywords(options), "task_type": options.task_type or "CAUSAL_LM"}
    return f"LoraConfig({', '.join(f'{name}={value!r}' for name, value in given.items())})"


def keywords(options: LoraOptions) -> dict[str, Any]:
    """The same as keyword arguments of ``LoraConfig``, in plain Python types."""
    found: dict[str, Any] = {"r": options.r}
    if options.target_modules is not None:
        found["target_modules"] = _listed(options.target_modules)
    for item in fields(options):
        if item.name in ("r", "target_modules", "ignored", "lora_dropout"):
            continue
        value = getattr(options, item.name)
        if item.default is not MISSING and value == item.default:
            continue
        found[item.name] = _listed(_plain(item.name, value))
    return found


def _plain(name: str, value: Any) -> Any:
    if name in _MAPPINGS:
        return {key: list(item) if isinstance(item, tuple) else item for key, item in value}
    if name == "layer_replication":
        return [list(pair) for pair in value]
    if name == "trainable_token_indices":
        found = {key: list(indices) for key, indices in value}
        return found[""] if list(found) == [""] else found
    return value


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
