"""One request over an HTTP/2 connection, and its answer as it comes in."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from copy import copy
from typing import Protocol

from hfkv.source import limits
from hfkv.source.origin import Origin, sendable
from hfkv.source.response import Headers, WireError

__all__ = ["LARGEST_WINDOW", "WINDOW", "Carrier", "Stream"]

#: Bytes of one body that may come in unread, unless more was asked for; and at the most.
WINDOW = 2**18
LARGEST_WINDOW = 2**24
_MOST_INTERIM = 8
_BODY_PIECE = 2**20
_RANGE = re.compile(r"bytes=([0-9]{1,19})-([0-9]{1,19})")
_LENGTH = re.compile(r"[0-9]{1,18}")


class Carrier(Protocol):
    """What a stream asks of its connection; but for the first two, with :attr:`lock` held."""

    @property
    def origin(self) -> Origin: ...
    @property
    def lock(self) -> threading.Lock: ...
    @property
    def faults(self) -> type[Exception]: ...
    def send_request(
        self, stream: Stream, fields: list[tuple[str, str]], window: int, /
    ) -> int: ...
    def took(self, number: int, size: int, /) -> None: ...
    def leave(self, number: int | None, unread: int, /, *, complete: bool) -> None: ...


class Stream:
    """One request over an HTTP/2 connection, and its answer as it comes in.

    Attributes:
        origin: whom it asks.
        status, headers: the answer's head.
        remaining: bytes of body that are still to come; None where no length says.
        delimited: the end of an answer is always told.
    """

    delimited = True

    def __init__(self, connection: Carrier) -> None:
        self.origin = connection.origin
        self.status = 0
        self.headers = Headers([])
        self.remaining: int | None = None
        self._connection = connection
        self._ready = threading.Condition(connection.lock)
        self._number: int | None = None
        self._until = 0.0
        self._body = bytearray()
        self._interim = 0
        self._ended = self._closed = False
        self._error: Exception | None = None

    def ask(self, target: str, headers: dict[str, str], until: float) -> Stream:
        """Send a GET and wait for the head of its answer; as
        :meth:`hfkv.source.wire.Connection.ask`."""
        self._until = until
        fields = [
            (":method", "GET"),
            (":authority", self.origin.authority),
            (":scheme", self.origin.scheme),
            (":path", sendable(target)),
            *((name.lower(), value) for name, value in headers.items()),
        ]
        for _, text in fields:
            if not text.isprintable():
                raise ValueError("a header with control characters")
            text.encode("latin-1")
        wanted = _RANGE.fullmatch(headers.get("Range", ""))
        window = LARGEST_WINDOW
        if wanted is not None:
            window = min(window, int(wanted[2]) + 1 - int(wanted[1]))
        with self._ready:
            try:
                self._number = self._connection.send_request(self, fields, window)
            except self._connection.faults as error:
                raise WireError(f"no more can be asked: {type(error).__name__}") from None
            self._wait(lambda: self.status > 0)
        return self

    def read(self, most: int = _BODY_PIECE, /) -> bytes:
        """The next piece of the body, at most ``most`` bytes; none where it is complete.

        Raises:
            OSError, WireError: it does not come, or not whole.
        """
        with self._ready:
            self._wait(lambda: bool(self._body) or self._ended)
            piece = bytes(self._body[:most])
            if piece:
                del self._body[: len(piece)]
                # A long answer over a slow line is not a drip.
                self._until += len(piece) / limits.LIMITS.rate
                if self.remaining is not None:
                    self.remaining -= len(piece)
                assert self._number is not None
                self._connection.took(self._number, len(piece))
        return piece

    def left_over(self) -> bool:
        """Nothing can come after an answer's end."""
        return False

    def close(self) -> None:
        """Give the place back; what is still to come is not wanted."""
        with self._ready:
            if not self._closed:
                self._closed = True
                self._connection.leave(self._number, len(self._body), complete=self._ended)
                self._body.clear()

    def _wait(self, there: Callable[[], bool]) -> None:
        """Until it is there, or was said not to come; what came before an end still counts."""
        quiet = time.monotonic() + limits.LIMITS.read
        while not there():
            if self._error is not None:
                raise copy(self._error)
            left = min(self._until, quiet) - time.monotonic()
            if left <= 0:
                raise TimeoutError("the answer took too long")
            self._ready.wait(left)

    # -- from the connection, which holds the lock -----------------------------------------

    def head(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        """The answer's head has come."""
        plain = []
        for name, value in fields:
            if name == b":status":
                self.status = int(value) if re.fullmatch(rb"[2-5][0-9]{2}", value) else 0
            else:
                plain.append((name.decode("latin-1"), value.decode("latin-1")))
        if not self.status or any(re.search(r"[\r\n\0]", text) for _, text in plain):
            raise WireError("a head that is none")
        self.headers = Headers(plain)
        length = self.headers.get("Content-Length")
        if length is not None:
            if not _LENGTH.fullmatch(length):
                raise WireError("a length that is none")
            self.remaining = int(length)
        self._ready.notify()

    def interim(self) -> None:
        """A head came that announces another."""
        self._interim += 1
        if self._interim > _MOST_INTERIM:
            raise WireError("one interim answer after another")

    def data(self, data: bytes) -> None:
        """A piece of the body has come."""
        self._body += data
        self._ready.notify()

    def end(self) -> None:
        """All has come."""
        self._ended = True
        self._ready.notify()

    def fail(self, error: Exception) -> None:
        """No more will come."""
        if not self._ended:
            self._error = error
        self._ready.notify()
