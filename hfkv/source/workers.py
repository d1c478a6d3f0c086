"""Threads for requests that go out at once: as many as are needed, none that outlives its use.

They are daemons, unlike those of :mod:`concurrent.futures`, so that Ctrl-C ends the process at
once and not when the slowest server has answered.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import Context, copy_context
from typing import Any, TypeVar

__all__ = ["Workers"]

_T = TypeVar("_T")
_Job = tuple["Future[Any]", Context, Callable[[], Any]]
#: Seconds that a wait for a job lasts at a time.
_LOOK = 0.5


class _Awaited(Future[_T]):
    """A future whose result is waited for a while at a time.

    An interrupt that comes after Python last looked for one and before the wait begins ends no
    wait: Python looks again when the wait is over.
    """

    def result(self, timeout: float | None = None) -> _T:
        while timeout is None and not self.done():
            wait((self,), _LOOK)
        return super().result(timeout)


class Workers:
    """A queue of jobs and at most ``most`` threads that work on it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._jobs: deque[_Job] = deque()
        # The plain lock is what `with` takes: an interrupt cannot come between taking it and
        # being in the block, as it can in a condition's own code.
        self._lock = threading.Lock()
        self._ready = threading.Condition(self._lock)
        self._threads = self._idle = 0
        self._closed = False

    def submit(self, job: Callable[..., _T], *arguments: Any) -> Future[_T]:
        """Have ``job(*arguments)`` done, in the context of the caller."""
        future: Future[_T] = _Awaited()
        with self._lock:
            if self._closed:
                future.cancel()
                return future
            self._jobs.append((future, copy_context(), lambda: job(*arguments)))
            if self._idle >= len(self._jobs):
                self._ready.notify()
            elif self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._work, daemon=True, name="hfkv").start()
        return future

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
                while not self._jobs and not self._closed:
                    self._ready.wait()
                self._idle -= 1
                if not self._jobs:
                    self._threads -= 1
                    self._ready.notify_all()
                    return
                future, context, job = self._jobs.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    result = context.run(job)
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
            # Not kept while the thread waits for its next job.
            del future, context, job
            result = None

    def close(self, wait: float = 0.0) -> None:
        """Take no more jobs, drop those that wait, end the threads.

        Args:
            wait: seconds to wait for the threads to have ended.
        """
        with self._lock:
            self._closed = True
            for future, _, _ in self._jobs:
                future.cancel()
            self._jobs.clear()
            self._ready.notify_all()
            if wait:
                self._ready.wait_for(lambda: not self._threads, wait)
