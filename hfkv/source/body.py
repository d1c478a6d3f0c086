"""The body of one answer: as much as is wanted, never more than is allowed, and whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hfkv.source import limits
from hfkv.source.channel import Channel, Incoming
from hfkv.source.response import Headers, WireError

__all__ = ["FaultError", "RefusedError", "Request", "read_body", "words"]


class FaultError(Exception):
    """This try failed, another may not."""


class RefusedError(Exception):
    """What the server does is wrong, and would be again."""


@dataclass(frozen=True, slots=True)
class Request:
    """What stays the same over redirects and tries."""

    headers: dict[str, str]
    token: str | None
    limit: int
    wanted: Callable[[bytearray], int] | None
    on_head: Callable[[int, Headers], None] | None


def read_body(channel: Channel, response: Incoming, asked: Request) -> bytes:
    """The body of an answer, as ``asked`` wants it.

    Raises:
        FaultError: it is not whole, or goes on beyond its end.
        RefusedError: it is packed, or longer than it may be.
        OSError, WireError: it could not be read.
    """
    # Nothing packed was asked for, and unpacking is what a bomb waits for.
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise RefusedError(f"an answer packed as {encoding}, which was not asked for")
    if response.status >= 300:
        # An error's words, or a redirect's page: of no use beyond the first of it.
        return _some(response, limits.LIMITS.error)
    if asked.wanted is not None:
        return _some(response, asked.limit, asked.wanted)
    if (response.remaining or 0) > asked.limit:
        raise RefusedError(f"{response.remaining} bytes where {asked.limit} is the most")
    body = bytearray()
    while piece := response.read():
        body += piece
        if len(body) > asked.limit:
            raise RefusedError(f"an answer of more than {asked.limit} bytes")
    if not response.delimited:
        raise FaultError("an answer without a length: whether it is whole cannot be told")
    if channel.left_over():
        raise FaultError("the answer goes on beyond its length")
    return bytes(body)


def _some(
    response: Incoming, limit: int, wanted: Callable[[bytearray], int] | None = None
) -> bytes:
    """The first bytes of a body."""
    body = bytearray()
    while (left := (limit if wanted is None else min(limit, wanted(body))) - len(body)) > 0:
        piece = response.read(min(2**20, left))
        if not piece:
            break
        body += piece
    return bytes(body)


def words(error: BaseException) -> str:
    """An error of the network in words; never what was sent, which may be the token."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, WireError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return f"{type(error).__name__}: {error}"
