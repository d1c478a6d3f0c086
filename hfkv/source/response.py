"""One HTTP/1.1 answer: its head, and its body piece by piece. Untrusted, so strict and bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

__all__ = ["Headers", "Response", "WireError"]

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n]*)?")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?")
#: More than the heads of real servers take.
_LARGEST_HEAD = 64 * 2**10
_LARGEST_LINE = 4 * 2**10
_MOST_INTERIM = 8
_PIECE = 64 * 2**10
#: Of a body, which is received in fewer and larger pieces.
_BODY_PIECE = 2**20


class WireError(Exception):
    """What came in is not an HTTP answer, or ended before its end."""


class Headers(Mapping[str, str]):
    """Headers of an answer, their names in any case; values of one name joined by commas."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self._fields: dict[str, str] = {}
        for name, value in fields:
            known = self._fields.get(name.lower())
            self._fields[name.lower()] = value if known is None else f"{known}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


class Response:
    """An answer as it comes in.

    Args:
        receive: gives the next bytes, at most as many as asked for; none at the end.
        tunnel: it is a proxy's answer to CONNECT, which has no body.

    Attributes:
        status, headers: its head.
        delimited: whether its end can be told, by a length or by chunks.
        remaining: bytes of body that are still to come; None where no length says.
        complete: the whole body was read.

    Raises:
        WireError: it is not an HTTP answer.
    """

    def __init__(self, receive: Callable[[int], bytes], *, tunnel: bool = False) -> None:
        self._receive = receive
        self._buffer = bytearray()
        for _ in range(_MOST_INTERIM):
            minor, self.status, self.headers = self._head()
            if self.status >= 200:
                break
        else:
            raise WireError("one interim answer after another")
        lengths = set(self.headers.get("Content-Length", "0").split(", "))
        coding = self.headers.get("Transfer-Encoding", "").lower()
        if coding not in ("", "chunked"):
            raise WireError(f"a transfer encoding {coding[:40]!r}")
        self._chunked = coding == "chunked"
        self._chunk = 0
        self.remaining: int | None = None
        if tunnel or self.status in (204, 304):
            self.remaining, self._chunked = 0, False
        elif not self._chunked and "Content-Length" in self.headers:
            (length,) = lengths if len(lengths) == 1 else ("",)
            if not _LENGTH.fullmatch(length):
                raise WireError("a length that is none")
            self.remaining = int(length)
        self.delimited = self._chunked or self.remaining is not None
        self.complete = self.remaining == 0
        tokens = self.headers.get("Connection", "").lower()
        self._persistent = "keep-alive" in tokens if minor == 0 else "close" not in tokens
        if self._chunked and "Content-Length" in self.headers:
            self._persistent = False

    @property
    def reusable(self) -> bool:
        """Whether the connection can carry another request: this answer ended where it said."""
        return self.complete and self._persistent and self.delimited and not self._buffer

    @property
    def left_over(self) -> bool:
        """Whether more came in than the answer announced."""
        return self.complete and self.delimited and bool(self._buffer)

    def read(self, most: int = _BODY_PIECE) -> bytes:
        """The next piece of the body, at most ``most`` bytes; none where it is complete.

        Raises:
            WireError: it ends too early, or its chunks are malformed.
        """
        if self.complete:
            return b""
        if self._chunked:
            return self._read_chunked(most)
        if self.remaining is not None:
            most = min(most, self.remaining)
        piece = self._some(most)
        if self.remaining is None:
            self.complete = not piece
        else:
            if not piece:
                raise WireError(f"the answer ended {self.remaining} bytes early")
            self.remaining -= len(piece)
            self.complete = self.remaining == 0
        return piece

    def _read_chunked(self, most: int) -> bytes:
        if not self._chunk:
            found = _CHUNK.fullmatch(self._line())
            if found is None:
                raise WireError("a chunk without a size")
            self._chunk = int(found[1], 16)
            if not self._chunk:
                for _ in range(64):
                    if not self._line():
                        self.complete = True
                        return b""
                raise WireError("a trailer without an end")
        piece = self._some(min(most, self._chunk))
        if not piece:
            raise WireError("the answer ended within a chunk")
        self._chunk -= len(piece)
        if not self._chunk and self._line():
            raise WireError("a chunk longer than its size")
        return piece

    def _some(self, most: int) -> bytes:
        if self._buffer:
            piece = bytes(self._buffer[:most])
            del self._buffer[:most]
            return piece
        return self._receive(most)

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _LARGEST_LINE:
                raise WireError("a line without an end")
            data = self._receive(_LARGEST_LINE)
            if not data:
                raise WireError("the answer ended within a line")
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.removesuffix(b"\r")

    def _head(self) -> tuple[int, int, Headers]:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _LARGEST_HEAD:
                raise WireError("a head without an end")
            # What starts otherwise has no head to wait for.
            if not self._buffer.startswith(b"HTTP/1.") and len(self._buffer) >= 7:
                raise WireError("what answered does not speak HTTP/1.1")
            data = self._receive(_PIECE)
            if not data:
                if not self._buffer:
                    raise ConnectionResetError(0, "the connection was closed without an answer")
                raise WireError("the answer ended within its head")
            self._buffer += data
        first, *rest = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        status = _STATUS.fullmatch(first)
        if status is None:
            raise WireError("what answered does not speak HTTP/1.1")
        fields = []
        for line in rest:
            field = _FIELD.fullmatch(line)
            if field is None:
                raise WireError("a header line that is none")
            fields.append((field[1].decode("latin-1"), field[2].decode("latin-1")))
        return int(status[1]), int(status[2]), Headers(fields)
