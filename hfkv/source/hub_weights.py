"""The headers of a repository's weight files, asked of the Hub all at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hfkv.reading import printable
from hfkv.source.hub_errors import MissingFileError
from hfkv.source.net import Net
from hfkv.source.repository import Header, Repository
from hfkv.source.safetensors_quick import add_header
from hfkv.tensors import TableBuilder, TensorTable

__all__ = ["HubReader", "add_file"]

_T = TypeVar("_T")


class HubReader:
    """A repository at one commit; what :class:`hfkv.source.other_formats.Reader` asks for."""

    def __init__(self, repository: Repository, net: Net, commit: str) -> None:
        self._repository, self._net, self._commit = repository, net, commit

    def safetensors(self, files: Sequence[str]) -> TensorTable:
        """The tensors of safetensors files.

        Raises:
            HeaderError: a header is malformed, or two hold a tensor of one name.
            NotFoundError: a file is not there.
        """
        builder = TableBuilder(where=self._repository.model)
        ask = self._repository.header
        jobs = [(name, self._net.submit(ask, name, self._commit)) for name in files]
        jobs.reverse()
        while jobs:
            # Out of the list, so that no more headers are held than have to be.
            name, job = jobs.pop()
            try:
                add_file(self._repository, name, job.result(), builder)
            except MissingFileError:
                raise self._repository.missing_file(name) from None
        return builder.table()

    def range(self, name: str, begin: int, end: int) -> tuple[bytes, int | None]:
        """Bytes of a file, and its size."""
        try:
            return self._repository.read_range(name, begin, end, self._commit)
        except MissingFileError:
            raise self._repository.missing_file(name) from None

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
        return sorted(listing.names), HubReader(other, self._net, listing.commit).safetensors


def add_file(repository: Repository, name: str, header: Header, builder: TableBuilder) -> None:
    """Add the tensors of one safetensors file."""
    builder.begin(name)
    add_header(
        header.raw,
        builder,
        where=f"{repository.model}: {printable(name)}",
        data_size=header.data_size,
    )
