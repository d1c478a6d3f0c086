"""Facts: what is known of a model once all input has been read. Everything after is pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hfkv.reading import parse_json_object
from hfkv.source.files import GGUF_FILE, Files, SourceName
from hfkv.tensors import TensorTable

__all__ = ["BaseCard", "Facts", "read"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseCard:
    """The card of a model that this one was made from.

    Attributes:
        model: its Hub id.
        card: its text.
        commit: the commit it was read at, if known.
        relation: how the card's metadata names it (``finetune``, ``adapter``, ``quantized``...).
        parameters: its parameter count, if known.
    """

    model: str
    card: str
    commit: str | None = None
    relation: str = "base_model"
    parameters: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything hfkv knows of one model at one commit.

    Attributes:
        model, source, revision, commit, created: as in :class:`hfkv.source.files.Files`.
        config: the parsed ``config.json``, untouched; of a GGUF file without one, what its keys
            come to; None where there is none.
        derived: how the config was made, where it is not the repository's own; figures from it
            are ``documented``.
        tensors: names, dtypes and shapes of the checkpoint; None where there are none.
        unnamed: why the tensors are not under their published names, or "".
        card: the text of ``README.md``; None where there is none.
        extra: the parsed side files (``quantize_config.json``...), by file name.
        statement: a pretraining statement recorded in a snapshot or lock, if that is the source.
        lineage: cards of the models this one was made from, nearest first.
        base: for an adapter repository, the facts of the model it adapts; ``tensors`` are then
            the adapter's own.
        line: the line of transformers that figures are asked of (:mod:`hfkv.release_lines`); ""
            for the newest release.
        missing: what could not be had, to the reason.
        notes: what a reader must be told, one sentence each.
    """

    model: str
    source: SourceName
    revision: str | None = None
    commit: str | None = None
    created: str | None = None
    config: Mapping[str, Any] | None = None
    derived: str = ""
    tensors: TensorTable | None = None
    unnamed: str = ""
    card: str | None = None
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    statement: Mapping[str, Any] | None = None
    lineage: tuple[BaseCard, ...] = ()
    base: Facts | None = None
    line: str = ""
    missing: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def from_gguf(self) -> bool:
        """Whether the tensors are those of a GGUF file."""
        return GGUF_FILE in self.extra

    @property
    def stored_elements(self) -> int | None:
        """Elements stored in the checkpoint, packed ones as packed; None without a header."""
        return None if self.tensors is None else self.tensors.parameters

    @property
    def weight_bytes(self) -> int | None:
        """Bytes of the checkpoint's tensors; None without a header."""
        return None if self.tensors is None else self.tensors.bytes


def read(files: Files) -> Facts:
    """Parse the raw files of a source.

    Raises:
        ConfigError: a JSON file is malformed.
    """
    parsed = {
        name: parse_json_object(raw, where=f"{files.model}: {name}")
        for name, raw in files.texts.items()
        if name.endswith(".json")
    }
    config: Mapping[str, Any] | None = parsed.pop("config.json", None)
    tensors, derived, unnamed, missing = files.tensors, "", "", dict(files.missing)
    if GGUF_FILE in parsed:
        from hfkv.facts.gguf import interpret

        header = interpret(parsed[GGUF_FILE], tensors, config, where=files.model)
        config, tensors = header.config, header.tensors
        derived, unnamed = header.derived, header.unnamed
        if config is None:
            missing["config.json"] = header.missing
    card = files.texts.get("README.md")
    return Facts(
        model=files.model,
        source=files.source,
        revision=files.revision,
        commit=files.commit,
        created=files.created,
        config=config,
        derived=derived,
        tensors=tensors,
        unnamed=unnamed,
        # A card is prose: a stray byte in it must not cost the figures that come from elsewhere.
        card=None if card is None else card.decode("utf-8", errors="replace"),
        extra=parsed,
        statement=files.statement,
        missing=missing,
        notes=files.notes,
    )
