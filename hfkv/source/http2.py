"""One HTTP/2 connection and the requests that share it. The protocol itself is the h2 package's.

A thread reads what comes in and hands it to the streams; whoever asks writes under the same lock.
What a server sends is bounded as over HTTP/1.1, and by windows: a stream takes in no more than
what it asked for, the connection no more than :data:`_CONNECTION_WINDOW` unread bytes.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from copy import copy
from typing import TYPE_CHECKING, Any, Protocol

from hfkv.source import limits
from hfkv.source.origin import Origin
from hfkv.source.ready import ready
from hfkv.source.response import WireError
from hfkv.source.stream import WINDOW, Stream

if TYPE_CHECKING:
    from h2.connection import H2Connection

__all__ = ["MOST_STREAMS", "Http2"]

#: Bytes of all bodies of a connection that may come in unread.
_CONNECTION_WINDOW = 2**26
_LARGEST_HEAD = 64 * 2**10
#: Requests at once, also where the server allows more or has not said.
MOST_STREAMS = 100
_REFUSED_STREAM, _CANCEL, _ENHANCE_YOUR_CALM, _HTTP_1_1_REQUIRED = 7, 8, 11, 13
#: Not a reason to try again over HTTP/1.1, with a connection for each request.
_CALM = "the server asks for fewer requests"
#: Frames that carry nothing for any request, before a server is taken to play with us.
_MOST_IDLE_EVENTS = 10_000
_PIECE = 2**17


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
        if window > WINDOW:
            self._protocol.increment_flow_control_window(window - WINDOW, number)
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
            SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
            SettingCodes.MAX_HEADER_LIST_SIZE: _LARGEST_HEAD,
        },
    )
    made.initiate_connection()
    made.increment_flow_control_window(_CONNECTION_WINDOW - 2**16)
    return made
