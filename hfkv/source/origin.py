"""Scheme, host and port of an address: what a connection, and a token, belong to."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["Origin", "origin_of"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port."""

    scheme: str
    host: str
    port: int


def origin_of(url: str) -> Origin:
    """The origin of an absolute http or https URL.

    Raises:
        ValueError: any other URL.

    >>> origin_of("https://huggingface.co/api/models")
    Origin(scheme='https', host='huggingface.co', port=443)
    >>> origin_of("http://[::1]:8000/").port
    8000
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("not an http or https address")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Origin(parts.scheme, parts.hostname, port)
