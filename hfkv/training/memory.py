"""What training an adapter takes, part by part, on each GPU and on disk."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from hfkv.dtypes import BITS, torch_name
from hfkv.errors import InputError, UnsupportedError
from hfkv.json_value import attributes
from hfkv.modules.table import has_table
from hfkv.peft.base import Base
from hfkv.peft.lora.adapter import Lora
from hfkv.peft.lora.tensors import AdapterTensor, tensors
from hfkv.shown import Shown, Table, cell, size
from hfkv.training.activations import Activations, estimate
from hfkv.training.disk import file_bytes
from hfkv.training.loaded import KBIT, Loaded, loaded
from hfkv.training.optimizers import optimizer_of
from hfkv.training.strategies import STRATEGIES, Load, Piece, share

__all__ = ["Part", "Training", "training"]

_START = "base_model.model."


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of what a GPU holds.

    Attributes:
        name: ``weights``, ``adapter``, ``gradients``, ``optimizer``, ``master`` or
            ``communication``.
        bytes: on the fullest GPU.
        of: what it is, for reading.
        basis: how it is known.
    """

    name: str
    bytes: int
    of: str
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Training(Shown):
    """What training an adapter takes.

    Attributes:
        model: the base model's id or path.
        r: the rank.
        parameters: trained ones.
        optimizer: its key; cls: the class whose state is counted.
        strategy: how several GPUs share it, or None; gpus: how many.
        base_dtype: what the base model is held in.
        parts: what is held, each with its basis. Their sum is :attr:`bytes`.
        activations: an estimate, in no sum; None where no batch was asked about.
        saved_tensor_bytes: of the tensors that ``save_pretrained`` writes; None where they are not
            all known.
        saved_file_bytes: of ``adapter_model.safetensors`` itself; None where its names are not.
        notes: what a reader must be told.
    """

    _brief = "model r optimizer strategy gpus base_dtype bytes basis"

    model: str
    r: int
    parameters: int
    optimizer: str
    cls: str
    strategy: str | None
    gpus: int
    base_dtype: str
    parts: tuple[Part, ...]
    activations: Activations | None
    saved_tensor_bytes: int | None
    saved_file_bytes: int | None
    notes: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """All parts together, on each GPU, without activations."""
        return sum(part.bytes for part in self.parts)

    @property
    def basis(self) -> str:
        """The weakest basis of the parts."""
        found = {part.basis for part in self.parts}
        return next((name for name in found if name not in ("exact", "documented")), "") or (
            "documented" if "documented" in found else "exact"
        )

    def _table(self) -> Table:
        rows = [(part.name, cell(part.bytes), part.basis) for part in self.parts]
        guess = self.activations
        if guess is not None:
            rows += [
                (f"activations, {name} (in no sum)", cell(found), "estimated")
                for name, found in (("lower", guess.low), ("upper", guess.high))
                if found is not None
            ]
        return Table(
            title=f"{self.model}: training LoRA r={self.r} with {self.optimizer}, "
            f"{size(self.bytes)} on each GPU",
            columns=("part", "bytes", "basis"),
            rows=tuple(rows),
            notes=self.notes,
            texts=(2,),
        )

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        value = attributes(
            self,
            "model r parameters optimizer cls strategy gpus base_dtype bytes basis "
            "saved_tensor_bytes saved_file_bytes notes",
        )
        value["parts"] = [attributes(part, "name bytes of basis") for part in self.parts]
        value["activations"] = None
        if self.activations is not None:
            names = "low high batch sequence checkpointing rule reason"
            value["activations"] = attributes(self.activations, names) | {"basis": "estimated"}
        return value


def training(
    base: Base,
    figure: Lora,
    *,
    optimizer: str = "adamw",
    strategy: str | None = None,
    gpus: int = 1,
    base_dtype: str = "auto",
    autocast: bool = True,
    prepare: bool = True,
    batch: int = 1,
    sequence: int | None = None,
    checkpointing: bool = False,
) -> Training:
    """What training an adapter takes.

    Args:
        base: the model.
        figure: the adapter that was counted on it.
        optimizer: a key of :data:`hfkv.training.optimizers.OPTIMIZERS`, or transformers' name.
        strategy: a key of :data:`hfkv.training.strategies.STRATEGIES`.
        gpus: among how many.
        base_dtype: ``auto``, a dtype, ``4bit`` or ``8bit``.
        autocast: PEFT's ``autocast_adapter_dtype``: the adapter in float32.
        prepare: as in :func:`hfkv.training.loaded.loaded`.
        batch, sequence: of one GPU, for the estimate of activations.
        checkpointing: gradient checkpointing.

    Raises:
        InputError: an argument is not usable, or GPUs and strategy do not go together.
        UnsupportedError: the adapter's tensors are not all known, the checkpoint is packed, or the
            combination is not counted.
    """
    chosen = optimizer_of(optimizer)
    _check(strategy, gpus, batch, sequence)
    held = loaded(base, base_dtype, prepare=prepare)
    found = tensors(base.built, figure)
    if sum(math.prod(item.shape) for item in held.held) != figure.injection.base:
        raise UnsupportedError(
            "the adapter is put on other layers than the model has (layer_replication), and what "
            "training it takes is not counted",
            where=figure.model,
        )
    elements = {item.name: item.element for item in held.held}
    types = [_type(tensor, elements, held.element, autocast=autocast) for tensor in found]
    load = _load(held, found, types, figure)
    placed = share(load, chosen, strategy, gpus)
    basis = _weaker(figure.basis, placed.basis)
    whole = f"{torch_name(held.element)}" if held.dtype not in KBIT else held.dtype
    names = [
        ("weights", placed.weights, f"the base model in {whole}", _weaker(held.basis, basis)),
        ("adapter", placed.adapter, "its tensors, and copies of modules trained whole", basis),
        ("gradients", placed.gradients, f"of {figure.parameters:,} parameters", basis),
        ("optimizer", placed.optimizer, chosen.cls, _weaker(chosen.basis, basis)),
        ("master", placed.master, "float32 copies of what is trained", basis),
        ("communication", placed.communication, "DDP's buckets of gradients", basis),
    ]
    written = _types_on_disk(found, types, held, strategy)
    saved, file = _saved(base, figure, found, written, held)
    notes = [*held.notes, *placed.notes]
    if chosen.note:
        notes.append(chosen.note)
    if chosen.paged:
        notes.append("the optimizer's states are paged: they may move to the CPU's memory")
    if not autocast:
        notes.append("autocast_adapter_dtype=False: the adapter is in the model's own dtype")
    return Training(
        model=figure.model,
        r=figure.r,
        parameters=figure.parameters,
        optimizer=chosen.name,
        cls=chosen.cls,
        strategy=strategy,
        gpus=gpus,
        base_dtype=whole,
        parts=tuple(
            Part(name=name, bytes=size, of=of, basis=known)
            for name, size, of, known in names
            if size or name in ("weights", "adapter", "gradients", "optimizer")
        ),
        activations=None
        if sequence is None
        else estimate(
            base, held.element, batch=batch, sequence=sequence, checkpointing=checkpointing
        ),
        saved_tensor_bytes=saved,
        saved_file_bytes=file,
        notes=tuple(notes),
    )


def _check(strategy: str | None, gpus: int, batch: int, sequence: int | None) -> None:
    if gpus < 1 or batch < 1 or (sequence is not None and sequence < 1):
        raise InputError("not positive", where="`gpus`, `batch`, `sequence`")
    if strategy is not None and strategy not in STRATEGIES:
        raise InputError(
            f"no strategy '{strategy[:40]}'", where="`strategy`", expected=", ".join(STRATEGIES)
        )
    if strategy is not None and gpus < 2:
        raise InputError(
            f"{strategy} shares the work of several GPUs", where="`gpus`", expected="2 and more"
        )
    if strategy is None and gpus > 1:
        raise InputError(
            f"how {gpus:,} GPUs share the work is not said",
            where="`strategy`",
            expected=", ".join(STRATEGIES),
        )


def _weaker(first: str, second: str) -> str:
    order = ("exact", "documented")
    return max((first, second), key=lambda name: order.index(name) if name in order else len(order))


def _type(tensor: AdapterTensor, elements: dict[str, str], element: str, *, autocast: bool) -> str:
    """The type that PEFT holds it in: what is low-rank and token rows are cast to float32, copies
    and biases are of their own type in the base model."""
    if tensor.kind in ("low-rank", "rows"):
        return "F32" if autocast else element
    return elements.get(tensor.name) or element


def _load(held: Loaded, found: tuple[AdapterTensor, ...], types: list[str], figure: Lora) -> Load:
    biases = {tensor.name for tensor in found if tensor.kind == "bias"}
    base = [
        Piece(
            shape=item.shape,
            element=item.element,
            bytes=item.bytes,
            trained=item.name in biases,
            strict=item.element == "F32" and held.element != "F32" and held.dtype not in KBIT,
        )
        for item in held.held
    ]
    adapter = [
        Piece(
            shape=tensor.shape,
            element=element,
            bytes=tensor.elements * BITS[element] // 8,
            trained=tensor.trained,
        )
        for tensor, element in zip(found, types, strict=True)
        if tensor.kind != "bias"
    ]
    if figure.injection.idle:
        # Copied with the rest of a module, and frozen.
        size = figure.injection.idle * BITS[held.element] // 8
        shape = (figure.injection.idle,)
        adapter.append(Piece(shape=shape, element=held.element, bytes=size))
    return Load(base=base, adapter=adapter, element=held.element, packed=held.dtype in KBIT)


def _types_on_disk(
    found: tuple[AdapterTensor, ...], types: list[str], held: Loaded, strategy: str | None
) -> list[str]:
    """The types that are written: those that the strategy has cast the parameters to."""
    if held.element not in ("BF16", "F16") or strategy in (None, "ddp"):
        return types
    cast = "F32" if strategy == "fsdp" else held.element
    return [
        cast if tensor.trained or strategy != "fsdp" else element
        for tensor, element in zip(found, types, strict=True)
    ]


def _saved(
    base: Base, figure: Lora, found: tuple[AdapterTensor, ...], types: list[str], held: Loaded
) -> tuple[int | None, int | None]:
    """Bytes of the tensors that are written, and of the file; None where not all are known."""
    adapted = {item.name for item in figure.injection.adapted}
    written = []
    for tensor, element in zip(found, types, strict=True):
        module, _, short = tensor.name.rpartition(".")
        name = (
            f"{module}.base_layer.{short}"
            if tensor.kind == "bias" and module in adapted
            else tensor.name
        )
        written.append((_START + name, tensor.shape, element))
    elements = {item.name: item.element for item in held.held}
    shapes = base.built.shapes()
    for name in figure.injection.embeddings:
        module, _, short = name.rpartition(".")
        full = f"{_START}{module}.base_layer.{short}"
        written.append((full, shapes[name], elements.get(name) or held.element))
    count = sum(math.prod(shape) for _, shape, _ in written)
    if count != figure.saved_parameters or "" in {element for _, _, element in written}:
        return None, None
    total = sum(math.prod(shape) * BITS[element] // 8 for _, shape, element in written)
    plain = {tensor.kind for tensor in found} <= {"low-rank", "copy", "rows"}
    named = plain and has_table(base.config) and not figure.options.target_parameters
    named = named and not figure.injection.converted and not figure.options.layer_replication
    return total, file_bytes(written) if named else None
