"""The plan of a model's cache: the kinds, layer by layer, and the tensors they come to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hfkv.cache.kinds import Kind
from hfkv.dtypes import nbytes, torch_name

__all__ = ["CacheTensor", "Layer", "Plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheTensor:
    """One stored tensor: its name, shape (batch first), safetensors dtype and bytes."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def bytes(self) -> int:
        """Bytes it takes, rounded up to a whole byte for types narrower than one."""
        return nbytes(math.prod(self.shape), self.dtype)

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": torch_name(self.dtype),
            "bytes": self.bytes,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one layer keeps: its number, the word for its kind, its tensors."""

    index: int
    kind: str
    tensors: tuple[CacheTensor, ...]

    @property
    def bytes(self) -> int:
        """Bytes of all its tensors."""
        return sum(tensor.bytes for tensor in self.tensors)

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            "index": self.index,
            "kind": self.kind,
            "tensors": [tensor.to_json() for tensor in self.tensors],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The kinds of all layers, in order.

    Attributes:
        kinds: one per layer.
        encoder_tokens: the model's natural encoder length, where it has cross-attention.
        notes: what a reader must be told, one sentence each.
    """

    kinds: Sequence[Kind]
    encoder_tokens: int | None = None
    notes: tuple[str, ...] = ()

    def layers(
        self, *, tokens: int, batch: int = 1, dtype: str = "BF16", encoder_tokens: int | None = None
    ) -> tuple[Layer, ...]:
        """Every layer's tensors after ``tokens`` tokens in each of ``batch`` sequences."""
        length = self._encoder_length(encoder_tokens)
        made: dict[int, tuple[CacheTensor, ...]] = {}
        found = []
        for index, kind in enumerate(self.kinds):
            # Layers share kind objects, so equal layers are computed once.
            tensors = made.get(id(kind))
            if tensors is None:
                tensors = tuple(
                    CacheTensor(name=slot.name, shape=slot.shape, dtype=slot.dtype or dtype)
                    for slot in kind.slots(tokens, batch, length)
                )
                made[id(kind)] = tensors
            found.append(Layer(index=index, kind=kind.name, tensors=tensors))
        return tuple(found)

    def bytes(
        self, *, tokens: int, batch: int = 1, dtype: str = "BF16", encoder_tokens: int | None = None
    ) -> int:
        """Bytes of all layers."""
        length = self._encoder_length(encoder_tokens)
        counts: dict[int, list[Any]] = {}
        for kind in self.kinds:
            counts.setdefault(id(kind), [kind, 0])[1] += 1
        return sum(
            count
            * sum(
                nbytes(math.prod(slot.shape), slot.dtype or dtype)
                for slot in kind.slots(tokens, batch, length)
            )
            for kind, count in counts.values()
        )

    @property
    def bends(self) -> tuple[int, ...]:
        """Numbers of tokens at which the curve may change its slope, ascending."""
        return tuple(sorted({bend for kind in self.kinds for bend in kind.bends}))

    @property
    def period(self) -> int:
        """Tokens after which the waves of the curve repeat; 1 where it never falls."""
        return math.lcm(*(getattr(kind, "period", 1) for kind in self.kinds))

    def _encoder_length(self, given: int | None) -> int:
        return given if given is not None else self.encoder_tokens or 0
