"""Many models at once: one session for all, each one's failure beside the others' results."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from hfkv.errors import HfkvError

if TYPE_CHECKING:
    from hfkv.source.browser import AtOnce
    from hfkv.source.browser import Session as InTurns
    from hfkv.source.meter import Meter
    from hfkv.source.net import Net
    from hfkv.source.workers import Workers

__all__ = ["Shared", "in_background", "overlap", "session", "sharing", "within"]

_T = TypeVar("_T")
_M = TypeVar("_M")
_R = TypeVar("_R")
#: Whether there are threads; Python in a browser has none, and its network is another.
_THREADS = sys.platform != "emscripten"


class Shared:
    """The session of several threads, made when the first of them has something to ask.

    Args:
        made: the session itself, where there is one already.
        patience: seconds to wait, in all, because the server asked to; the limit of every call
            unless given.
        meter: counts what is asked.
    """

    def __init__(
        self,
        made: Net | None = None,
        *,
        patience: float | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._patience, self._meter = patience, meter
        self._lock = threading.Lock()
        self._session = made
        self._stopped = False

    def session(self) -> Net:
        """The session itself."""
        with self._lock:
            if self._session is None:
                self._session = _new_session(self._patience, self._meter)
                if self._stopped:
                    self._session.cancel()
            return self._session

    def cancel(self) -> None:
        """End all requests now, and make no more."""
        with self._lock:
            self._stopped = True
            if self._session is not None:
                self._session.cancel()

    def close(self) -> None:
        """End what is still under way and close every connection."""
        self.cancel()
        if self._session is not None:
            self._session.close()


def _new_session(patience: float | None, meter: Meter | None) -> Net:
    if not _THREADS:
        from hfkv.source.browser import Session as InTurns

        return InTurns()
    from hfkv.source.session import Session

    return Session(patience=patience, meter=meter)


def _workers(most: int) -> Workers | AtOnce:
    if not _THREADS:
        from hfkv.source.browser import AtOnce

        return AtOnce()
    from hfkv.source.workers import Workers

    return Workers(most)


#: The session of this call, where several share one.
_SHARED: ContextVar[Shared | None] = ContextVar("hfkv_session", default=None)


@contextmanager
def sharing(own: Shared | None = None) -> Iterator[None]:
    """Share the session of the call around this one, else ``own`` or a new one."""
    if _SHARED.get() is not None:
        yield
        return
    made = Shared() if own is None else own
    try:
        with within(made):
            yield
    finally:
        made.close()


@contextmanager
def within(shared: Shared) -> Iterator[None]:
    """Ask over ``shared``, which stays open for others."""
    reset = _SHARED.set(shared)
    try:
        yield
    finally:
        _SHARED.reset(reset)


@contextmanager
def session() -> Iterator[Net]:
    """The session that :func:`overlap` shares, else one of its own, closed at the end."""
    shared = _SHARED.get()
    if shared is not None:
        yield shared.session()
        return
    own = Shared()
    try:
        yield own.session()
    finally:
        own.close()


def overlap(read: Callable[[_M], _T], models: Sequence[_M]) -> list[_T | HfkvError]:
    """``read`` of every model, overlapped; in order, its result or the error it ended in.

    All share one session, so one limit of connections and one answer to a server that asks to
    wait; no more than ``limits.models`` are under way at once.
    """

    def one(model: _M) -> _T | HfkvError:
        try:
            return read(model)
        except HfkvError as error:
            return error

    if len(models) == 1:
        return [one(models[0])]
    # Imported where it is needed: most answers come from one model, often without a network.
    from hfkv.source import limits

    with sharing():
        workers = _workers(limits.LIMITS.models)
        try:
            jobs = [workers.submit(one, model) for model in models]
            found = [job.result() for job in jobs]
        except BaseException:
            workers.close()
            raise
        workers.close(wait=1.0)
        return found


async def in_background(read: Callable[[], _R]) -> _R:
    """``read()`` in a thread, in a browser in turns, while the event loop goes on.

    Where the task is cancelled, the requests end at once, and with them the thread.
    """
    if not _THREADS:
        from hfkv.source.browser import Session as InTurns

        return await in_turns(read, InTurns())
    import asyncio

    from hfkv.source.workers import Workers

    own = Shared()

    def job() -> _R:
        with sharing(own):
            return read()

    worker = Workers(1)
    try:
        return await asyncio.wrap_future(worker.submit(job))
    finally:
        own.cancel()
        worker.close()


async def in_turns(read: Callable[[], _R], net: InTurns) -> _R:
    """``read()`` over the network of a page, which is all that it waits for."""
    with sharing(Shared(net)):
        return await net.complete(read)
