"""A method's adapter in parameters and bytes, and held against its own file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from hfkv.dtypes import nbytes, torch_name
from hfkv.errors import CrosscheckError, TargetError
from hfkv.json_value import attributes
from hfkv.peft.base import Base
from hfkv.peft.lora.adapter import adapter_dtype, base_dtype, is_cast
from hfkv.peft.tuners.inject import Injection, dtype_of, inject
from hfkv.peft.tuners.options import TunerOptions
from hfkv.peft.tuners.rule import Site
from hfkv.reading import printable
from hfkv.shown import Shown, Table, cell
from hfkv.tensors import TensorTable

__all__ = ["Tuner", "agree", "count", "trained_at"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Tuner(Shown):
    """An adapter by one of PEFT's methods.

    Attributes:
        model: the base model's id or path.
        method: its ``peft_type``.
        parameters: trained, the first number of ``print_trainable_parameters()``.
        all_parameters: the second.
        saved_parameters: elements of the tensors that PEFT writes.
        bytes: of the trained parameters, in ``dtype``.
        dtype: element type (torch's name).
        element: the safetensors name of ``dtype``.
        modules: adapted modules.
        training_bytes: bytes of the trained parameters as they are held, by dtype.
        saved_bytes: bytes of the tensors that PEFT writes, each in the dtype that it is held in.
        options: everything that was asked for.
        injection: the tensors.
        basis: how it is known.
        notes: what a reader must be told, one sentence each.
        warnings: what was asked for and changes nothing.
    """

    _brief = "model method parameters bytes dtype modules saved_bytes basis"

    model: str
    method: str
    parameters: int
    all_parameters: int
    saved_parameters: int
    bytes: int
    dtype: str
    element: str = field(repr=False)
    modules: int
    training_bytes: dict[str, int]
    saved_bytes: int
    options: TunerOptions = field(repr=False)
    injection: Injection = field(repr=False, compare=False)
    basis: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[tuple[str, int], ...]:
        """Its numbers in a table for reading, each with its name."""
        return (
            ("adapted modules", self.modules),
            ("trained parameters", self.parameters),
            ("saved elements", self.saved_parameters),
            (f"bytes in {self.dtype}", self.bytes),
            ("bytes on disk", self.saved_bytes),
        )

    def _table(self) -> Table:
        return Table(
            title=f"{self.model}: {self.method}",
            rows=(*((name, cell(value)) for name, value in self.rows), ("basis", self.basis)),
            notes=(*self.warnings, *self.notes),
        )

    def snippet(self) -> str:
        """Python that makes exactly this adapter."""
        return self.options.snippet()

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return attributes(
            self,
            "model method parameters bytes dtype saved_parameters saved_bytes training_bytes "
            "modules all_parameters basis notes warnings",
        )


def count(base: Base, options: TunerOptions, *, dtype: str = "auto") -> Tuner:
    """The adapter that PEFT would make on this model.

    Args:
        base: the model.
        options: the adapter.
        dtype: its element type; ``auto`` is the model's own.

    Raises:
        TargetError: a target matches nothing, or PEFT itself refuses it.
        UnsupportedError: it cannot be counted honestly.
    """
    element = adapter_dtype(base.facts, base.config, dtype)
    own = base_dtype(base, element)
    built = base.built
    made = inject(built, options, where=base.facts.model, half=is_cast(own))
    cast = "F32" if is_cast(own) else own
    held: dict[str, int] = {}
    for part in made.own():
        if part.trained:
            _add(held, dtype_of(part, own, cast), part.elements)
    _add(held, own, made.whole)
    saved = nbytes(made.copied, own)
    for _, part in made.parts:
        if part.saved:
            saved += nbytes(part.elements, dtype_of(part, own, cast))
    notes = (
        [f"PEFT writes {made.written:,} elements, of which {made.trained:,} are trained"]
        if made.written > made.trained
        else []
    )
    if built.reason:
        notes.append(built.reason)
    return Tuner(
        model=base.facts.model,
        method=options.method,
        parameters=made.trained,
        all_parameters=made.all,
        saved_parameters=made.written,
        bytes=nbytes(made.trained, element),
        dtype=torch_name(element),
        element=element,
        modules=len(made.sites),
        training_bytes=held,
        saved_bytes=saved,
        options=options,
        injection=made,
        basis=built.basis,
        notes=tuple(notes),
        warnings=tuple(map(str, made.unused)),
    )


def _add(held: dict[str, int], dtype: str, count: int) -> None:
    if count:
        name = torch_name(dtype)
        held[name] = held.get(name, 0) + nbytes(count, dtype)


def trained_at(figure: Tuner, field_name: str, value: int) -> int | None:
    """Bytes of the trained parameters of the same adapter at another value of one field, from one
    layer of each size; None where PEFT refuses it. Only for methods that share nothing trained."""
    config = {**figure.options.values, "half": False, field_name: value}
    alike: dict[tuple[object, ...], list[Site]] = {}
    for site in figure.injection.sites:
        key = (site.kind, site.inputs, site.outputs, site.kernel, site.groups, site.bias)
        alike.setdefault(key, []).append(site)
    total = 0
    try:
        for sites in alike.values():
            parts = figure.options.rule.parts(config, sites[0])
            total += len(sites) * sum(part.elements for part in parts if part.trained)
    except TargetError:
        return None
    return nbytes(total, figure.element)


_ADAPTER = re.compile(r"\.default(?=\.|$)")


def agree(base: Base, figure: Tuner, witness: TensorTable) -> Tuner:
    """The adapter, compared with the header of its own file, tensor by tensor.

    Raises:
        CrosscheckError: the header holds other tensors than PEFT would save of this config.
    """
    expected = {name: part.shape for name, part in figure.injection.parts if part.saved}
    found = {_ADAPTER.sub("", tensor.name): tuple(tensor.shape) for tensor in witness}
    causes = []
    missing = [name for name in expected if name not in found]
    other = [name for name in expected if name in found and found[name] != expected[name]]
    if missing:
        causes.append(
            f"{len(missing):,} tensors are not in the file, {printable(missing[0])} first"
        )
    if other:
        causes.append(
            f"{len(other):,} tensors have another shape, {printable(other[0])} "
            f"{list(found[other[0]])} in the file and {list(expected[other[0]])} on this base"
        )
    if not causes and witness.parameters != figure.saved_parameters:
        causes.append("what else is saved is not what the config makes")
    if causes:
        raise CrosscheckError(
            f"its header holds {witness.parameters:,} elements, and PEFT saves "
            f"{figure.saved_parameters:,} of its config: {'; '.join(causes)}",
            where="adapter",
            expected="an adapter made by the pinned PEFT on this base model",
        )
    note = f"its own header agrees: {witness.parameters:,} elements in {len(found):,} tensors"
    return replace(figure, notes=(*figure.notes, note))
