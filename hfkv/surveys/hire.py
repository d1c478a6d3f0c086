"""The crew that one asks for: threads, processes of this machine, or a cluster's workers."""

from __future__ import annotations

import os

from hfkv.errors import InputError, UnsupportedError
from hfkv.surveys.crews import Crew, Threads

__all__ = ["crew"]

#: More processes than this overwhelm the Hub's budget long before a machine.
_MOST = 32


def crew(on: str | None, workers: int | None, token: str | bool | None) -> Crew:
    """The crew that is asked for.

    Args:
        on: the address of a cluster; None for this machine.
        workers: processes; 1 for this process alone; None for one a core.
        token: for the Hub; a cluster's workers have their own.

    Raises:
        InputError: a token for a cluster, or a number of workers with one.
        UnsupportedError: a cluster of a kind that is not spoken.
        MissingDependencyError: its library is not installed.
        NetworkError: it cannot be reached.
    """
    if on is None:
        count = min(_MOST, os.cpu_count() or 1) if workers is None else workers
        if count == 1:
            return Threads(token)
        from hfkv.surveys.processes import Processes

        return Processes(count, token)
    if token is not None:
        raise InputError(
            "a token is not sent over a cluster",
            where="`token`",
            expected="HF_TOKEN, or hf auth login, where its workers run",
        )
    if workers is not None:
        raise InputError("a cluster has its own", where="`workers`", expected="one of both")
    scheme, _, address = on.partition("://")
    if scheme != "dask" or not address:
        raise UnsupportedError(
            f"found {on!r}",
            where="`on`",
            expected="dask://HOST:PORT",
            hint=".github/SURVEY.md says why Dask and not Ray",
        )
    from hfkv.surveys.cluster import Cluster

    return Cluster(f"tcp://{address}")
