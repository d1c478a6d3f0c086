"""What is asked of prompt learning: the fields of PEFT's config classes for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hfkv.errors import InputError, TargetError, UnsupportedError
from hfkv.peft.targets import TASKS
from hfkv.reading import describe, printable

__all__ = ["IN_EVERY_LAYER", "METHODS", "PromptOptions"]

#: ``peft_type`` to PEFT's config class.
METHODS = {
    "CARTRIDGE": "CartridgeConfig",
    "CPT": "CPTConfig",
    "MULTITASK_PROMPT_TUNING": "MultitaskPromptTuningConfig",
    "P_TUNING": "PromptEncoderConfig",
    "PREFIX_TUNING": "PrefixTuningConfig",
    "PROMPT_TUNING": "PromptTuningConfig",
}
#: Those of them that train a key and a value of each virtual token in every layer; the others train
#: an embedding of each.
IN_EVERY_LAYER = frozenset(["CARTRIDGE", "PREFIX_TUNING"])
_ENCODERS = ("MLP", "LSTM")
#: More virtual tokens than any cache holds; a larger number is damage.
_MOST = 10**9
_OF_CPT = ("cpt_token_ids", "cpt_mask", "cpt_tokens_type_mask")
_SIZES = ("token_dim", "num_layers", "num_attention_heads", "encoder_hidden_size")
#: Fields that say nothing about the number of parameters.
_IRRELEVANT = frozenset(
    """auto_mapping opt_weighted_loss_type opt_loss_decay_factor opt_projection_epsilon
    opt_projection_format_epsilon base_model_name_or_path encoder_dropout inference_mode
    init_weights
    peft_type peft_version prompt_tuning_init prompt_tuning_init_text revision
    tokenizer_kwargs tokenizer_name_or_path""".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptOptions:
    """A prompt-learning adapter's configuration, by the names that PEFT has for it.

    Attributes:
        method: a key of :data:`METHODS`.
        num_virtual_tokens: how many tokens are trained.
        num_frozen_tokens: of a cartridge: so many at its start are kept as they are.
        token_dim, num_layers, num_attention_heads, encoder_hidden_size: the base model's sizes;
            None is what PEFT reads from the model's config.
        prefix_projection: of prefix tuning: the tokens pass through a network of two layers,
            which is trained and not saved.
        encoder_reparameterization_type: of p-tuning: the network that its tokens pass through,
            which is trained and not saved: ``MLP`` or ``LSTM``.
        encoder_num_layers: layers of that LSTM.
        num_tasks, num_ranks: of multitask prompt tuning: each task has two small matrices of so
            many ranks beside the tokens.
        cpt_token_ids: of CPT: the tokens that it starts from, as many as are trained.
        num_transformer_submodules: 2 for models of an encoder and a decoder; None is by the task.
        task_type: as there.
    """

    method: str
    num_virtual_tokens: int
    num_frozen_tokens: int = 0
    token_dim: int | None = None
    num_layers: int | None = None
    num_attention_heads: int | None = None
    encoder_hidden_size: int | None = None
    prefix_projection: bool = False
    encoder_reparameterization_type: str = "MLP"
    encoder_num_layers: int = 2
    num_tasks: int = 1
    num_ranks: int = 1
    cpt_token_ids: tuple[int, ...] | None = None
    num_transformer_submodules: int | None = None
    task_type: str | None = "CAUSAL_LM"

    @classmethod
    def from_config(cls, fields: Mapping[str, Any]) -> PromptOptions:
        """From an ``adapter_config.json`` mapping.

        Raises:
            InputError: a field is not usable.
            TargetError: PEFT itself refuses the combination.
            UnsupportedError: another method, or a field that is not counted.
        """
        method = fields.get("peft_type")
        method = getattr(method, "value", method)
        if not isinstance(method, str) or method not in METHODS:
            raise UnsupportedError(
                f"peft_type is {describe(method)}, whose parameters are not counted",
                where="adapter_config.json: peft_type",
                expected=" or ".join(METHODS),
            )
        known: dict[str, Any] = {"method": method}
        for name, value in fields.items():
            if name in ("num_virtual_tokens", "num_transformer_submodules", *_SIZES):
                known[name] = _count(name, value, least=1)
            elif name == "num_frozen_tokens" and method == "CARTRIDGE":
                known[name] = _count(name, value, least=0)
            elif name == "prefix_projection" and method == "PREFIX_TUNING":
                if not isinstance(value, bool):
                    raise _fail(name, value, "true or false")
                known[name] = value
            elif name == "encoder_reparameterization_type" and method == "P_TUNING":
                known[name] = value = getattr(value, "value", value)
                if value not in _ENCODERS:
                    raise _fail(name, value, " or ".join(_ENCODERS))
            elif name in ("num_tasks", "num_ranks") and method == "MULTITASK_PROMPT_TUNING":
                known[name] = _count(name, value, least=1) or 1
            elif name in _OF_CPT and method == "CPT":
                known[name] = _whole(name, value)
            elif name == "encoder_num_layers" and method == "P_TUNING":
                known[name] = _count(name, value, least=1) or 2
            elif name == "task_type":
                task = getattr(value, "value", value)
                if task is not None and task not in TASKS:
                    raise _fail(name, value, "one of " + ", ".join(TASKS))
                known[name] = task
            elif name not in _IRRELEVANT and value not in (None, False, [], {}, ""):
                raise UnsupportedError(
                    f"'{printable(str(name), 60)}' is not counted for {method}",
                    where=f"adapter_config.json: {printable(str(name), 60)}",
                )
        if method == "CPT":
            _cpt(known)
        if known.get("num_virtual_tokens") is None:
            raise _fail("num_virtual_tokens", fields.get("num_virtual_tokens"), "a whole number")
        if method == "CARTRIDGE":
            # The class's own default: the first token is kept as an attention sink.
            known.setdefault("num_frozen_tokens", 1)
        if known.get("num_frozen_tokens", 0) > known["num_virtual_tokens"]:
            raise TargetError(
                "PEFT does not take more frozen tokens than virtual ones",
                where="adapter_config.json: num_frozen_tokens",
                expected=f"at most {known['num_virtual_tokens']}",
            )
        return cls(**known)

    @property
    def submodules(self) -> int:
        """Stacks of layers that each get the tokens."""
        if self.num_transformer_submodules is not None:
            return self.num_transformer_submodules
        return 2 if self.task_type == "SEQ_2_SEQ_LM" else 1

    def snippet(self) -> str:
        """The Python that makes exactly this adapter."""
        parts = [f"num_virtual_tokens={self.num_virtual_tokens}"]
        if self.method == "CARTRIDGE":
            parts.append(f"num_frozen_tokens={self.num_frozen_tokens}")
        for key in (*_SIZES, "num_transformer_submodules"):
            if getattr(self, key) is not None:
                parts.append(f"{key}={getattr(self, key)}")
        if self.prefix_projection:
            parts.append("prefix_projection=True")
        if self.encoder_reparameterization_type == "LSTM":
            parts.append("encoder_reparameterization_type='LSTM'")
            parts.append(f"encoder_num_layers={self.encoder_num_layers}")
        if self.cpt_token_ids is not None:
            parts = [f"cpt_token_ids={list(self.cpt_token_ids)}"]
        if self.method == "MULTITASK_PROMPT_TUNING":
            parts.append(f"num_tasks={self.num_tasks}, num_ranks={self.num_ranks}")
        parts.append(f"task_type={self.task_type!r}")
        return f"{METHODS[self.method]}({', '.join(parts)})"


def _cpt(known: dict[str, Any]) -> None:
    """CPT: the class sets the sizes by itself, whatever is given of them.

    Raises:
        TargetError: the class refuses the config.
    """
    ids = known.get("cpt_token_ids") or (0,)
    for name in ("cpt_mask", "cpt_tokens_type_mask"):
        given = known.pop(name, None)
        if given is not None and len(given) != len(ids):
            raise TargetError(
                "PEFT needs cpt_token_ids, cpt_mask and cpt_tokens_type_mask of one length",
                where="adapter_config.json",
            )
    if known.get("task_type") != "CAUSAL_LM":
        raise TargetError(
            "PEFT has CPT for CAUSAL_LM alone", where="adapter_config.json: task_type"
        )
    for name in (*_SIZES, "num_transformer_submodules"):
        known.pop(name, None)
    known.update(cpt_token_ids=ids, num_virtual_tokens=len(ids), num_transformer_submodules=1)


def _whole(name: str, value: object) -> tuple[int, ...] | None:
    if value is None:
        return None
    if isinstance(value, (list, tuple)) and value and len(value) <= 10**6:
        found = tuple(value)
        if all(isinstance(item, int) and not isinstance(item, bool) for item in found):
            return found
    raise _fail(name, value, "a list of whole numbers")


def _fail(name: str, value: object, expected: str) -> InputError:
    return InputError(
        f"found {describe(value)}", where=f"adapter_config.json: {name}", expected=expected
    )


def _count(name: str, value: object, *, least: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MOST:
        raise _fail(name, value, f"a whole number of at least {least}")
    return value
