"""PEFT's methods by ``peft_type``: a row for each, and what all of them have in common.

A method is a module with three functions (:class:`Method`), named in a row of :data:`METHODS`, and
imported when an adapter of its type is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol, cast

from hfkv.errors import UnsupportedError
from hfkv.peft.base import Base
from hfkv.reading import describe
from hfkv.tensors import TensorTable

__all__ = ["METHODS", "UNCOUNTED", "Adapter", "Method", "method_of", "refuse_foreign"]

_TUNERS = tuple(
    """ADALORA ADAPTION_PROMPT BEFT BOFT C3A DEFT DELORA FOURIERFT FROD GLORA GRALORA HIRA HRA IA3
    LILY LN_TUNING LOHA LOKR MISS OFT OSF PEANUT POLY PSOFT PVERA RANDLORA ROAD SHIRA SUPERTUNING
    TINYLORA TRAINABLE_TOKENS UNILORA VBLORA VERA WAVEFT""".split()
)

METHODS: Mapping[str, str] = {
    "LORA": "hfkv.peft.lora",
    **dict.fromkeys(_TUNERS, "hfkv.peft.tuners"),
    "CARTRIDGE": "hfkv.peft.prompts",
    "CPT": "hfkv.peft.prompts",
    "MULTITASK_PROMPT_TUNING": "hfkv.peft.prompts",
    "P_TUNING": "hfkv.peft.prompts",
    "PREFIX_TUNING": "hfkv.peft.prompts",
    "PROMPT_TUNING": "hfkv.peft.prompts",
}


#: Methods that are not counted, with the reason.
UNCOUNTED: Mapping[str, str] = {
    "ADAMSS": "its matrices are as large as a clustering of the weights makes them",
    "SHADOW": "it trains a second model beside the first",
    "XLORA": "it mixes other adapters, which its config names by path",
}


class Adapter(Protocol):
    """An adapter in numbers, by whatever method: what comparisons, checks and outputs need."""

    @property
    def model(self) -> str:
        """The base model's id or path."""

    @property
    def method(self) -> str:
        """Its ``peft_type``."""

    @property
    def parameters(self) -> int:
        """Trained parameters: the first number of ``print_trainable_parameters()``."""

    @property
    def saved_parameters(self) -> int:
        """What PEFT writes to disk."""

    @property
    def bytes(self) -> int:
        """What is compared with a cache, in ``dtype``: of LoRA the trained parameters, of virtual
        tokens those that are saved."""

    @property
    def dtype(self) -> str:
        """Element type (torch's name)."""

    @property
    def basis(self) -> str:
        """How the figure is known."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must be told, one sentence each."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was asked for and PEFT does nothing with, one sentence each."""

    @property
    def rows(self) -> tuple[tuple[str, int], ...]:
        """Its numbers in a table for reading, each with its name."""

    def snippet(self) -> str:
        """Python that makes exactly this adapter."""

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""


class Method(Protocol):
    """What a row's module has."""

    def read(self, fields: Mapping[str, Any], /) -> Any:
        """The method's options from an ``adapter_config.json``.

        Raises:
            InputError, TargetError, UnsupportedError: they cannot be used, or not be counted.
        """

    def count(self, base: Base, options: Any, /, *, dtype: str = "auto") -> Adapter:
        """The adapter that these options make on a base model.

        Args:
            dtype: its element type; ``auto`` is the model's own.

        Raises:
            HfkvError: PEFT refuses, or it cannot be counted honestly.
        """

    def agree(self, base: Base, adapter: Any, witness: TensorTable, /) -> Adapter:
        """The same adapter on this base model, held against the header of its own file.

        Raises:
            CrosscheckError: the header holds other parameters.
        """


def refuse_foreign(fields: Mapping[str, Any], *, where: str) -> None:
    """Refuse a file of this name that another library writes.

    Raises:
        UnsupportedError: it is one.
    """
    if "peft_type" not in fields and ("lora_parameters" in fields or "fine_tune_type" in fields):
        raise UnsupportedError(
            "this is the format of mlx-lm, whose classes have layers of their own: not counted",
            where=where,
            expected="an adapter_config.json of PEFT",
        )


def method_of(fields: Mapping[str, Any]) -> Method:
    """The method of an ``adapter_config.json``.

    Raises:
        UnsupportedError: none is known here for its ``peft_type``.
    """
    refuse_foreign(fields, where="adapter_config.json")
    name = fields.get("peft_type", "LORA")
    name = getattr(name, "value", name)
    if isinstance(name, str) and name in UNCOUNTED:
        raise UnsupportedError(
            f"peft_type is {name}, which is not counted: {UNCOUNTED[name]}",
            where="adapter_config.json: peft_type",
        )
    if not isinstance(name, str) or name not in METHODS:
        raise UnsupportedError(
            f"peft_type is {describe(name)}, whose parameters are not counted",
            where="adapter_config.json: peft_type",
            expected="one of " + ", ".join(METHODS),
        )
    return cast(Method, import_module(METHODS[name]))
