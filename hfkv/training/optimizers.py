"""What an optimizer keeps for each tensor that it trains.

Every rule is that of a class, named with it, and is checked against that class's own state after a
step (``tests/training``); those of bitsandbytes against a recorded run of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from hfkv.dtypes import BITS
from hfkv.errors import InputError

__all__ = ["ALIASES", "OPTIMIZERS", "Optimizer", "optimizer_of"]

#: Shape and element type of a tensor to the bytes that are kept for it.
_State = Callable[[tuple[int, ...], str], int]

#: bitsandbytes: smaller tensors keep float32 states (``min_8bit_size``).
_SMALLEST_QUANTIZED = 4096
#: Elements that share one scale (``blocksize`` of its 8-bit optimizers).
_BLOCK = 256
#: The table of a quantized state: 256 float32, one for all tensors.
_TABLE = 4 * 256
#: The counter of steps of torch's optimizers: a float32 tensor for each parameter.
_STEP = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer:
    """An optimizer.

    Attributes:
        name: its key.
        cls: the class whose state it is.
        state: what it keeps for one tensor.
        tables: bytes it keeps once, where some tensor's state is quantized.
        basis: ``exact`` where the class is run in CI, else ``documented``.
        elementwise: whether a piece of a tensor keeps that piece of its state, so that it can be
            cut into shards.
        paged: whether its state may be moved to the CPU's memory (CUDA managed memory).
        fused: whether each gradient is used and dropped during the backward pass.
        note: what a reader must be told, or "".
    """

    name: str
    cls: str
    state: _State
    tables: int = 0
    basis: str = "exact"
    elementwise: bool = True
    paged: bool = False
    fused: bool = False
    note: str = ""

    def bytes(self, tensors: list[tuple[tuple[int, ...], str]]) -> int:
        """Of all states together, given shapes and element types."""
        total = sum(self.state(shape, element) for shape, element in tensors)
        large = any(math.prod(shape) >= _SMALLEST_QUANTIZED for shape, _ in tensors)
        return total + (self.tables if large else 0)


def _own(times: int, extra: int = _STEP) -> _State:
    """So many states of the tensor's own element type."""

    def state(shape: tuple[int, ...], element: str) -> int:
        return times * math.prod(shape) * BITS[element] // 8 + extra

    return state


def _float32(times: int) -> _State:
    return lambda shape, element: 4 * times * math.prod(shape)


def _quantized(times: int) -> _State:
    def state(shape: tuple[int, ...], element: str) -> int:
        count = math.prod(shape)
        if count < _SMALLEST_QUANTIZED:
            return 4 * times * count
        return times * (count + 4 * -(-count // _BLOCK))

    return state


def _muon(shape: tuple[int, ...], element: str) -> int:
    """A momentum for a matrix; torch's class takes nothing else, and AdamW has the rest."""
    return _own(1, 0)(shape, element) if len(shape) == 2 else _own(2)(shape, element)


def _adafactor(shape: tuple[int, ...], element: str) -> int:
    """Means of the rows and of the columns in place of the whole, and a norm, all in float32."""
    if len(shape) < 2:
        return 4 * math.prod(shape) + 4
    return 4 * (math.prod(shape[:-1]) + math.prod(shape[:-2]) * shape[-1]) + 4


OPTIMIZERS: dict[str, Optimizer] = {
    item.name: item
    for item in (
        Optimizer(name="adamw", cls="torch.optim.AdamW", state=_own(2)),
        Optimizer(name="sgd", cls="torch.optim.SGD", state=_own(0, 0)),
        Optimizer(name="sgd-momentum", cls="torch.optim.SGD(momentum=...)", state=_own(1, 0)),
        Optimizer(name="rmsprop", cls="torch.optim.RMSprop", state=_own(1)),
        Optimizer(name="adagrad", cls="torch.optim.Adagrad", state=_own(1)),
        Optimizer(
            name="muon",
            cls="torch.optim.Muon, and torch.optim.AdamW for what is no matrix",
            state=_muon,
            elementwise=False,
        ),
        Optimizer(
            name="adafactor",
            cls="transformers.Adafactor",
            state=_adafactor,
            elementwise=False,
        ),
        Optimizer(
            name="adamw8bit",
            cls="bitsandbytes.optim.AdamW8bit",
            state=_quantized(2),
            tables=2 * _TABLE,
            basis="documented",
            note="transformers' Trainer keeps the states of embeddings that are trained whole in "
            "float32",
        ),
        Optimizer(
            name="paged",
            cls="bitsandbytes.optim.PagedAdamW",
            state=_float32(2),
            basis="documented",
            paged=True,
        ),
        Optimizer(
            name="paged8bit",
            cls="bitsandbytes.optim.PagedAdamW8bit",
            state=_quantized(2),
            tables=2 * _TABLE,
            basis="documented",
            paged=True,
            note="transformers' Trainer keeps the states of embeddings that are trained whole in "
            "float32",
        ),
        Optimizer(
            name="lion",
            cls="bitsandbytes.optim.Lion",
            state=_float32(1),
            basis="documented",
        ),
        Optimizer(
            name="lion8bit",
            cls="bitsandbytes.optim.Lion8bit",
            state=_quantized(1),
            tables=_TABLE,
            basis="documented",
        ),
        Optimizer(
            name="lomo",
            cls="lomo_optim.Lomo",
            state=_own(0, 0),
            basis="documented",
            elementwise=False,
            fused=True,
            note="LOMO uses each gradient as soon as it is there: of them the largest is counted "
            "(arXiv 2306.09782)",
        ),
    )
}

#: What ``TrainingArguments(optim=...)`` calls them.
ALIASES = {
    "adamw_torch": "adamw",
    "adamw_torch_fused": "adamw",
    "adamw_8bit": "adamw8bit",
    "adamw_bnb_8bit": "adamw8bit",
    "paged_adamw": "paged",
    "paged_adamw_32bit": "paged",
    "paged_adamw_8bit": "paged8bit",
    "lion_32bit": "lion",
    "lion_8bit": "lion8bit",
}


def optimizer_of(name: str) -> Optimizer:
    """The optimizer of a name, or of one that transformers has for it.

    Raises:
        InputError: there is none.

    >>> optimizer_of("adamw_bnb_8bit").cls
    'bitsandbytes.optim.AdamW8bit'
    """
    found = OPTIMIZERS.get(ALIASES.get(name, name))
    if found is None:
        raise InputError(
            f"no optimizer '{name[:40]}'", where="`optimizer`", expected=", ".join(OPTIMIZERS)
        )
    return found
