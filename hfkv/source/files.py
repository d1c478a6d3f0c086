"""What a source gives: the raw files of one model at one commit, and where they came from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hfkv.tensors import TensorTable

__all__ = ["GGUF_FILE", "SIDE_FILES", "Files", "Source", "SourceName", "is_commit"]

#: Name under which the metadata of a GGUF file stand among a model's texts; no repository has it.
GGUF_FILE = "gguf.json"

#: Small files beside ``config.json`` that figures read.
SIDE_FILES = (
    "generation_config.json",
    "quantize_config.json",
    "hf_quant_config.json",
    "adapter_config.json",
)
_COMMIT = re.compile(r"[0-9a-f]{40}")

#: Where files came from; ``given`` are values that the caller had at hand.
SourceName = Literal["hub", "cache", "directory", "snapshot", "lock", "given", "statements"]
#: Where to read from, as the caller chooses.
Source = Literal["auto", "hub", "cache", "directory", "snapshot"]


def is_commit(revision: str | None) -> bool:
    """Whether a revision is a full commit hash, which never moves."""
    return revision is not None and _COMMIT.fullmatch(revision) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The raw files of one model.

    Attributes:
        model: the Hub id, or the path that was given.
        source: where the files came from.
        revision: what was asked for (a branch, tag, ref or commit); None for a directory.
        commit: the full commit hash it resolved to; None where there is none.
        created: when the repository was made, ISO 8601; None where nobody says.
        texts: file name to raw content: ``config.json``, ``README.md``, and the small side files
            that figures need (``generation_config.json``, ``quantize_config.json``,
            ``hf_quant_config.json``, ``adapter_config.json``).
        tensors: the tensor table of the model's safetensors files; None where there are none.
        statement: what the card was recorded to say of pretraining (a snapshot or a lock keeps
            the statement, not the card); the shape of ``hfkv.pretraining.Pretraining.to_json()``.
        missing: what could not be had, to the reason.
        notes: what a reader must be told about these files, one sentence each.
        settled: whether reading the same commit again would give the same, so that it may be kept.
    """

    model: str
    source: SourceName
    revision: str | None = None
    commit: str | None = None
    created: str | None = None
    texts: Mapping[str, bytes] = field(default_factory=dict)
    tensors: TensorTable | None = None
    statement: Mapping[str, Any] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    settled: bool = True
