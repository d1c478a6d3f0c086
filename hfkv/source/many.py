"""Many at once: one session for all of them, each one's failure beside the others' results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from hfkv.errors import HfkvError

__all__ = ["in_background", "overlap"]

_T = TypeVar("_T")
_R = TypeVar("_R")


def overlap(read: Callable[[str], _T], models: Sequence[str]) -> list[_T | HfkvError]:
    """``read`` of every model, overlapped; in order, its result or the error it ended in.

    All share one session, so one limit of connections and one answer to a server that asks to
    wait; no more than ``limits.models`` are under way at once.
    """

    def one(model: str) -> _T | HfkvError:
        try:
            return read(model)
        except HfkvError as error:
            return error

    if len(models) == 1:
        return [one(models[0])]
    # Imported where it is needed: most answers come from one model, often without a network.
    from hfkv.source import limits
    from hfkv.source.session import session
    from hfkv.source.workers import Workers

    with session():
        workers = Workers(limits.LIMITS.models)
        try:
            jobs = [workers.submit(one, model) for model in models]
            found = [job.result() for job in jobs]
        except BaseException:
            workers.close()
            raise
        workers.close(wait=1.0)
        return found


async def in_background(read: Callable[[], _R]) -> _R:
    """``read()`` in a thread, while the event loop goes on.

    Where the task is cancelled, the requests end at once, and with them the thread.
    """
    import asyncio

    from hfkv.source.session import Session, session
    from hfkv.source.workers import Workers

    own = Session()

    def job() -> _R:
        with session(own):
            return read()

    worker = Workers(1)
    try:
        return await asyncio.wrap_future(worker.submit(job))
    finally:
        own.cancel()
        worker.close()
