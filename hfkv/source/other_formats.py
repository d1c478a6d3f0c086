"""Repositories whose weights are not there as safetensors: what can be read of them all the same.

In this order: the conversion that the Hub's bot offers for PyTorch files, then the header of a GGUF
file. Pure but for the :class:`Reader` that a source gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from hfkv.errors import HfkvError
from hfkv.source.conversion import find_conversion
from hfkv.source.gguf import GGUF_FILE, GgufHeader, join_parts, read_gguf
from hfkv.source.gguf_files import choose_gguf
from hfkv.source.weight_files import choose_weights, only_pytorch
from hfkv.tensors import TensorTable

__all__ = ["Reader", "Weights", "from_gguf", "other_weights"]

_T = TypeVar("_T")
_FIRST = 2**20


class Reader(Protocol):
    """What is asked of a source."""

    def range(self, name: str, begin: int, end: int) -> tuple[bytes, int | None]:
        """Bytes of a file, and the whole file's size where that is known."""

    def each(self, read: Callable[[str], _T], names: Sequence[str]) -> list[_T]:
        """``read`` of each file, at once; in order."""

    def ask(self, path: str) -> Any:
        """The JSON that the API answers for a path after the repository's, or None."""

    def at(self, reference: str) -> tuple[Sequence[str], Callable[[Sequence[str]], TensorTable]]:
        """The file names at another revision, and a reader of safetensors files there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What was found.

    Attributes:
        tensors: the table, or None.
        texts: files that the header gives.
        notes: what a reader must be told.
        reason: why there is no table, or "".
        settled: whether asking again about the same commit would find the same. A conversion can
            be offered later.
    """

    tensors: TensorTable | None = None
    texts: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reason: str = ""
    settled: bool = True


def other_weights(
    names: Sequence[str], reason: str, *, commit: str, reader: Reader, where: str
) -> Weights:
    """Tensors of a repository that has none as safetensors.

    Args:
        names: of its files.
        reason: why :func:`~hfkv.source.weight_files.choose_weights` found none.
        commit: the commit at hand.

    Raises:
        HeaderError: a header is malformed.
    """
    converted = ""
    if only_pytorch(names):
        offered = _converted(commit, reader, where)
        if isinstance(offered, Weights):
            return offered
        converted = f"; {offered}"
    found = from_gguf(names, reader=reader, where=where)
    if found is not None:
        return replace(found, settled=not converted)
    if converted:
        converted += "; what config.json alone decides is answered (the KV cache, often LoRA)"
    return Weights(reason=reason + converted, settled=not converted)


def from_gguf(
    names: Sequence[str], *, reader: Reader, where: str, wanted: str | None = None
) -> Weights | None:
    """What the header of a GGUF file says; None where there is none.

    Args:
        names: of the repository's files.
        wanted: a quantization or file by its name, as in :func:`choose_gguf`.

    Raises:
        HeaderError: a header is malformed, or parts are missing.
        NotFoundError: the one that is wanted is not there.
    """
    files, note = choose_gguf(names, where=where, wanted=wanted)
    if not files:
        return None
    parts = reader.each(lambda name: _gguf(reader, name, where), files)
    header = join_parts(parts, where=where)
    return Weights(
        tensors=TensorTable(header.tensors), texts={GGUF_FILE: header.to_json()}, notes=(note,)
    )


def _converted(commit: str, reader: Reader, where: str) -> Weights | str:
    """The bot's conversion, or why it is not used."""
    try:
        offer = find_conversion(reader.ask, commit)
    except HfkvError as error:
        # The config's own figures must not hang on this.
        return f"whether a safetensors conversion is offered could not be asked: {error.what}"
    if offer is None:
        return "no safetensors conversion by the Hub's bot is offered"
    if not offer.current:
        return (
            f"the safetensors conversion that the Hub's bot offers ({offer.reference}) is of an "
            f"earlier commit; `revision='{offer.reference}'` reads it"
        )
    names, read = reader.at(offer.reference)
    weights, _ = choose_weights(names, where=f"{where}@{offer.reference}")
    if not weights:
        return f"the conversion that is offered ({offer.reference}) holds no safetensors files"
    return Weights(tensors=read(weights), notes=(offer.note,))


def _gguf(reader: Reader, name: str, where: str) -> GgufHeader:
    first, size = reader.range(name, 0, _FIRST)

    def read(begin: int, end: int) -> bytes:
        last = end if size is None else min(end, size)
        if last <= len(first):
            return first[begin:last]
        kept = first[begin:]
        return kept + reader.range(name, begin + len(kept), last)[0]

    return read_gguf(read, where=f"{where}: {name}", size=size)
