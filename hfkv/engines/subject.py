"""The model as engines see it: its plan of kinds, and the config where an engine reads more."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from hfkv.cache.crosscheck import crosscheck as check_shapes
from hfkv.cache.encoders import encoder_length
from hfkv.cache.misplaced import check_misplaced
from hfkv.cache.plan import Plan
from hfkv.cache.recognition import recognize
from hfkv.facts import Facts
from hfkv.facts.config import Config
from hfkv.facts.dtype import model_dtype

__all__ = ["Subject", "subject_of"]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model that an engine is asked about.

    Attributes:
        facts: all that was read of it.
        config: its config, outermost; ``config.text()`` is the part with the language model.
        plan: the kinds of all its layers.
        basis: how the plan is known; an engine's figure is never better.
        given_encoder_tokens: the length of the encoder's output that was asked for, or None.
        notes: what a reader must be told of the plan.
    """

    facts: Facts
    config: Config
    plan: Plan
    basis: str
    given_encoder_tokens: int | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def encoder_tokens(self) -> int | None:
        """The length of the encoder's output, where there can be one. Most engines do not ask.

        Raises:
            InputError, UnsupportedError: as :func:`hfkv.cache.encoders.encoder_length`.
        """
        return encoder_length(self.plan, self.given_encoder_tokens, self.config)

    @property
    def model(self) -> str:
        """The model's id or path."""
        return self.facts.model

    @cached_property
    def text(self) -> Config:
        """The part of the config with the language model."""
        return self.config.text()

    @cached_property
    def architectures(self) -> tuple[str, ...]:
        """``architectures`` of the config: what most engines choose their class by."""
        found = self.config.peek("architectures")
        named = found if isinstance(found, list) else []
        return tuple(name for name in named if isinstance(name, str))

    @cached_property
    def dtype(self) -> str:
        """The safetensors name of the model's own dtype, as transformers would load it.

        Raises:
            ConfigError, UnsupportedError: as :func:`hfkv.facts.dtype.model_dtype`.
        """
        return model_dtype(self.facts, self.config).name


def subject_of(
    facts: Facts, *, encoder_tokens: int | None = None, crosscheck: bool = True
) -> Subject:
    """The model as engines see it.

    Raises:
        UnsupportedError: the architecture is not known, or there is no config.
        ConfigError: the config cannot be read.
    """
    found = recognize(facts)
    config, plan = found.config, found.plan
    reads = config.reads
    notes = (*plan.notes, *((facts.derived,) if facts.derived else ()))
    if crosscheck and facts.tensors is not None:
        _, beyond = check_shapes(plan, facts.tensors)
        notes += beyond
    assert facts.config is not None
    notes += check_misplaced(config, facts.config, reads, facts.tensors, insisted=not crosscheck)
    return Subject(
        facts=facts,
        config=config,
        plan=plan,
        basis=found.basis,
        given_encoder_tokens=encoder_tokens,
        notes=(found.claim, *notes) if found.claim else notes,
    )
