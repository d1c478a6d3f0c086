"""The headers of a repository's weights, each asked for on its own, all at once."""

from __future__ import annotations

from collections.abc import Sequence

from hfkv.errors import NotFoundError
from hfkv.reading import printable
from hfkv.source.answers import MissingFileError
from hfkv.source.bulk import add_header
from hfkv.source.repository import Header, Repository
from hfkv.source.session import Session
from hfkv.tensors import TableBuilder, TensorTable

__all__ = ["add_file", "gone", "read_shards"]


def read_shards(
    repository: Repository, net: Session, files: Sequence[str], commit: str
) -> TensorTable:
    """The tensors of the safetensors files of a commit.

    Raises:
        HeaderError: a header is malformed, or two hold a tensor of one name.
        NotFoundError: a file is not there.
    """
    builder = TableBuilder(where=repository.model)
    jobs = [(name, net.submit(repository.header, name, commit)) for name in files]
    jobs.reverse()
    while jobs:
        # Out of the list, so that no more headers are held than have to be.
        name, job = jobs.pop()
        try:
            add_file(repository, name, job.result(), builder)
        except MissingFileError:
            raise gone(repository, name) from None
    return builder.table()


def add_file(repository: Repository, name: str, header: Header, builder: TableBuilder) -> None:
    """Add the tensors of one file."""
    builder.begin(name)
    add_header(
        header.raw,
        builder,
        where=f"{repository.model}: {printable(name)}",
        data_size=header.data_size,
    )


def gone(repository: Repository, name: str) -> NotFoundError:
    """The error for a file that the list names and the repository does not have."""
    return NotFoundError(
        "the file list names it, but it is not there",
        where=f"{repository.model}: {printable(name)}",
        hint="try again: the repository may just be changing",
    )
