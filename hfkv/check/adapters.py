"""What is checked of every adapter's config, whoever's format it is in."""

from __future__ import annotations

import fnmatch
import glob
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hfkv.check.asked import Asked, EveryLinear
from hfkv.check.document import Document, is_pointer
from hfkv.check.finding import At, Finding, said
from hfkv.check.misspelt import misspelt
from hfkv.check.models import Models, Unavailable, read_folder, renamed
from hfkv.check.targets import Base, Flaw, flaws
from hfkv.check.training.fields import integer
from hfkv.errors import CrosscheckError, HfkvError, InputError, TargetError, UnsupportedError
from hfkv.model import Model
from hfkv.modules.built import leaf
from hfkv.peft.lora import Lora, LoraOptions
from hfkv.peft.lora.fields import KNOWN, REFUSED
from hfkv.peft.lora.witness import agree
from hfkv.reading import describe, printable

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
        at = At(document)
        for slip in asked.slips:
            yield at(slip.path, slip.code, slip.message)
        yield from _types(asked, at)
        if asked.foreign:
            text = f"its base is a model of {asked.foreign}, and only transformers' are checked"
            yield at(asked.base_path, "HFKV005", text, note=True)
            return
        if asked.base is None:
            if asked.needs_base:
                yield at(
                    asked.base_path,
                    "HFKV110",
                    f"this {asked.kind} config names no base model on the Hub: set one for this "
                    "file under `bases` in the configuration of hfkv",
                    note=True,
                )
            yield from self._without_base(asked, at)
            return
        try:
            model = self._models.get(asked.base, asked.revision, near=document.file.parent)
        except Unavailable as reason:
            if reason.absent:
                text = (
                    f"{reason.message}: name the model that is meant for this file under `bases` "
                    "in the configuration of hfkv"
                )
                yield at(asked.base_path, "HFKV003", text, note=True)
            elif reason.code:
                yield at(asked.base_path, reason.code, reason.message)
            yield from self._without_base(asked, at)
            return
        now = renamed(model)
        if now:
            yield at(asked.base_path, "HFKV007", f"{printable(asked.base)} is {printable(now)} now")
        yield from _length(model, asked, at)
        try:
            base = self._base(model)
        except HfkvError as error:
            text = f"{printable(model.model)}: {said(error)}"
            yield at(asked.base_path, "HFKV005", text, note=True)
            return
        yield from _depth(base, asked, at)
        yield from _packed(model, asked, at)
        try:
            yield from self._on(model, base, document, asked, at)
        except TargetError as error:
            yield self._unusable(error, "HFKV108", asked, at)
        except UnsupportedError as error:
            yield self._unusable(error, "HFKV005", asked, at)
        except InputError as error:
            yield self._unusable(error, "HFKV107", asked, at)
        except HfkvError as error:
            yield at(asked.base_path, "HFKV005", printable(str(error), 1000), note=True)

    @staticmethod
    def _without_base(asked: Asked, at: At) -> Iterator[Finding]:
        """What can be told where no base is known: names that are a slip of a finger away from one
        that every model has, and are no model's."""
        if asked.translated or asked.wildcards:
            return
        targets = asked.fields.get("target_modules")
        for name in targets if isinstance(targets, (list, tuple)) else ():
            near = misspelt(name) if isinstance(name, str) else ""
            if near:
                called = printable(asked.called("target_modules"), 60)
                yield at(
                    asked.place("target_modules", name),
                    "HFKV102",
                    f"{called}: '{printable(name, 80)}' is a module of no model that is known "
                    f"here; did you mean {near}?",
                )

    def _on(
        self, model: Model, base: Base, document: Document, asked: Asked, at: At
    ) -> Iterator[Finding]:
        if "target_modules" in asked.unknown and not asked.fields.get("target_modules"):
            return
        if any(slip.code == "HFKV111" and "target" in slip.message for slip in asked.slips):
            return  # the targets are there, under a name that nothing reads
        fields = dict(asked.fields)
        towers = asked.own_towers and _has_towers(model)
        if asked.every_linear is not None:
            if towers:
                return  # these names are there
            fields["target_modules"] = _every_linear(base, asked.every_linear)
            if not fields["target_modules"]:
                name = printable(asked.called("target_modules"), 60)
                text = f"{name}: {base.where} has no linear layer that {asked.kind} would take"
                yield at(asked.place("target_modules"), "HFKV101", text)
                return
        if asked.wildcards:
            for name in ("target_modules", "exclude_modules"):
                if isinstance(fields.get(name), list):
                    fields[name] = _expanded(base, fields[name])
            # Lists of what to leave out are written for many models at once.
            excluded = fields.get("exclude_modules")
            if isinstance(excluded, list) and all(isinstance(item, str) for item in excluded):
                fields["exclude_modules"] = [item for item in excluded if base.has(item)]
        if not asked.exact_types:
            fields.pop("lora_alpha", None)
        counted = not asked.uncounted
        fields = {"r": 1, **fields, "peft_type": "LORA"}
        try:
            options = LoraOptions.from_config(fields)
        except UnsupportedError as error:
            # Whatever else such a field does, the names are there or they are not.
            yield self._unusable(error, "HFKV005", asked, at)
            counted = False
            fields = {key: item for key, item in fields.items() if key in KNOWN - REFUSED}
            options = LoraOptions.from_config(fields)
        possible, old_names = True, False
        unmapped: list[str] = []
        named = asked.every_linear is None
        for flaw in flaws(base, options, named=named):
            possible = possible and flaw.code not in ("HFKV101", "HFKV108")
            old_names = old_names or flaw.old_names
            if self._own_list(asked, flaw):
                continue
            if not asked.lora and (flaw.field not in fields or flaw.code == "HFKV108"):
                continue  # other kinds choose modules by the same names, and adapt them otherwise
            missing = flaw.field == "target_modules" and flaw.code in ("HFKV101", "HFKV102")
            if asked.translated and missing:
                unmapped.append(self._written(asked, flaw))
                continue
            if flaw.note and (asked.own_towers or not asked.lora):
                continue
            place = asked.place(flaw.field, flaw.item) or asked.base_path
            why = _elsewhere(model, asked, flaw) if missing else ""
            if why:
                text = f"{printable(asked.called(flaw.field), 60)}: {why}, so this is not counted"
                yield at(place, "HFKV005", text, note=True)
                counted = False
                continue
            yield at(place, flaw.code, self._words(asked, flaw), note=flaw.note)
        if unmapped:
            listed = ", ".join(dict.fromkeys(unmapped))
            yield at(
                asked.place("target_modules"),
                "HFKV005",
                f"{asked.kind}'s {listed} has no module of its own in {base.where} as transformers "
                "builds it, so this is not counted",
                note=True,
            )
            return
        if not counted or not possible or towers or asked.unknown:
            return
        self.checked.append(Checked(document=document, asked=asked, base=model, options=options))
        if not old_names:
            yield from self._header(document, asked, model, options, at)

    @staticmethod
    def _own_list(asked: Asked, flaw: Flaw) -> bool:
        """Whether a flaw is of a name that the trainer lists by itself, and nobody wrote."""
        every = asked.every_linear
        named = flaw.field == "target_modules" and flaw.item is not None
        return every is not None and named and flaw.item not in every.beside

    @staticmethod
    def _unusable(error: HfkvError, code: str, asked: Asked, at: At) -> Finding:
        # The error says which field it speaks of as the last part of its place.
        field = error.where.rpartition(": ")[2].partition("[")[0]
        known = field in asked.fields
        words = f"{printable(asked.called(field), 60)}: {said(error)}" if known else said(error)
        place = asked.place(field) if known else asked.place("target_modules") or asked.base_path
        return at(place, code, words, note=code == "HFKV005")

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
        document: Document, asked: Asked, model: Model, options: LoraOptions, at: At
    ) -> Iterator[Finding]:
        """The adapter's own tensors, where they lie beside its config."""
        folder = document.file.parent
        file = folder / "adapter_model.safetensors"
        if not asked.owns_header or not file.is_file() or is_pointer(file):
            return
        try:
            witness = read_folder(folder, model="adapter").tensors
            if witness is not None and not (folder / "config.json").is_file():
                agree(model.base, model.lora(options, dtype=asked.dtype), witness)
        except CrosscheckError as error:
            yield at((), "HFKV106", f"adapter_model.safetensors: {said(error)}")
        except TargetError:
            return  # it has its finding already
        except UnsupportedError as error:
            yield at((), "HFKV005", said(error), note=True)
        except HfkvError as error:
            text = str(error).replace(f"{folder}/", "").removeprefix("adapter_model.safetensors: ")
            yield at((), "HFKV106", f"adapter_model.safetensors: {printable(text, 800)}")


def _elsewhere(model: Model, asked: Asked, flaw: Flaw) -> str:
    """Why a name that transformers' class has no module for may be right all the same, or ""."""
    name = printable(str(flaw.item), 80)
    if flaw.fused and asked.own_experts:
        return f"{asked.kind} looks for the experts' fused parameters instead of '{name}'"
    mapping = (model.core.config or {}).get("auto_map")
    own = isinstance(mapping, Mapping) and any(
        isinstance(key, str) and key.startswith("AutoModel") for key in mapping
    )
    if not own:
        return ""
    tensors = model.core.tensors
    # A slip of the finger is one in either class.
    there = (
        not flaw.like
        if tensors is None
        else any(f".{flaw.item}." in f".{group[0]}" for group in tensors.groups())
    )
    return (
        f"'{name}' is no module of transformers' class, and {printable(model.model)} brings a "
        "class of its own (auto_map)"
        if there
        else ""
    )


def _types(asked: Asked, at: At) -> Iterator[Finding]:
    """Values that nothing converts, and that fail or go wrong once PEFT computes with them."""
    if not asked.exact_types:
        return
    for name in ("lora_alpha", "lora_dropout"):
        value = asked.fields.get(name)
        if isinstance(value, (str, bool)):
            yield at(
                asked.place(name),
                "HFKV107",
                f"{printable(asked.called(name), 60)}: found {describe(value)}; expected a number",
            )


def _length(model: Model, asked: Asked, at: At) -> Iterator[Finding]:
    """Sequences beyond the positions that the model was trained with."""
    limit = _positions(model)
    if asked.tokens is None or limit is None or asked.tokens <= limit:
        return
    key = str(asked.tokens_path[-1]) if asked.tokens_path else "the length"
    yield at(
        asked.tokens_path,
        "HFKV112",
        f"{printable(key, 60)}: {asked.tokens:,} tokens are more than the {limit:,} positions "
        f"(max_position_embeddings) of {printable(model.model)}"
        + ("; packed samples begin anew at the first" if asked.packed else ""),
        note=asked.packed,
    )


def _positions(model: Model) -> int | None:
    config: Mapping[str, Any] = model.core.config or {}
    for part in (config.get("text_config"), config):
        if not isinstance(part, Mapping):
            continue
        limit = integer(part.get("max_position_embeddings", part.get("n_positions")))
        if limit is None:
            continue
        if limit < 1024 and "rope_theta" in part:
            return None  # rotary positions have no such end: it is a number that nobody set
        scaling = part.get("rope_scaling") or part.get("rope_parameters")
        factor = scaling.get("factor") if isinstance(scaling, Mapping) else None
        if isinstance(factor, (int, float)) and 1 < factor < 1000:
            # Whether the limit has the factor in it already differs from model to model.
            limit = int(limit * factor)
        return limit
    return None


def _depth(base: Base, asked: Asked, at: At) -> Iterator[Finding]:
    """More layers than there are."""
    depth = len({found[1] for name in base.full if (found := _LAYER.search(name))})
    if asked.layers is not None and asked.layers_path and depth and asked.layers > depth:
        yield at(
            asked.layers_path,
            "HFKV109",
            f"{printable(str(asked.layers_path[-1]), 60)}: {asked.layers:,} layers are more than "
            f"the {depth:,} of {base.where}",
        )


_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks|block)\.([0-9]+)\.")
#: PEFT's classes of layers for packed weights that refuse DoRA, by the method's name.
_NO_DORA = {"awq": "AwqLoraLinear", "gptq": "GPTQLoraLinear", "aqlm": "AqlmLoraLinear",
            "eetq": "EetqLoraLinear", "auto-round": "GPTQLoraLinear"}  # fmt: skip


def _packed(model: Model, asked: Asked, at: At) -> Iterator[Finding]:
    """What PEFT refuses on packed weights."""
    quantization = (model.core.config or {}).get("quantization_config")
    method = quantization.get("quant_method") if isinstance(quantization, Mapping) else None
    if asked.fields.get("use_dora") is True and method in _NO_DORA:
        yield at(
            asked.place("use_dora"),
            "HFKV108",
            f"{printable(asked.called('use_dora'), 60)}: {printable(model.model)} is packed by "
            f"{method}, and PEFT's {_NO_DORA[method]} takes no DoRA",
        )


def _expanded(base: Base, names: list[Any]) -> list[Any]:
    """Names with ``*`` as the linear layers whose whole names they fit; those that fit none stay
    as they are."""
    found: list[Any] = []
    linear = [module.name for module in base.built.modules if module.kind in ("linear", "Conv1D")]
    for name in names:
        if not isinstance(name, str) or "*" not in name:
            found.append(name)
            continue
        # fnmatch's own expressions take no more than one pass, however many stars there are.
        pattern = "*".join(glob.escape(part) for part in name.split("*"))
        found += [item for item in linear if fnmatch.fnmatchcase(item, pattern)] or [name]
    return found


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
