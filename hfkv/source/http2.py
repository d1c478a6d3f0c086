"""One HTTP/2 connection and the requests that share it. The protocol itself is the h2 package's.

A thread reads what comes in and hands it to the streams; whoever asks writes under the same lock.
What a server sends is bounded as over HTTP/1.1, and by windows: a stream takes in no more than
what it asked for, the connection no more than :data:`_CONNECTION_WINDOW` unread bytes.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import copy
from typing import TYPE_CHECKING, Any, Protocol

from hfkv.source import limits
from hfkv.source.origin import Origin, sendable
from hfkv.source.ready import ready
from hfkv.source.response import Headers, WireError

if TYPE_CHECKING:
    from h2.connection import H2Connection

__all__ = ["MOST_STREAMS", "Http2", "Stream"]

#: Bytes of one body that may come in unread, unless more was asked for; and at the most.
_WINDOW = 2**18
_LARGEST_WINDOW = 2**24
#: The same of all bodies of a connection.
_CONNECTION_WINDOW = 2**26
_LARGEST_HEAD = 64 * 2**10
#: Requests at once, also where the server allows more or has not said.
MOST_STREAMS = 100
_REFUSED_STREAM, _CANCEL, _ENHANCE_YOUR_CALM, _HTTP_1_1_REQUIRED = 7, 8, 11, 13
#: Not a reason to try again over HTTP/1.1, with a connection for each request.
_CALM = "the server asks for fewer requests"
#: Frames that carry nothing for any request, before a server is taken to play with us.
_MOST_IDLE_EVENTS = 10_000
_MOST_INTERIM = 8
_PIECE = 2**17
_BODY_PIECE = 2**20
_RANGE = re.compile(r"bytes=([0-9]{1,19})-([0-9]{1,19})")
_LENGTH = re.compile(r"[0-9]{1,18}")


class _Ended(Protocol):
    def __call__(self, connection: Http2, /, *, broken: bool) -> None: ...


class Http2:
    """A connection on which both sides agreed to speak HTTP/2.

    Args:
        channel: the socket, which is the connection's from now on.
        origin: whose it is.
        most: requests at once, as far as is known before the server says so.
        ended: called once, when nothing more can be asked over it.

    Raises:
        OSError: the first bytes could not be sent.
    """

    def __init__(
        self, channel: ssl.SSLSocket, origin: Origin, ended: _Ended, *, most: int = MOST_STREAMS
    ) -> None:
        self.origin = origin
        self._most = most
        self._socket = channel
        self._tell = ended
        self._lock = threading.Lock()
        self._streams: dict[int, Stream] = {}
        self._taken = 0
        self._idle_events = 0
        self._error: Exception | None = None
        channel.settimeout(0.0)
        try:
            self._protocol = _protocol()
            self._flush()
        except BaseException:
            channel.close()
            raise
        self._reader = threading.Thread(target=self._read, daemon=True, name="hfkv")
        self._reader.start()

    @property
    def alive(self) -> bool:
        """Whether it can carry another request."""
        return self._error is None

    @property
    def most(self) -> int:
        """How many requests it can carry at once."""
        return min(self._protocol.remote_settings.max_concurrent_streams, self._most)

    @property
    def room(self) -> int:
        """How many more it can carry now."""
        return self.most - self._taken

    def stream(self) -> Stream:
        """A place for one request, to be closed after it."""
        with self._lock:
            self._taken += 1
        return Stream(self)

    def cut(self) -> None:
        """End all requests at once. From any thread."""
        # Not the TLS layer's own shutdown, which would wait for the other side.
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """End it; what is still under way fails."""
        self.cut()
        if threading.current_thread() is not self._reader:
            self._reader.join(1.0)

    # -- what goes out; the lock is held ---------------------------------------------------

    def send_request(self, stream: Stream, fields: list[tuple[str, str]], window: int) -> int:
        """Send a request's head; the number of its stream."""
        if self._error is not None:
            raise copy(self._error)  # each thread its own
        number = self._protocol.get_next_available_stream_id()
        self._protocol.send_headers(number, fields, end_stream=True)
        if window > _WINDOW:
            self._protocol.increment_flow_control_window(window - _WINDOW, number)
        self._streams[number] = stream
        self._flush()
        return number

    def took(self, number: int, size: int) -> None:
        """Let the server send as much again as was read."""
        if self._error is None:
            self._protocol.acknowledge_received_data(size, number)
            with suppress(OSError):  # the reader will see it as well
                self._flush()

    def leave(self, number: int | None, unread: int, *, complete: bool) -> None:
        """End a stream, whether all of it has come or not."""
        self._taken -= 1
        if number is None or self._streams.pop(number, None) is None or self._error is not None:
            return
        with suppress(OSError, self.faults):
            if unread:
                self._protocol.acknowledge_received_data(unread, number)
            if not complete:
                self._protocol.reset_stream(number, error_code=_CANCEL)
            self._flush()

    @property
    def faults(self) -> type[Exception]:
        """What the protocol's package raises."""
        from h2.exceptions import H2Error

        return H2Error

    @property
    def lock(self) -> threading.Lock:
        """Held by whoever reads or changes the state of the connection or of its streams."""
        return self._lock

    def _flush(self) -> None:
        data = memoryview(self._protocol.data_to_send())
        until = time.monotonic() + limits.LIMITS.connect
        while data:
            try:
                data = data[self._socket.send(data) :]
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError) as wants:
                left = until - time.monotonic()
                write = isinstance(wants, ssl.SSLWantWriteError)
                if left <= 0 or not ready(self._socket, left, write=write):
                    raise TimeoutError("what was asked could not be sent") from None

    # -- what comes in ---------------------------------------------------------------------

    def _read(self) -> None:
        error: Exception = ConnectionResetError(0, "the connection was closed")
        broken = False
        try:
            while True:
                with self._lock:
                    data = self._received()
                    if data is not None:
                        self._handle(self._protocol.receive_data(data))
                        self._flush()
                if data is None:
                    ready(self._socket, None)
        except OSError as fault:
            if isinstance(fault, (TimeoutError, ConnectionAbortedError)):
                error = fault
        except WireError as fault:
            error, broken = fault, True
        except Exception as fault:
            # Whatever the package makes of what a server sent is the server's fault.
            error, broken = WireError(f"no HTTP/2: {type(fault).__name__}"), True
        with self._lock:
            self._error = error
            for stream in self._streams.values():
                stream.fail(error)
            self._streams.clear()
        self._socket.close()
        self._tell(self, broken=broken)

    def _received(self) -> bytes | None:
        """The next bytes; None where there are none yet."""
        try:
            data = self._socket.recv(_PIECE)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        if not data:
            raise ConnectionResetError(0, "the connection was closed")
        return data

    def _handle(self, events: Iterable[Any]) -> None:
        for event in events:
            stream = self._streams.get(getattr(event, "stream_id", None) or 0)
            name = type(event).__name__
            if name == "ConnectionTerminated":
                # Nothing that is under way is answered any more; all of it may be asked again.
                if event.error_code == _ENHANCE_YOUR_CALM:
                    raise ConnectionAbortedError(0, _CALM)
                if event.error_code:
                    raise WireError(f"the connection was ended with code {int(event.error_code)}")
                raise ConnectionResetError(0, "the connection was ended")
            if stream is None:
                self._idle_events += 1
                if self._idle_events > _MOST_IDLE_EVENTS:
                    raise WireError("one frame after another that answers nothing")
            elif name == "ResponseReceived":
                stream.head(event.headers)
            elif name == "InformationalResponseReceived":
                stream.interim()
            elif name == "DataReceived":
                padding = event.flow_controlled_length - len(event.data)
                if padding:
                    self._protocol.acknowledge_received_data(padding, event.stream_id)
                stream.data(event.data)
            elif name == "StreamEnded":
                stream.end()
            elif name == "StreamReset":
                stream.fail(_reset(int(event.error_code)))


def _reset(code: int) -> Exception:
    if code == _HTTP_1_1_REQUIRED:
        raise WireError("the server wants HTTP/1.1 for this")
    if code == _ENHANCE_YOUR_CALM:
        return ConnectionAbortedError(0, _CALM)
    if code == _REFUSED_STREAM:
        return ConnectionResetError(0, "the server has no room for one more request")
    return WireError(f"the answer was broken off with code {code}")


def _protocol() -> H2Connection:
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.settings import SettingCodes, Settings

    made = H2Connection(H2Configuration(client_side=True, header_encoding=None))
    made.local_settings = Settings(
        client=True,
        initial_values={
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW,
            SettingCodes.MAX_HEADER_LIST_SIZE: _LARGEST_HEAD,
        },
    )
    made.initiate_connection()
    made.increment_flow_control_window(_CONNECTION_WINDOW - 2**16)
    return made


class Stream:
    """One request over an HTTP/2 connection, and its answer as it comes in.

    Attributes:
        origin: whom it asks.
        status, headers: the answer's head.
        remaining: bytes of body that are still to come; None where no length says.
        delimited: the end of an answer is always told.
    """

    delimited = True

    def __init__(self, connection: Http2) -> None:
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
        window = _LARGEST_WINDOW
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
