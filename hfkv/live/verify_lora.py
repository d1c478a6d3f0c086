"""hfkv's adapter and the one that the installed PEFT makes, side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hfkv.errors import ConfigError, TargetError, UnsupportedError
from hfkv.facts import Facts
from hfkv.live.lora import live_lora
from hfkv.live.versions import Versions, installed_line, versions
from hfkv.peft.base import Base
from hfkv.peft.lora import Lora, LoraOptions, count
from hfkv.peft.lora.options import keywords

__all__ = ["LoraVerification", "verify_lora"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraVerification:
    """Both counts of one adapter.

    Attributes:
        model: the base model.
        versions: the libraries that made it.
        options: the adapter.
        planned: hfkv's count; None where it refuses, for ``reason``.
        trainable, all: what PEFT's ``print_trainable_parameters()`` prints; None where PEFT
            refuses, for ``live_reason``.
        per_target: PEFT's low-rank parameters by the last part of the modules' names.
    """

    model: str
    versions: Versions
    options: LoraOptions
    planned: Lora | None
    reason: str
    trainable: int | None
    all: int | None
    per_target: dict[str, int]
    live_reason: str

    @property
    def agree(self) -> bool | None:
        """Whether all counts are the same, or both refuse; None where hfkv alone refuses."""
        mine = self.planned
        if mine is None:
            return True if self.trainable is None else None
        return (mine.trainable_parameters, mine.all_parameters) == (
            self.trainable,
            self.all,
        ) and not self.differing

    @property
    def differing(self) -> list[tuple[str, int, int]]:
        """Targets of which hfkv's and PEFT's parameters are not the same."""
        mine = {} if self.planned is None else self.planned.per_target
        return [
            (name, mine.get(name, 0), self.per_target.get(name, 0))
            for name in dict.fromkeys([*mine, *self.per_target])
            if mine.get(name, 0) != self.per_target.get(name, 0)
        ]

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        mine = self.planned
        counts = {
            "trainable": self.trainable,
            "all": self.all,
            "per_target": self.per_target,
        }
        reasons = {"hfkv": self.reason, "live": self.live_reason}
        return {
            "model": self.model,
            "reference": str(self.versions),
            "versions": dict(self.versions.ran),
            "tables": dict(self.versions.tables),
            "r": self.options.r,
            "agree": self.agree,
            "hfkv": None
            if mine is None
            else {
                "trainable": mine.trainable_parameters,
                "all": mine.all_parameters,
                "per_target": mine.per_target,
                "basis": mine.basis,
            },
            "live": None if self.trainable is None else counts,
            "differing": [name for name, *_ in self.differing] if mine is not None else [],
            "reasons": {name: reason for name, reason in reasons.items() if reason},
            "notes": self.versions.notes,
        }


def verify_lora(facts: Facts, options: LoraOptions) -> LoraVerification:
    """Count an adapter by hfkv, and make it with the installed PEFT on the meta device.

    Args:
        facts: the base model's.
        options: the adapter.

    Raises:
        MissingDependencyError: the ``verify`` extra is not installed.
        UnsupportedError: the installed transformers cannot build the model.
    """
    ran = versions("peft", "transformers", "torch")
    if facts.config is None:
        raise UnsupportedError(
            facts.missing.get("config.json", "there is no config.json"), where=facts.model
        )
    live = live_lora(facts.config, keywords(options))
    planned: Lora | None = None
    reason = ""
    try:
        planned = count(Base(replace(facts, line=installed_line())), options)
    except (UnsupportedError, ConfigError, TargetError) as error:
        reason = str(error)
    refused = live.get("error")
    return LoraVerification(
        model=facts.model,
        versions=ran,
        options=options,
        planned=planned,
        reason=reason,
        trainable=None if refused else live["trainable"],
        all=None if refused else live["all"],
        per_target={} if refused else {k: v for k, v in live["per_target"].items() if v},
        live_reason=": ".join(refused) if refused else "",
    )
