"""The adapter that PEFT would make, in parameters and bytes, per target module."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from hfkv.dtypes import BITS, canonical, nbytes, torch_name
from hfkv.errors import HfkvError, UnsupportedError
from hfkv.facts import Facts
from hfkv.facts.agreement import CONTRADICTED, NOTHING, Agreement
from hfkv.facts.config import Config
from hfkv.facts.dtype import model_dtype
from hfkv.json_value import attributes
from hfkv.modules.built import Built, target_name
from hfkv.peft.base import Base
from hfkv.peft.lora.draft import Adapted
from hfkv.peft.lora.inject import Injection, inject
from hfkv.peft.lora.notes import notes
from hfkv.peft.lora.options import LoraOptions, snippet
from hfkv.peft.lora.rank_line import RankLine
from hfkv.peft.matching import matches_list
from hfkv.reading import printable
from hfkv.shown import Shown, Table, cell, size

#: What adapters are trained and kept in.
_DTYPES = ("F32", "BF16", "F16", "F8_E4M3")
#: What PEFT casts to float32 by default, to train it.
_CAST = ("BF16", "F16", "F8_E4M3", "F8_E5M2")

_UNSTATED = (
    "neither config.json nor a safetensors header says the model's dtype: the bytes are those in "
    "float32, in which PEFT trains an adapter unless told otherwise; `dtype` says another"
)

__all__ = ["Lora", "Target", "adapter_dtype", "base_dtype", "count", "is_cast"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Modules of one name and size that are adapted alike.

    Attributes:
        name: the leaf name; fused experts as ``experts.gate_up_proj``.
        modules: how many.
        shape: ``in x out`` of one, with the number of experts before it.
        rank: LoRA's rank there.
        parameters: of all of them together.
    """

    name: str
    modules: int
    shape: str
    rank: int
    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Lora(Shown):
    """An adapter.

    Attributes:
        model: the base model's id or path.
        r: the rank that was asked for.
        target_modules: what was asked for; None is PEFT's default mapping.
        parameters: trained parameters, all told.
        bytes: of them, in ``dtype``.
        dtype: element type (torch's name).
        modules: adapted modules and plain parameters.
        targets: per leaf name and size.
        per_layer: (layer, modules, parameters).
        saved: modules trained whole, and trained token rows, to their parameters.
        biases: parameters of the base model's biases that are trained.
        frozen: parameters of the adapter itself that are saved and not trained.
        saved_parameters: what PEFT writes to disk.
        all_parameters: of the base model in memory and the adapter together.
        element: the safetensors name of ``dtype``.
        base_element: that of the dtype that the base model is loaded in.
        injection: what PEFT does to the base model, module by module.
        options: everything that was asked for.
        basis: ``exact``, or ``documented`` where packed weights were unpacked by rule.
        agreement: what came of holding the header against the class.
        notes: what a reader must be told, one sentence each.
        facts: what the base model was read from, for an explanation.
        warnings: what was asked for and PEFT does nothing with, one sentence each.
    """

    _brief = "model r target_modules parameters bytes dtype modules basis"

    model: str
    r: int
    target_modules: str | tuple[str, ...] | None
    parameters: int
    bytes: int
    dtype: str
    modules: int
    targets: tuple[Target, ...]
    per_layer: tuple[tuple[str, int, int], ...] = field(default=(), repr=False)
    saved: tuple[tuple[str, int], ...] = ()
    biases: int = 0
    frozen: int = 0
    saved_parameters: int
    all_parameters: int
    element: str = field(repr=False)
    base_element: str = field(repr=False)
    injection: Injection = field(repr=False, compare=False)
    options: LoraOptions = field(repr=False)
    basis: str = "exact"
    agreement: Agreement = field(default=NOTHING, repr=False)
    notes: tuple[str, ...] = ()
    facts: Facts | None = field(default=None, repr=False, compare=False)
    warnings: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        """PEFT's ``peft_type``."""
        return "LORA"

    @property
    def line(self) -> RankLine:
        """Parameters as a function of the rank."""
        return self.injection.line

    @property
    def rows(self) -> tuple[tuple[str, int], ...]:
        """Its numbers in a table for reading, each with its name."""
        return (
            ("trained parameters", self.parameters),
            ("saved parameters", self.saved_parameters),
            (f"bytes in {self.dtype}", self.bytes),
        )

    @property
    def per_target(self) -> dict[str, int]:
        """Parameters of the low-rank part by leaf name."""
        found: dict[str, int] = {}
        for target in self.targets:
            found[target.name] = found.get(target.name, 0) + target.parameters
        return found

    @property
    def trainable_parameters(self) -> int:
        """The first number of ``print_trainable_parameters()``."""
        return self.parameters

    @property
    def trainable_percent(self) -> float:
        """The third number of ``print_trainable_parameters()``."""
        return float(Fraction(100 * self.parameters, self.all_parameters))

    @property
    def bytes_by_dtype(self) -> dict[str, int]:
        """Bytes of the trained parameters in each dtype that adapters are held in."""
        return {torch_name(dtype): nbytes(self.parameters, dtype) for dtype in _DTYPES}

    @property
    def training_bytes(self) -> dict[str, int]:
        """Bytes of the trained parameters while they are trained, by dtype. PEFT casts what it adds
        to the model to float32 (``autocast_adapter_dtype``); copies and biases stay as they are."""
        return _by_dtype(self, self.parameters - self.injection.whole, self.injection.whole)

    @property
    def saved_bytes(self) -> int:
        """Bytes of the tensors that PEFT writes to disk, each in the dtype that it is held in."""
        made = self.injection
        return sum(_by_dtype(self, made.written_low_rank, made.written_whole).values())

    def largest_rank(self, size: int | Fraction) -> int | None:
        """The largest rank at which it has no more than ``size`` bytes; None where it has more at
        every rank, or its size does not depend on the rank."""
        return self.line.largest(Fraction(8 * size, BITS[self.element]))

    def _table(self) -> Table:
        rows = [
            (item.name, cell(item.modules), item.shape, cell(item.rank), cell(item.parameters))
            for item in self.targets
        ]
        rows += [(name, "", "", "", cell(count)) for name, count in self.saved]
        if self.biases:
            rows.append(("biases", "", "", "", cell(self.biases)))
        rows.append(("trained in all", cell(self.modules), "", "", cell(self.parameters)))
        return Table(
            title=f"{self.model}: LoRA r={self.r}, {size(self.bytes)}, {self.dtype}, {self.basis}",
            columns=("target", "modules", "in x out", "rank", "parameters"),
            rows=tuple(rows),
            notes=self.notes,
        )

    def snippet(self) -> str:
        """Python that makes exactly this adapter."""
        return snippet(self.options)

    def explain(self) -> list[str]:
        """The arithmetic with the model's own numbers, and where each of them came from."""
        from hfkv.peft.lora.explain import explain

        return explain(
            self.injection,
            self.options,
            size=self.bytes,
            element=self.element,
            basis=self.basis,
            facts=self.facts,
        )

    def to_json(self, *, layers: bool = False) -> dict[str, Any]:
        """The documented JSON value; ``layers`` adds the counts layer by layer."""
        value = attributes(
            self,
            "model r target_modules parameters bytes dtype bytes_by_dtype saved_parameters "
            "saved_bytes training_bytes per_target modules trainable_percent all_parameters saved "
            "biases basis notes warnings",
        )
        value["saved"] = dict(self.saved)
        value["crosscheck"] = self.agreement.to_json()
        if layers:
            value["per_layer"] = [
                {"layer": name, "modules": modules, "parameters": parameters}
                for name, modules, parameters in self.per_layer
            ]
        return value


def count(base: Base, options: LoraOptions, *, dtype: str = "auto") -> Lora:
    """The adapter that PEFT would make on this model.

    Args:
        base: the model.
        options: the adapter.
        dtype: its element type; ``auto`` is the model's own.

    Raises:
        TargetError: a target matches nothing, or PEFT itself refuses it.
        UnsupportedError: the layers cannot be counted honestly.
    """
    facts = base.facts
    unstated: tuple[str, ...] = ()
    try:
        element = adapter_dtype(facts, base.config, dtype)
    except UnsupportedError:
        # Only the bytes need a dtype: the count does not.
        element, unstated = "F32", (_UNSTATED,)
    if options.use_qalora:
        _refuse_qalora(facts)
    built = base.built
    base_element = base_dtype(base, element)
    injection = inject(built, options, where=facts.model, half=is_cast(base_element))
    _refuse_unloaded(facts, built, injection)
    total = injection.trainable
    figure = Lora(
        model=facts.model,
        r=options.r,
        target_modules=options.target_modules,
        parameters=total,
        bytes=nbytes(total, element),
        dtype=torch_name(element),
        modules=len(injection.adapted),
        targets=_targets(injection),
        per_layer=_per_layer(injection.adapted),
        saved=tuple((name, size) for name, size in injection.saved.items() if size),
        biases=sum(injection.biases.values()),
        frozen=injection.frozen,
        saved_parameters=injection.written,
        all_parameters=injection.all,
        element=element,
        base_element=base_element,
        injection=injection,
        options=options,
        basis=built.basis,
        warnings=tuple(map(str, injection.unused)),
        facts=facts,
        agreement=built.agreement,
    )
    told = notes(built, injection, options, figure.training_bytes, element)
    return replace(figure, notes=(*told, *unstated))


def _by_dtype(figure: Lora, added: int, whole: int) -> dict[str, int]:
    """Bytes of what PEFT adds and of what is the base model's own."""
    cast = "F32" if is_cast(figure.element) else figure.element
    found: dict[str, int] = {}
    for count, dtype in ((added, cast), (whole, figure.base_element)):
        if count:
            name = torch_name(dtype)
            found[name] = found.get(name, 0) + nbytes(count, dtype)
    return found


def is_cast(dtype: str) -> bool:
    """Whether PEFT casts what it adds to a model of this dtype to float32."""
    return dtype in _CAST


def base_dtype(base: Base, element: str) -> str:
    """What the base model is loaded in; the adapter's own dtype where nothing says it."""
    try:
        return model_dtype(base.facts, base.config).name
    except HfkvError:
        return element


def _refuse_qalora(facts: Facts) -> None:
    from hfkv.modules.packed import quantization_of

    if quantization_of(facts) is not None:
        raise UnsupportedError(
            "use_qalora shrinks the adapters of GPTQ's layers and is not counted on packed weights",
            where=facts.model,
            hint="on an unpacked model it changes nothing",
        )


def _refuse_unloaded(facts: Facts, built: Built, injection: Injection) -> None:
    """Targets that the class has not and the file has: whoever named them loads the file by a class
    of his own, and its adapter is another.

    Raises:
        UnsupportedError: there is one.
    """
    if built.basis != CONTRADICTED or facts.tensors is None:
        return
    named = {str(item.item) for item in injection.unused if item.field == "target_modules"}
    for tensor in facts.tensors if named else ():
        module = tensor.name.rpartition(".")[0]
        if matches_list(named, module):
            raise UnsupportedError(
                f"the target {printable(module)} is a weight of the file, and the class that the "
                "pinned transformers builds has no such module: the file is of another layout",
                where=facts.model,
                hint=built.reason,
            )


def adapter_dtype(facts: Facts, config: Config, asked: str) -> str:
    """The safetensors name of the adapter's element type: what was asked for, or the model's own.

    Raises:
        InputError: ``asked`` is not a dtype.
        ConfigError, UnsupportedError: as :func:`hfkv.facts.dtype.model_dtype`.
    """
    if asked != "auto":
        return canonical(asked, where="`dtype`")
    return model_dtype(facts, config).name


def _targets(injection: Injection) -> tuple[Target, ...]:
    groups: dict[tuple[str, str, int], list[int]] = {}
    for item in injection.adapted:
        times = f"{item.experts} x " if item.experts > 1 else ""
        shape = f"{times}{item.inputs} x {item.outputs}"
        key = (target_name(item.name), shape, item.rank)
        groups.setdefault(key, []).append(item.parameters)
    return tuple(
        Target(name=name, modules=len(counts), shape=shape, rank=rank, parameters=sum(counts))
        for (name, shape, rank), counts in groups.items()
    )


def _per_layer(adapted: tuple[Adapted, ...]) -> tuple[tuple[str, int, int], ...]:
    layers: dict[str, list[int]] = {}
    for item in adapted:
        parts = item.name.split(".")
        places = [number for number, part in enumerate(parts) if part.isdigit()]
        layer = ".".join(parts[: places[0] + 1]) if places else "(outside layers)"
        layers.setdefault(layer, []).append(item.parameters)
    return tuple((layer, len(counts), sum(counts)) for layer, counts in layers.items())
