"""How long, how much and how many: every bound of the network part, in one value."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LIMITS", "Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what a server can make hfkv spend. Times in seconds, sizes in bytes.

    Attributes:
        connect: to open a connection, with its TLS handshake.
        read: to wait for the next bytes.
        whole: for one answer, tries after faults included; a server that drips byte by byte never
            meets ``read``.
        rate: bytes in a second that a long answer may take, beyond ``whole``.
        patience: to wait, in all, because a server asked to (429, ``RateLimit``, ``Retry-After``).
        hedge: to give the one-request answer a head start before the headers are asked one by one.
        pause: before the first try after a fault; doubled each time.
        retries: tries after faults (resets, truncation, 5xx), for one request.
        redirects: followed for one request.
        text: of a config, card, list of files.
        headers: of all headers in one answer.
        error: read of an error's body.
        first: asked of a safetensors file; nearly all headers are shorter.
        connections: open at once, in one call.
        models: read at once, in one call.
    """

    connect: float = 4.0
    read: float = 15.0
    whole: float = 120.0
    rate: int = 100 * 2**10
    patience: float = 60.0
    hedge: float = 0.3
    pause: float = 0.25
    retries: int = 2
    redirects: int = 10
    text: int = 32 * 2**20
    headers: int = 256 * 2**20
    error: int = 64 * 2**10
    first: int = 128 * 2**10
    connections: int = 192
    models: int = 16


#: The bounds in use; looked up at each use, so that a test or an application can replace them.
LIMITS = Limits()
