"""What a library stores for a plan: tensors and bytes, one convention per library.

A convention is given the plan, which says all there is to know of the layers, and how much is
stored: so many sequences of so many tokens in an element type. What a library adds of its own
(pages, a pool that layers share, a share per GPU) are fields of its convention, so that one value
answers every length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

from hfkv.cache.plan import Plan
from hfkv.dtypes import nbytes, torch_name

__all__ = ["CacheTensor", "Convention", "Layer", "Sequences"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequences:
    """What is stored.

    Attributes:
        tokens: of each sequence.
        batch: how many sequences.
        dtype: safetensors name of the element type of what no class pins to another.
        encoder_tokens: length of the encoder's output; None for the plan's own.
    """

    tokens: int
    batch: int = 1
    dtype: str = "BF16"
    encoder_tokens: int | None = None


class Convention(Protocol):
    """What every convention answers."""

    @property
    def name(self) -> str:
        """The library's name, as ``--engine`` and JSON have it."""

    def layers(self, plan: Plan, stored: Sequences) -> tuple[Layer, ...]:
        """The tensors of each layer; what layers share stands in the first of them."""

    def bytes(self, plan: Plan, stored: Sequences) -> int:
        """Bytes of all of it."""

    def bends(self, plan: Plan) -> tuple[int, ...]:
        """Numbers of tokens at which the curve of bytes may change its slope, ascending."""

    def period(self, plan: Plan) -> int:
        """Tokens after which the waves of the curve repeat; 1 where it never falls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheTensor:
    """One stored tensor.

    Attributes:
        name: the library's name for it.
        shape: its sizes.
        dtype: safetensors name of its element type.
        axes: a symbol for each size, of those that an explanation knows, or "".
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    axes: tuple[str, ...] = field(default=(), repr=False, compare=False)

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
    """What is stored for one layer: its number, the word for its kind, the tensors."""

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
