"""A header as modules: what its tensors show of a model that has no module table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hfkv.tensors import Tensor, TensorTable

__all__ = ["Header", "family", "read_header"]

Shape = tuple[int, ...]
Index = tuple[int, ...]

_FLOATS = frozenset(["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I8"])
#: Saved beside parameters by old classes: rotary frequencies, causal masks.
_BUFFERS = re.compile(r"(^|\.)(inv_freq|masked_bias|rotary_emb\..*|attn\.bias)$")
#: A part of a name that is a number; no list is longer, and Python reads no longer ones at will.
_NUMBER = re.compile(r"(?<![^.])[0-9]{1,18}(?![^.])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The parameters of a checkpoint by the modules that hold them.

    Attributes:
        parameters: every module, each after the modules around it, to its own parameters' shapes.
        loose: parameters of the model itself.
        tensors: what the above was read from, buffers left out.
    """

    parameters: Mapping[str, Mapping[str, Shape]]
    loose: Mapping[str, Shape]
    tensors: tuple[Tensor, ...]

    @property
    def flat(self) -> dict[str, Shape]:
        """Modules whose weight has two dimensions, to its shape."""
        return {
            name: shape
            for name, held in self.parameters.items()
            if len(shape := held.get("weight", ())) == 2
        }


def read_header(tensors: TensorTable, buffers: str = "") -> Header:
    """The modules of a checkpoint.

    Args:
        tensors: with packed weights unpacked.
        buffers: an expression for names of buffers beside the usual ones, or "".
    """
    more = re.compile(buffers) if buffers else None
    kept = [
        item
        for item in tensors
        if item.dtype in _FLOATS
        and not _BUFFERS.search(item.name)
        and (more is None or not more.search(item.name))
    ]
    parameters: dict[str, dict[str, Shape]] = {}
    loose: dict[str, Shape] = {}
    for item in sorted(kept, key=lambda item: _order(item.name)):
        name, _, short = item.name.rpartition(".")
        if name:
            parameters.setdefault(name, {})[short] = item.shape
        else:
            loose[short] = item.shape
    return Header(parameters=_with_containers(parameters), loose=loose, tensors=tuple(kept))


def family(name: str) -> tuple[str, Index]:
    """A module's name with ``{}`` for each number in it, and the numbers.

    >>> family("model.layers.3.mlp.experts.11.up_proj")
    ('model.layers.{}.mlp.experts.{}.up_proj', (3, 11))
    """
    numbers = tuple(map(int, _NUMBER.findall(name)))
    return (_NUMBER.sub("{}", name), numbers) if numbers else (name, ())


def _order(name: str) -> tuple[tuple[int, int, str], ...]:
    return tuple(
        (0, int(part), "") if _NUMBER.fullmatch(part) else (1, 0, part) for part in name.split(".")
    )


def _with_containers(parameters: Mapping[str, dict[str, Shape]]) -> dict[str, dict[str, Shape]]:
    """Every module with parameters, each after the modules around it."""
    found: dict[str, dict[str, Shape]] = {}
    for name, held in parameters.items():
        parts = name.split(".")
        for end in range(1, len(parts)):
            found.setdefault(".".join(parts[:end]), {})
        found[name] = held
    return found
