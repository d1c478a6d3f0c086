"""The local Hub over HTTP/2: each stream is answered by the handler that answers over HTTP/1.1.

What the handler writes is taken apart and sent as frames, so that it can misbehave over HTTP/2 as
well: cut an answer short, say a length that is none, reset, hang, drip.
"""

from __future__ import annotations

import io
import re
import socket
import ssl
import threading
from contextlib import suppress
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import H2Error

_HEAD = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2})[^\r\n]*\r\n")
#: Headers of a connection, which HTTP/2 has none of.
_HOP = {"connection", "transfer-encoding", "keep-alive"}


def converse(channel: ssl.SSLSocket, handler: Any, address: Any, server: Any) -> None:
    """Answer what comes over one connection, until it ends."""
    Conversation(channel, handler, address, server).run()


class Conversation:
    """One HTTP/2 connection, seen from the server."""

    def __init__(self, channel: ssl.SSLSocket, handler: Any, address: Any, server: Any) -> None:
        self.channel = channel
        self.changed = threading.Condition()
        self.protocol = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        self.gone: set[int] = set()
        self.closed = False
        self._make = (handler, address, server)

    def run(self) -> None:
        with suppress(OSError, H2Error):
            with self.changed:
                self.protocol.initiate_connection()
                self.flush()
            while data := self.channel.recv(65536):
                with self.changed:
                    for event in self.protocol.receive_data(data):
                        self._handle(event)
                    self.flush()
                    self.changed.notify_all()
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        with suppress(OSError):
            self.channel.close()

    def _handle(self, event: Any) -> None:
        name = type(event).__name__
        if name == "RequestReceived":
            worker = threading.Thread(
                target=self._answer, args=(event.stream_id, event.headers), daemon=True
            )
            worker.start()
        elif name == "StreamReset":
            self.gone.add(event.stream_id)
        elif name == "ConnectionTerminated":
            raise ConnectionResetError

    def flush(self) -> None:
        self.channel.sendall(self.protocol.data_to_send())

    def _answer(self, number: int, fields: list[tuple[str, str]]) -> None:
        handler, address, server = self._make
        given = dict(fields)
        lines = [f"GET {given[':path']} HTTP/1.1", f"Host: {given[':authority']}"]
        lines += [f"{name}: {value}" for name, value in fields if not name.startswith(":")]
        lines += ["Connection: close", "", ""]
        stream = _Stream(self, number, "\r\n".join(lines).encode("latin-1"))
        with suppress(OSError, H2Error, ValueError):
            handler(stream, address, server)
            stream.end()


class _Out(io.RawIOBase):
    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._stream.write(bytes(data))
        return len(data)


class _Stream:
    """What a handler takes for its socket."""

    def __init__(self, conversation: Conversation, number: int, request: bytes) -> None:
        self._conversation = conversation
        self._number = number
        self._request = request
        self._head = b""
        self._status = 0

    def makefile(self, mode: str, size: int = -1) -> Any:
        if "r" in mode:
            return io.BytesIO(self._request)
        return io.BufferedWriter(_Out(self), size if size > 0 else 8192)

    def setsockopt(self, *_: Any) -> None:
        pass

    def close(self) -> None:
        """A reset: of this stream alone."""
        self._reset(2)

    def _reset(self, code: int) -> None:
        with self._conversation.changed, suppress(H2Error):
            self._conversation.protocol.reset_stream(self._number, code)
            self._conversation.flush()

    def write(self, data: bytes) -> None:
        if self._status < 200:
            data = self._heads(self._head + data)
        if self._status >= 200:
            self._send(data)

    def _heads(self, data: bytes) -> bytes:
        """Send the heads that have come; what follows them."""
        while self._status < 200:
            if data and not b"HTTP/1.1 ".startswith(data[:9]):
                self._reset(1)  # no HTTP: its nearest likeness
                raise BrokenPipeError
            head, mark, rest = data.partition(b"\r\n\r\n")
            if not mark:
                self._head = data
                return b""
            first = _HEAD.match(data)
            assert first is not None
            self._status, data = int(first[1]), rest
            fields = [(":status", str(self._status))]
            for line in head.split(b"\r\n")[1:]:
                name, _, value = line.decode("latin-1").partition(":")
                if name.lower() not in _HOP:
                    fields.append((name.lower(), value.strip()))
            with self._conversation.changed:
                self._conversation.protocol.send_headers(self._number, fields)
                self._conversation.flush()
        return data

    def _send(self, data: bytes) -> None:
        talk = self._conversation
        while data:
            with talk.changed:
                while True:
                    if talk.closed or self._number in talk.gone:
                        raise BrokenPipeError
                    room = talk.protocol.local_flow_control_window(self._number)
                    if room > 0:
                        break
                    talk.changed.wait()
                most = min(room, talk.protocol.max_outbound_frame_size)
                talk.protocol.send_data(self._number, data[:most])
                data = data[most:]
                talk.flush()

    def end(self) -> None:
        with self._conversation.changed, suppress(H2Error):
            if self._status >= 200:
                self._conversation.protocol.end_stream(self._number)
                self._conversation.flush()
                return
        self._reset(2)


def shut(channel: socket.socket) -> None:
    """End a connection without a word."""
    with suppress(OSError):
        channel.shutdown(socket.SHUT_RDWR)
