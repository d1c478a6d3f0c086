"""What is checked of every adapter's config, whoever's format it is in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hfkv.check.asked import Asked, EveryLinear
from hfkv.check.document import Document, KeyPath
from hfkv.check.finding import Finding, said
from hfkv.check.models import Models, Unavailable
from hfkv.check.targets import Base, Flaw, flaws
from hfkv.errors import CrosscheckError, HfkvError, InputError, TargetError, UnsupportedError
from hfkv.model import Model
from hfkv.modules.built import leaf
from hfkv.peft.lora import Lora, LoraOptions
from hfkv.peft.lora.witness import agree
from hfkv.reading import printable
from hfkv.source.directory import read_directory
from hfkv.tensors import TensorTable

__all__ = ["Adapters", "Checked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """An adapter whose config could be counted: what budgets are held against.

    Attributes:
        document: the file.
        asked: what it asks.
        base: the model it adapts.
        options: PEFT's options.
    """

    document: Document
    asked: Asked
    base: Model
    options: LoraOptions

    def figure(self) -> Lora:
        """The adapter in parameters and bytes.

        Raises:
            HfkvError: as :meth:`hfkv.Model.lora`.
        """
        return self.base.lora(self.options, dtype=self.asked.dtype)


class Adapters:
    """Checks adapters; what is known of a base is kept for the next."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._bases: dict[int, Base] = {}
        #: Those that could be counted.
        self.checked: list[Checked] = []

    def check(self, document: Document, asked: Asked) -> Iterator[Finding]:
        """The findings of one adapter."""
        at = _At(document)
        for slip in asked.slips:
            yield at(slip.path, slip.code, slip.message)
        if asked.base is None:
            if asked.needs_base:
                yield at(
                    asked.base_path,
                    "HFKV110",
                    f"this {asked.kind} config names no base model on the Hub: set one for this "
                    "file under `bases` in the configuration of hfkv",
                )
            return
        try:
            model = self._models.get(asked.base, asked.revision, near=document.file.parent)
        except Unavailable as reason:
            if reason.code:
                yield at(asked.base_path, reason.code, reason.message)
            return
        try:
            base = self._base(model)
        except HfkvError as error:
            yield at(asked.base_path, "HFKV005", f"{printable(model.model)}: {said(error)}")
            return
        try:
            yield from self._on(model, base, document, asked, at)
        except TargetError as error:
            yield self._unusable(error, "HFKV108", asked, at)
        except UnsupportedError as error:
            yield self._unusable(error, "HFKV005", asked, at)
        except InputError as error:
            yield self._unusable(error, "HFKV107", asked, at)
        except HfkvError as error:
            yield at(asked.base_path, "HFKV005", printable(str(error), 1000))

    def _on(
        self, model: Model, base: Base, document: Document, asked: Asked, at: _At
    ) -> Iterator[Finding]:
        fields = dict(asked.fields)
        towers = asked.own_towers and _has_towers(model)
        if asked.every_linear is not None:
            if towers:
                return  # these names are there
            fields["target_modules"] = _every_linear(base, asked.every_linear)
        options = LoraOptions.from_config({"r": 1, **fields, "peft_type": "LORA"})
        possible = True
        for flaw in flaws(base, options, fields.get("alpha_pattern")):
            possible = possible and flaw.code not in ("HFKV101", "HFKV108")
            if self._own_list(asked, flaw):
                continue
            if not asked.lora and (flaw.field not in fields or flaw.code == "HFKV108"):
                continue  # other kinds choose modules by the same names, and adapt them otherwise
            missing = flaw.field == "target_modules" and flaw.code in ("HFKV101", "HFKV102")
            if asked.translated and missing:
                yield at(
                    asked.place(flaw.field),
                    "HFKV005",
                    f"{asked.kind}'s {self._written(asked, flaw)} has no module of its own in "
                    f"{base.where} as transformers builds it, so this is not counted",
                )
                return
            place = asked.place(flaw.field, flaw.item) or asked.base_path
            yield at(place, flaw.code, self._words(asked, flaw))
        if asked.uncounted or not possible or towers:
            return
        self.checked.append(Checked(document=document, asked=asked, base=model, options=options))
        yield from self._header(document, asked, model, options, at)

    @staticmethod
    def _own_list(asked: Asked, flaw: Flaw) -> bool:
        """Whether a flaw is of a name that the trainer lists by itself, and nobody wrote."""
        every = asked.every_linear
        named = flaw.field == "target_modules" and flaw.item is not None
        return every is not None and named and flaw.item not in every.beside

    @staticmethod
    def _unusable(error: HfkvError, code: str, asked: Asked, at: _At) -> Finding:
        # The error says which field it speaks of as the last part of its place.
        field = error.where.rpartition(": ")[2].partition("[")[0]
        known = field in asked.fields
        words = f"{printable(asked.called(field), 60)}: {said(error)}" if known else said(error)
        place = asked.place(field) if known else asked.place("target_modules") or asked.base_path
        return at(place, code, words)

    @staticmethod
    def _written(asked: Asked, flaw: Flaw) -> str:
        return printable(asked.items.get(flaw.field, {}).get(str(flaw.item), str(flaw.item)), 60)

    def _words(self, asked: Asked, flaw: Flaw) -> str:
        name = printable(asked.called(flaw.field), 60)
        written = self._written(asked, flaw)
        here = f" ('{written}' here)" if flaw.item is not None and written != str(flaw.item) else ""
        hint = printable(asked.hints.get(flaw.field, flaw.hint), 300) if flaw.hint else ""
        return f"{name}: {flaw.message}{here}" + (f"; {hint}" if hint else "")

    def _base(self, model: Model) -> Base:
        facts = model.core
        if id(facts) not in self._bases:
            self._bases[id(facts)] = Base(model.built, printable(facts.model))
        return self._bases[id(facts)]

    @staticmethod
    def _header(
        document: Document, asked: Asked, model: Model, options: LoraOptions, at: _At
    ) -> Iterator[Finding]:
        """The adapter's own tensors, where they lie beside its config."""
        folder = document.file.parent
        if not asked.owns_header or not (folder / "adapter_model.safetensors").is_file():
            return
        try:
            witness = _own_tensors(folder)
            if witness is not None:
                agree(model.lora(options, dtype=asked.dtype), witness)
        except CrosscheckError as error:
            yield at((), "HFKV106", f"adapter_model.safetensors: {said(error)}")
        except TargetError:
            return  # it has its finding already
        except UnsupportedError as error:
            yield at((), "HFKV005", said(error))
        except HfkvError as error:
            yield at((), "HFKV106", f"adapter_model.safetensors: {printable(str(error), 800)}")


@dataclass(frozen=True, slots=True)
class _At:
    """Makes findings of one document."""

    document: Document

    def __call__(self, path: KeyPath, code: str, message: str) -> Finding:
        document = self.document
        return Finding(path=document.path, line=document.line(path), code=code, message=message)


def _every_linear(base: Base, every: EveryLinear) -> list[str]:
    """The names a trainer gives PEFT where it is told to take every linear layer."""
    found = set(every.beside)
    for module in base.built.modules:
        name = leaf(module.name)
        left = (
            any(part in module.name for part in every.but) if every.anywhere else name in every.but
        )
        if module.kind == "linear" and not left:
            found.add(name)
    return sorted(found)


def _has_towers(model: Model) -> bool:
    """Whether a model has parts beside its language model."""
    config: Mapping[str, Any] = model.core.config or {}
    return any(
        isinstance(value, Mapping)
        and key.endswith("_config")
        and any(word in key for word in ("vision", "audio", "speech", "thinker", "talker"))
        for key, value in config.items()
    )


def _own_tensors(folder: Path) -> TensorTable | None:
    """The adapter's own header; None where the directory holds a whole model whose files come
    first, or an adapter of another kind."""
    tensors = read_directory(folder, model="adapter", source="directory").tensors
    if tensors is None or not any(".lora_" in pattern for pattern, *_ in tensors.patterns()):
        return None
    return tensors
