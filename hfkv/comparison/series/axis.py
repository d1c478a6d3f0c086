"""What both charts have: axes, how their adapters are named, and the names of models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from hfkv.errors import InputError
from hfkv.model import Model

__all__ = ["Axis", "Targets", "at_least_one", "name_of", "named_targets"]

#: What LoRA adapts, as a chart says it: a word, a regular expression, or names.
Targets = str | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What one field of the points measures.

    Attributes:
        field: its name in the points.
        label: what to write beside the axis.
        unit: of its numbers.
        scale: how the chart spaces them.
        domain: where the axis begins and ends; None for as far as the points go.
    """

    field: str
    label: str
    unit: str
    scale: Literal["log10", "log2"] = "log10"
    domain: tuple[int, int] | None = None


def at_least_one(models: Sequence[Model]) -> None:
    """Refuse a chart of nothing.

    Raises:
        InputError: there is no model.
    """
    if not models:
        raise InputError("no model", expected="at least one for a chart")


def name_of(model: Model) -> str:
    """The last part of a model's name."""
    return model.model.rstrip("/").rpartition("/")[2] or model.model


def named_targets(target_modules: str | Iterable[str] | None) -> Targets:
    """What is adapted, for reading: PEFT's own mapping is ``default``."""
    if target_modules is None:
        return "default"
    return target_modules if isinstance(target_modules, str) else tuple(target_modules)
