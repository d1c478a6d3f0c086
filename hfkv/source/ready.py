"""Waiting for a socket, without reading from it."""

from __future__ import annotations

import select
import socket

__all__ = ["ready"]


def ready(item: socket.socket, seconds: float | None, *, write: bool = False) -> bool:
    """Whether a socket has something to read, or its end, within so many seconds.

    Args:
        item: an open socket.
        seconds: how long to wait; None: as long as it takes.
        write: wait until it takes something instead.

    Raises:
        OSError, ValueError: it is closed.
    """
    if hasattr(select, "poll"):
        # Unlike select it knows no largest file descriptor.
        poll = select.poll()
        poll.register(item, select.POLLOUT if write else select.POLLIN)
        return bool(poll.poll(None if seconds is None else seconds * 1000))
    reading, writing = ([], [item]) if write else ([item], [])
    return any(select.select(reading, writing, [], seconds))
