"""A plan that may be a type's, and what it says of a config that the type's class took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hfkv.cache.conventions import Sequences
from hfkv.cache.conventions.transformers import TRANSFORMERS
from hfkv.cache.plan import Plan
from hfkv.cache.registry import ADOPTED, FAMILIES, ROWS, plan
from hfkv.cache.row import Delegated, Row
from hfkv.dtypes import torch_name
from hfkv.errors import HfkvError, UnsupportedError
from hfkv.facts.config import Config
from hfkv.generate.adopt_trials import Held, Trial

__all__ = ["Candidate", "answer", "candidates", "planned", "tensors_of"]

#: Fewer configs than these prove nothing.
_ENOUGH = 12


@dataclass(slots=True)
class Candidate:
    """A plan that may be a type's.

    Attributes:
        row: the row that makes it.
        types: those whose row it is.
        agreed, refused: how many configs it gave what the class kept, and how many it refused.
        against: the first config that it contradicts; None where none does.
        origins: of the configs that it agreed with.
        fixed: keys that it reads and that no config varied.
    """

    row: Row
    types: tuple[str, ...]
    agreed: int = 0
    refused: int = 0
    against: Trial | None = None
    origins: set[str] = field(default_factory=set)
    fixed: tuple[str, ...] = ()

    def hold(self, trial: Trial, model_type: str) -> None:
        """Hold it against what the class kept."""
        said = answer(self.row, trial, model_type, trial.held)
        if said is None:
            self.refused += 1
        elif said == [_filled(layers) for layers in trial.held.values()]:
            self.agreed += 1
            self.origins.add(trial.origin)
        elif self.against is None or len(trial.changed) < len(self.against.changed):
            self.against = trial

    @property
    def proved(self) -> bool:
        """Whether it may be adopted."""
        enough = self.agreed >= max(_ENOUGH, self.refused)
        return self.against is None and enough and {"default", "whole"} <= self.origins


def answer(row: Row, trial: Trial, model_type: str, lengths: Iterable[int]) -> list[Held] | None:
    """What a row says that a config's class keeps at each length; None where it refuses."""
    try:
        return [_filled(planned(row, trial, model_type, tokens)) for tokens in lengths]
    except (HfkvError, RecursionError):
        return None


def _filled(layers: Held) -> Held:
    """The layers up to the last that holds something: how many empty ones a class made room for is
    nothing that it keeps."""
    last = max((number for number, layer in enumerate(layers, 1) if layer), default=0)
    return layers[:last]


def candidates(without: str | None = None) -> list[Candidate]:
    """Each distinct exact plan of the registry, the one that most types share first; of its types
    those first for which it was written.

    Args:
        without: a type whose own row does not count.
    """
    found: dict[tuple[Any, ...], tuple[Row, list[str]]] = {}
    for model_type in (*FAMILIES, *ADOPTED):
        row = ROWS[model_type]
        if row.basis != "exact" or model_type == without:
            continue
        key = (row.rule, row.inner, row.as_type)
        found.setdefault(key, (row, []))[1].append(model_type)
    by_number = sorted(found.values(), key=lambda item: -len(item[1]))
    return [Candidate(row=row, types=tuple(types)) for row, types in by_number]


def planned(row: Row, trial: Trial, model_type: str, tokens: int) -> Held:
    """What a row says of a config.

    Raises:
        HfkvError: it does not know, or is of a model that does not attend as this one does.
    """
    made = row.made(Config(trial.raw, where="adopt", model_type=model_type))
    if isinstance(made, Delegated):
        if made.config.model_type == model_type:
            # A decoder is no part of itself: its plan is what is looked for.
            raise UnsupportedError("the config names no other", where="adopt")
        inner = plan(made.config)
        made = inner if made.then is None else made.then(inner)
    return tensors_of(made, tokens, trial.encoder)


def tensors_of(made: Plan, tokens: int, encoder: int | None) -> Held:
    """What each layer of a plan holds, beside an encoder's output of that length."""
    encoder = encoder if made.crosses else None
    stored = Sequences(tokens=tokens, batch=1, dtype="BF16", encoder_tokens=encoder)
    return [
        [(item.name, item.shape, torch_name(item.dtype)) for item in layer.tensors]
        for layer in TRANSFORMERS.layers(made, stored)
    ]
