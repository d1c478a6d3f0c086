"""What carries one request at a time, whichever version of HTTP it speaks."""

from __future__ import annotations

from typing import Protocol

from hfkv.source.origin import Origin
from hfkv.source.response import Headers

__all__ = ["Channel", "Incoming"]


class Incoming(Protocol):
    """An answer as it comes in: its head, and its body piece by piece.

    Attributes:
        status, headers: its head.
        remaining: bytes of body that are still to come; None where nothing says.
        delimited: whether its end can be told from the connection's.
    """

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def remaining(self) -> int | None: ...
    @property
    def delimited(self) -> bool: ...
    def read(self, most: int = ..., /) -> bytes: ...


class Channel(Protocol):
    """One request's way to an origin: an HTTP/1.1 connection, or a stream of an HTTP/2 one."""

    @property
    def origin(self) -> Origin: ...
    def ask(self, target: str, headers: dict[str, str], until: float, /) -> Incoming: ...
    def left_over(self) -> bool: ...
