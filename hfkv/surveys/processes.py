"""Processes of this machine: tasks go in and results come out through pipes.

A worker ends when its pipe does, so none outlives the survey, however that ended; one that is
killed is replaced and its tasks are said to be lost. The token is in no argument: it goes by the
environment, as between a shell and its commands.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from pathlib import Path
from typing import IO

from hfkv.errors import HfkvError, SourceError
from hfkv.surveys.crews import LostError
from hfkv.surveys.work import Desk

__all__ = ["Processes"]

#: Tasks that a worker has in hand: one is computed as another waits for the network.
_EACH = 2
#: Kinds of results.
_DONE, _REFUSED = b"D", b"R"


class Processes:
    """As a :class:`~hfkv.surveys.crews.Crew`.

    Args:
        count: how many.
        token: as for :func:`hfkv.load`.
    """

    def __init__(self, count: int, token: str | bool | None) -> None:
        self.name = f"{count} processes"
        self.slots = _EACH * count
        self._token = token
        self._lock = threading.Lock()
        self._closed = False
        self._hands = [_Hand(token) for _ in range(count)]

    def submit(self, task: bytes) -> Future[bytes]:
        """As a crew."""
        with self._lock:
            for place, hand in enumerate(self._hands):
                if hand.gone:
                    self._hands[place] = _Hand(self._token)
            return min(self._hands, key=lambda hand: hand.busy).submit(task)

    def close(self) -> None:
        """As a crew."""
        with self._lock:
            for hand in self._hands:
                hand.process.kill()
            for hand in self._hands:
                hand.process.wait()

    @property
    def processes(self) -> list[int]:
        """Their ids."""
        return [hand.process.pid for hand in self._hands]


class _Hand:
    """One process, and the tasks that it has."""

    def __init__(self, token: str | bool | None) -> None:
        environment = dict(os.environ)
        if isinstance(token, str):
            environment["HF_TOKEN"] = token
        elif token is False:
            environment["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1"  # noqa: S105
        # The same hfkv as here, wherever that was imported from.
        home = str(Path(__file__).resolve().parents[2])
        environment["PYTHONPATH"] = os.pathsep.join(
            [home, *filter(None, [environment.get("PYTHONPATH")])]
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hfkv.surveys.processes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            # Ctrl-C is for the survey, which then ends them all.
            start_new_session=True,
        )
        self._lock = threading.Lock()
        self._tasks: dict[int, Future[bytes]] = {}
        self._next = 0
        self.gone = False
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def busy(self) -> int:
        """Tasks in hand."""
        return len(self._tasks)

    def submit(self, task: bytes) -> Future[bytes]:
        future: Future[bytes] = Future()
        future.set_running_or_notify_cancel()  # from here on it ends as the process ends it
        with self._lock:
            if self.gone:
                future.set_exception(LostError())
                return future
            number, self._next = self._next, self._next + 1
            self._tasks[number] = future
        stdin = self.process.stdin
        assert stdin is not None
        with suppress(OSError, ValueError):
            _write(stdin, number, _DONE, task)
        return future

    def _listen(self) -> None:
        stdout = self.process.stdout
        assert stdout is not None
        with suppress(OSError, ValueError):
            while (found := _read(stdout)) is not None:
                number, kind, body = found
                with self._lock:
                    future = self._tasks.pop(number)
                if kind == _DONE:
                    future.set_result(body)
                else:
                    future.set_exception(SourceError(body.decode()))
        with self._lock:
            self.gone = True
            left, self._tasks = list(self._tasks.values()), {}
        for future in left:
            future.set_exception(LostError())
        self.process.wait()
        stdout.close()
        with suppress(OSError):
            if self.process.stdin is not None:
                self.process.stdin.close()


def _write(file: IO[bytes], number: int, kind: bytes, body: bytes) -> None:
    head = number.to_bytes(8, "big") + len(body).to_bytes(8, "big") + kind
    file.write(head + body)
    file.flush()


def _read(file: IO[bytes]) -> tuple[int, bytes, bytes] | None:
    head = file.read(17)
    if len(head) < 17:
        return None
    length = int.from_bytes(head[8:16], "big")
    body = file.read(length)
    if len(body) < length:
        return None
    return int.from_bytes(head[:8], "big"), head[16:], body


def main() -> None:
    """Work until there are no more tasks."""
    from hfkv.source.workers import Workers

    # What else is printed must not come among the results.
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    desk, workers, lock = Desk(), Workers(_EACH), threading.Lock()

    def do(number: int, task: bytes) -> None:
        try:
            kind, body = _DONE, desk.work(task)
        except HfkvError as error:
            kind, body = _REFUSED, str(error).encode()
        except CancelledError:
            return
        with lock, suppress(OSError):
            _write(results, number, kind, body)

    with suppress(KeyboardInterrupt):
        while (found := _read(sys.stdin.buffer)) is not None:
            workers.submit(do, found[0], found[2])
    # Whoever asked is gone: nobody waits for what is still under way.
    os._exit(0)


if __name__ == "__main__":
    main()
