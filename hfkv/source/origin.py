"""Scheme, host and port of an address."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

__all__ = ["Origin", "origin_of", "sendable"]

#: What a path and query may hold as it is; a redirect may name others.
_PLAIN = "/%:=&?~#+!$,;'@()*[]-._"


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: what a connection, and a token, belong to."""

    scheme: str
    host: str
    port: int

    @property
    def place(self) -> str:
        """Host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def authority(self) -> str:
        """Host and port as a request names them: without a port that the scheme implies."""
        usual = 443 if self.scheme == "https" else 80
        return self.place.removesuffix(f":{usual}") if self.port == usual else self.place


def origin_of(url: str) -> Origin:
    """The origin of an absolute http or https URL.

    Raises:
        ValueError: any other URL.

    >>> origin_of("https://huggingface.co/api/models").authority
    'huggingface.co'
    >>> origin_of("http://[::1]:8000/").authority
    '[::1]:8000'
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("not an http or https address")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Origin(parts.scheme, parts.hostname, port)


def sendable(target: str) -> str:
    """A path and query as a request may hold them."""
    return quote(target, safe=_PLAIN)
