"""The fields of PEFT's ``LoraConfig`` as keyword arguments, for type checkers.

A test holds them against :data:`hfkv.peft.lora.fields.KNOWN`, which holds its own against PEFT.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypedDict

__all__ = ["LoraFields", "PeftConfig"]

_TaskType = Literal[
    "SEQ_CLS",
    "SEQ_2_SEQ_LM",
    "CAUSAL_LM",
    "TOKEN_CLS",
    "QUESTION_ANS",
    "FEATURE_EXTRACTION",
]


class PeftConfig(Protocol):
    """A config object of PEFT, told from others without PEFT."""

    def to_dict(self) -> dict[str, Any]:
        """Its fields, as in ``adapter_config.json``."""


class LoraFields(TypedDict, total=False):
    """Further fields of ``LoraConfig``, by their names there and with the values they take there.

    Those in the second part change nothing about the count; of the third only "off" is taken. The
    field ``revision``, which changes nothing either, is not among them: where a model is named, it
    is the model's.
    """

    alora_invocation_tokens: Sequence[int] | None
    bias: Literal["none", "all", "lora_only"]
    ensure_weight_tying: bool
    exclude_modules: str | Iterable[str] | None
    fan_in_fan_out: bool
    init_lora_weights: bool | str | None
    kasa_config: Mapping[str, Any] | None
    layer_replication: Sequence[tuple[int, int]] | None
    layers_pattern: str | Iterable[str] | None
    layers_to_transform: int | Sequence[int] | None
    lora_bias: bool
    lora_dropout: float
    modules_to_save: Iterable[str] | None
    monteclora_config: Mapping[str, Any] | None
    rank_pattern: Mapping[str, int] | None
    target_parameters: Iterable[str] | None
    task_type: _TaskType | None
    trainable_token_indices: Sequence[int] | Mapping[str, Sequence[int]] | None
    use_bdlora: Mapping[str, Any] | None
    use_dora: bool
    use_qalora: bool
    velora_config: Mapping[str, Any] | None

    alpha_pattern: Mapping[str, float] | None
    auto_mapping: Mapping[str, Any] | None
    base_model_name_or_path: str | None
    corda_config: Any
    eva_config: Any
    inference_mode: bool
    loftq_config: Any
    lora_alpha: float
    lora_ga_config: Any
    megatron_core: str | None
    peft_type: str | None
    peft_version: str | None
    qalora_group_size: int
    runtime_config: Any
    use_rslora: bool

    arrow_config: Any
    megatron_config: Any
