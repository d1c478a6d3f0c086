"""Who works: what a survey needs of workers, and the plainest of them, threads of this process."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Protocol

from hfkv.surveys.work import Desk

__all__ = ["Crew", "LostError", "Threads"]


class LostError(Exception):
    """A worker was lost with what it had in hand."""


class Crew(Protocol):
    """Workers that take tasks."""

    name: str

    @property
    def slots(self) -> int:
        """Tasks that it can use at once."""

    def submit(self, task: bytes) -> Future[bytes]:
        """Have a task done; the future ends in :class:`LostError` where its worker was lost."""

    def close(self) -> None:
        """End at once what is still under way."""


class Threads:
    """Threads of this process: one batch is answered as another waits for the network."""

    def __init__(self, token: str | bool | None = None) -> None:
        from hfkv.source.workers import Workers

        self.name = "this process"
        self.slots = 2
        self._desk = Desk(token)
        self._workers = Workers(self.slots)

    def submit(self, task: bytes) -> Future[bytes]:
        """As a crew."""
        return self._workers.submit(self._desk.work, task)

    def close(self) -> None:
        """As a crew."""
        self._desk.close()
        self._workers.close()
