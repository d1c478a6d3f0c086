"""What a config file asks of LoRA, whoever's format it is in: PEFT's fields, and their places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hfkv.check.text.places import KeyPath

__all__ = ["Asked", "EveryLinear", "Slip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EveryLinear:
    """A trainer's own way of naming every linear layer: the last parts of their names.

    Attributes:
        but: names that are left out; where ``anywhere``, also modules below one of that name.
        anywhere: ``but`` is looked for in the whole name.
        beside: names that are targets as well.
    """

    but: tuple[str, ...]
    anywhere: bool = False
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """Something wrong with a config that shows without its base model.

    Attributes:
        code: the finding's code.
        path: where it is.
        message: what is wrong.
    """

    code: str
    path: KeyPath
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An adapter that a file configures.

    Attributes:
        kind: whose format it is, for messages.
        base: the base model's Hub id or path; None where the file does not say.
        base_path: where it says so.
        revision: the base's revision.
        fields: the fields of ``LoraConfig``.
        places: field to its place in the file.
        names: field to what the file calls it, where that is another name.
        items: field to the items as the file writes them, where they were translated.
        hints: field to what the trainer does with it that its writer may not expect.
        every_linear: the trainer names the targets itself, once it sees the model.
        slips: what is wrong whatever the base is.
        uncounted: why the parameters are not those of ``fields``, in a sentence; the names are
            checked all the same. "" where they are.
        translated: the file names modules as another library does, and not all models have
            them one by one in transformers.
        own_towers: of a model with vision or audio towers the trainer adapts what other fields of
            its own say, so that nothing is counted there.
        own_experts: names of experts' projections that are fused into one parameter are no mistake:
            the trainer looks for that parameter instead.
        lora: it is LoRA, and not another kind that chooses modules by the same fields.
        dtype: element type of the adapter, ``auto`` is the model's.
        owns_header: an adapter's own safetensors may lie beside the file.
        needs_base: that no base is named is worth a note.
        unknown: fields that are filled in when the trainer runs.
        wildcards: names may hold ``*``, and are then matched against whole names.
        exact_types: nothing converts the file's values before PEFT gets them.
        tokens: the length of a sequence in training, and ``tokens_path`` where that is.
        batch: sequences in a batch.
        packed: several samples share a sequence, each with positions of its own.
        foreign: the library whose classes it adapts, where that is not transformers.
        layers: how many of the last layers are adapted, and ``layers_path`` where that is.
    """

    kind: str
    base: str | None
    base_path: KeyPath = ()
    revision: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, KeyPath] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    items: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)
    every_linear: EveryLinear | None = None
    slips: tuple[Slip, ...] = ()
    uncounted: str = ""
    translated: bool = False
    own_towers: bool = False
    own_experts: bool = False
    lora: bool = True
    dtype: str = "auto"
    owns_header: bool = False
    needs_base: bool = True
    unknown: frozenset[str] = frozenset()
    wildcards: bool = False
    exact_types: bool = False
    tokens: int | None = None
    tokens_path: KeyPath = ()
    batch: int | None = None
    packed: bool = False
    foreign: str = ""
    layers: int | None = None
    layers_path: KeyPath = ()

    def called(self, name: str) -> str:
        """What the file calls a field."""
        return self.names.get(name, name)

    def place(self, name: str, item: object = None) -> KeyPath:
        """Where a field is, or an item of it."""
        path = self.places.get(name, ())
        value = self.fields.get(name)
        if isinstance(value, (list, tuple)) and item in value:
            return (*path, value.index(item))
        if isinstance(value, Mapping) and isinstance(item, str):
            return (*path, item)
        return path
