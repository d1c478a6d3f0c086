"""A cluster of Dask: its scheduler hands the tasks out, its workers have the same hfkv.

What crosses it are the name of one function and bytes: no code, no token, no objects of ours, so
that the scheduler needs no hfkv, and a worker without it can say so.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from importlib.util import find_spec
from typing import Any

from hfkv import __version__
from hfkv.errors import HfkvError, MissingDependencyError, NetworkError, UnsupportedError
from hfkv.reading import printable
from hfkv.surveys.crews import LostError

__all__ = ["Cluster"]

#: Seconds to reach a scheduler, and its first worker.
_REACH, _FIRST = 10.0, 30.0
#: Seconds between two looks at how many workers there are.
_COUNT = 2.0
#: What a worker runs. Python's own function takes it: one of ours could not even be named to a
#: scheduler, or a worker, that has no hfkv.
_WORK = "__import__('hfkv.surveys.work', fromlist=['work']).work(task)"
_VERSION = "__import__('hfkv').__version__"


class Cluster:
    """As a :class:`~hfkv.surveys.crews.Crew`.

    Args:
        address: of the scheduler, ``tcp://HOST:PORT``.

    Raises:
        MissingDependencyError: ``distributed`` is not installed.
        NetworkError: there is no scheduler, or it has no worker.
        UnsupportedError: a worker has another hfkv, or none.
    """

    def __init__(self, address: str) -> None:
        if find_spec("distributed") is None:
            raise MissingDependencyError(
                "Dask is not installed", where="`on`", hint="pip install 'hfkv[cluster]'"
            )
        from distributed import Client

        self.name = f"Dask at {address}"
        self._address = address
        try:
            self._client: Any = Client(address, timeout=_REACH, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise NetworkError(
                f"no scheduler answers: {printable(str(error))}",
                where=address,
                hint="dask scheduler starts one, dask worker the others",
            ) from None
        try:
            self._check()
        except BaseException:
            self.close()
            raise
        self._executor = self._client.get_executor(pure=False)
        self._counted = 0.0
        self._threads = 1

    def _check(self) -> None:
        """Hear of each worker which hfkv it has."""
        try:
            self._client.wait_for_workers(1, timeout=_FIRST)
        except (OSError, TimeoutError):
            raise NetworkError(
                f"the scheduler has no worker after {_FIRST:.0f} s",
                where=self._address,
                hint=f"dask worker {self._address} starts one",
            ) from None
        said = self._client.run(eval, _VERSION, on_error="return")
        for worker, version in said.items():
            if version != __version__:
                found = "no hfkv" if isinstance(version, Exception) else f"hfkv {version}"
                raise _other(found, str(worker))

    @property
    def slots(self) -> int:
        """As a crew: for each thread of a worker one task, and one that waits for it."""
        now = time.monotonic()
        if now - self._counted > _COUNT:
            self._counted = now
            known = self._client.scheduler_info(n_workers=-1).get("workers", {}).values()
            self._threads = max(1, sum(worker["nthreads"] for worker in known))
        return 2 * self._threads

    def submit(self, task: bytes) -> Future[bytes]:
        """As a crew."""
        from distributed.scheduler import KilledWorker

        done: Future[bytes] = Future()
        done.set_running_or_notify_cancel()

        def hear(inner: Any) -> None:
            if inner.cancelled():
                done.set_exception(self._gone())
                return
            error = inner.exception()
            if error is None:
                done.set_result(inner.result())
            elif isinstance(error, KilledWorker):
                done.set_exception(LostError())
            elif isinstance(error, HfkvError):
                done.set_exception(error)
            elif isinstance(error, ImportError):
                # It came after the others had been asked.
                done.set_exception(_other("no hfkv, or an older one", self._address))
            else:
                said = printable(f"{type(error).__name__}: {error}", 300)
                lost = type(error).__name__ in ("FutureCancelledError", "CancelledError")
                done.set_exception(
                    self._gone() if lost else NetworkError(said, where=self._address)
                )

        self._executor.submit(eval, _WORK, {"task": task}).add_done_callback(hear)
        return done

    def _gone(self) -> NetworkError:
        return NetworkError(
            "the scheduler was lost",
            where=self._address,
            hint="what was written is kept: start it anew and run the same again",
        )

    def close(self) -> None:
        """As a crew: the workers go on for others."""
        self._client.close(timeout=1)


def _other(found: str, where: str) -> UnsupportedError:
    return UnsupportedError(
        f"a worker has {printable(found)}",
        where=printable(where),
        expected=f"hfkv {__version__}, as here",
        hint="one version makes one table: install it on every worker",
    )
