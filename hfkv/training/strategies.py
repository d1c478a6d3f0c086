"""What one GPU of several holds: replicas, DeepSpeed's partitions, the shards of FSDP.

- DDP: everything on each, and buckets for the gradients beside them (torch's
  ``DistributedDataParallel``, ``gradient_as_bucket_view=False``).
- ZeRO (DeepSpeed): the engine casts the model to the half type it is trained in. Stages 1 and 2
  lay what is trained end to end, filled up to a multiple of twice the GPUs
  (``nccl_start_alignment_factor``); each GPU has a float32 copy of its part, the optimizer's states
  for that, and in stage 2 the gradients of it alone. Stage 3 cuts every parameter, filled up to a
  multiple of the GPUs, and leaves small ones whole (``param_persistence_threshold``).
- FSDP (``torch.distributed.fsdp.fully_shard``): every parameter is cut along its first side, the
  last piece filled up; accelerate casts what is trained to float32 where the model is in half
  precision.

Buffers for communication other than DDP's, and layers that are gathered for a while, are not
counted: they depend on bucket sizes and on timing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hfkv.dtypes import BITS
from hfkv.errors import InputError, UnsupportedError
from hfkv.training.optimizers import Optimizer

__all__ = ["STRATEGIES", "Load", "Piece", "Share", "share"]

#: DeepSpeed: parameters of no more elements stay whole on each GPU in stage 3.
_PERSISTENT = 100_000
#: DeepSpeed: what a flat group is a multiple of, times the GPUs.
_ALIGNMENT = 2

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One tensor of the model or the adapter.

    Attributes:
        shape: its shape.
        element: safetensors name of its type; "" where it is packed.
        bytes: all it takes.
        trained: whether it is.
        strict: whether the class keeps it in float32 whatever the model's dtype.
    """

    shape: Shape
    element: str
    bytes: int
    trained: bool = False
    strict: bool = False

    @property
    def elements(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is to be held.

    Attributes:
        base: the tensors of the base model, among them biases that are trained.
        adapter: those of the adapter.
        element: the dtype that the model is trained in.
        packed: whether linear layers are in 8 or 4 bits.
    """

    base: Sequence[Piece]
    adapter: Sequence[Piece]
    element: str
    packed: bool

    @property
    def trained(self) -> list[Piece]:
        """What is trained, the adapter's first."""
        return [piece for piece in (*self.adapter, *self.base) if piece.trained]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Bytes on one GPU, the fullest.

    Attributes:
        weights, adapter: parameters of the base model and of the adapter.
        gradients, optimizer: of what is trained.
        master: float32 copies of what is trained.
        communication: buckets that hold gradients once more.
        basis: how it is known.
        notes: what a reader must be told.
    """

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    master: int = 0
    communication: int = 0
    basis: str = "exact"
    notes: tuple[str, ...] = ()


def share(load: Load, optimizer: Optimizer, strategy: str | None, gpus: int) -> Share:
    """What a GPU holds.

    Args:
        load: what is to be held.
        optimizer: what trains it.
        strategy: a key of :data:`STRATEGIES`; None on one GPU.
        gpus: how many.

    Raises:
        InputError: the strategy is none of them.
        UnsupportedError: the optimizer or the packed weights are not counted with it.
    """
    if strategy is None:
        return _whole(load, optimizer)
    if strategy not in STRATEGIES:
        raise InputError(
            f"no strategy '{strategy[:40]}'", where="`strategy`", expected=", ".join(STRATEGIES)
        )
    return STRATEGIES[strategy](load, optimizer, gpus)


def _sum(pieces: Sequence[Piece]) -> int:
    return sum(piece.bytes for piece in pieces)


def _whole(load: Load, optimizer: Optimizer) -> Share:
    trained = load.trained
    sizes = [piece.bytes for piece in trained]
    return Share(
        weights=_sum(load.base),
        adapter=_sum(load.adapter),
        gradients=max(sizes, default=0) if optimizer.fused else sum(sizes),
        optimizer=optimizer.bytes([(piece.shape, piece.element) for piece in trained]),
    )


def _ddp(load: Load, optimizer: Optimizer, gpus: int) -> Share:
    if optimizer.fused:
        raise _not_counted("ddp", optimizer)
    whole = _whole(load, optimizer)
    return Share(
        weights=whole.weights,
        adapter=whole.adapter,
        gradients=whole.gradients,
        optimizer=whole.optimizer,
        communication=whole.gradients,
        basis="documented",
    )


def _not_counted(strategy: str, optimizer: Optimizer) -> UnsupportedError:
    return UnsupportedError(
        f"{optimizer.cls} under {strategy} is not counted: its state does not follow the pieces "
        "that a tensor is cut into",
        where="`strategy`",
        hint="adamw, sgd, sgd-momentum, rmsprop and adagrad are counted with every strategy",
    )


def _cast(load: Load) -> Callable[[Piece], Piece]:
    """DeepSpeed's cast of the module: floating parameters to the type it is trained in."""
    width = BITS[load.element] // 8

    def cast(piece: Piece) -> Piece:
        if not piece.element or piece.strict:
            return piece
        return Piece(
            shape=piece.shape,
            element=load.element,
            bytes=piece.elements * width,
            trained=piece.trained,
        )

    return cast


def _zero_notes(partition: int, half: bool) -> tuple[str, ...]:
    if not half:
        return ()
    return (
        "at the step DeepSpeed makes a float32 copy of its part of the gradients, "
        f"{4 * partition:,} bytes more for that while",
        "DeepSpeed casts the adapter to the half type too, and trains its float32 copies",
    )


def _zero(partitioned: bool) -> Callable[[Load, Optimizer, int], Share]:
    """Stages 1 and 2; in the second the gradients are partitioned."""

    def made(load: Load, optimizer: Optimizer, gpus: int) -> Share:
        if not optimizer.elementwise:
            raise _not_counted("zero2" if partitioned else "zero1", optimizer)
        half = load.element in ("BF16", "F16")
        cast = _cast(load)
        base, adapter = [cast(item) for item in load.base], [cast(item) for item in load.adapter]
        width = BITS[load.element] // 8
        count = sum(piece.elements for piece in load.trained)
        aligned = -(-count // (_ALIGNMENT * gpus)) * _ALIGNMENT * gpus
        partition = aligned // gpus
        return Share(
            weights=_sum(base),
            adapter=_sum(adapter) + (aligned - count) * width,
            gradients=(partition if partitioned else count) * width,
            optimizer=optimizer.bytes([((partition,), "F32")]),
            master=4 * partition,
            basis="documented",
            notes=_zero_notes(partition, half),
        )

    return made


def _zero3(load: Load, optimizer: Optimizer, gpus: int) -> Share:
    if not optimizer.elementwise:
        raise _not_counted("zero3", optimizer)
    _refuse_packed(load, "zero3")
    cast = _cast(load)
    half = load.element in ("BF16", "F16")

    def held(piece: Piece) -> int:
        width = BITS[piece.element] // 8
        part = -(-piece.elements // gpus) * width
        return part + (piece.elements * width if piece.elements <= _PERSISTENT else 0)

    partition = sum(-(-piece.elements // gpus) for piece in load.trained)
    return Share(
        weights=sum(held(cast(piece)) for piece in load.base),
        adapter=sum(held(cast(piece)) for piece in load.adapter),
        gradients=partition * BITS[load.element] // 8,
        optimizer=optimizer.bytes([((partition,), "F32")]),
        master=4 * partition,
        basis="documented",
        notes=(
            f"parameters of at most {_PERSISTENT:,} elements stay whole beside their pieces "
            "(DeepSpeed's param_persistence_threshold)",
            *_zero_notes(partition, half),
        ),
    )


def _refuse_packed(load: Load, strategy: str) -> None:
    if load.packed:
        raise UnsupportedError(
            f"a base in 8 or 4 bits under {strategy} is not counted: how it is cut depends on the "
            "type that its packed weights are stored in",
            where="`strategy`",
            hint="ddp, zero1 and zero2 are counted with it",
        )


def _fsdp(load: Load, optimizer: Optimizer, gpus: int) -> Share:
    if not optimizer.elementwise or optimizer.basis != "exact":
        raise _not_counted("fsdp", optimizer)
    _refuse_packed(load, "fsdp")
    half = load.element in ("BF16", "F16")

    def shard(piece: Piece) -> Shape:
        first, *rest = piece.shape or (1,)
        return (-(-first // gpus), *rest)

    def element(piece: Piece) -> str:
        return "F32" if piece.trained and half else piece.element

    def size(piece: Piece) -> int:
        return math.prod(shard(piece)) * BITS[element(piece)] // 8

    trained = load.trained
    return Share(
        weights=sum(map(size, load.base)),
        adapter=sum(map(size, load.adapter)),
        gradients=sum(map(size, trained)),
        optimizer=optimizer.bytes([(shard(piece), element(piece)) for piece in trained]),
        notes=(
            "the GPU with the first piece of each parameter is counted: others can have less",
            "FSDP gathers a layer at a time in the type it computes in, which is not counted",
        ),
    )


STRATEGIES: dict[str, Callable[[Load, Optimizer, int], Share]] = {
    "ddp": _ddp,
    "zero1": _zero(partitioned=False),
    "zero2": _zero(partitioned=True),
    "zero3": _zero3,
    "fsdp": _fsdp,
}
