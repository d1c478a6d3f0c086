"""What :mod:`hfkv.source.otherwise` asks of a repository on the Hub."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hfkv.source.answers import MissingFileError
from hfkv.source.repository import Repository
from hfkv.source.session import Session
from hfkv.source.shards import gone, read_shards
from hfkv.tensors import TensorTable

__all__ = ["Beside"]

_T = TypeVar("_T")


class Beside:
    """A repository at one commit."""

    def __init__(self, repository: Repository, net: Session, commit: str) -> None:
        self._repository, self._net, self._commit = repository, net, commit

    def range(self, name: str, begin: int, end: int) -> tuple[bytes, int | None]:
        """Bytes of a file, and its size."""
        try:
            return self._repository.read_range(name, begin, end, self._commit)
        except MissingFileError:
            raise gone(self._repository, name) from None

    def each(self, read: Callable[[str], _T], names: Sequence[str]) -> list[_T]:
        """``read`` of each file, at once; in order."""
        if len(names) == 1:
            return [read(names[0])]
        jobs = [self._net.submit(read, name) for name in names]
        return [job.result() for job in jobs]

    def ask(self, path: str) -> Any:
        """What the API answers, or None where it has no such page."""
        try:
            return json.loads(self._repository.page(path).body)
        except (MissingFileError, ValueError, RecursionError):
            return None

    def at(self, reference: str) -> tuple[list[str], Callable[[Sequence[str]], TensorTable]]:
        """The file names at another revision, and a reader of safetensors files there."""
        other = self._repository.at(reference)
        listing = other.listing()

        def read(files: Sequence[str]) -> TensorTable:
            return read_shards(other, self._net, files, listing.commit)

        return sorted(listing.names), read
