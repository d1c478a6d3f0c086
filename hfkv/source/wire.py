"""HTTP/1.1 over one connection: bounded, strict, and quick to start.

huggingface_hub's own client is not used for the exchange itself: importing it takes longer than
most answers, and a request through it costs several times the processor time. What decides who is
asked and with which token stays huggingface_hub's (:mod:`hfkv.source.identity`).
"""

from __future__ import annotations

import os
import socket
import sys
import time
from base64 import b64encode
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from hfkv.source import limits
from hfkv.source.origin import Origin, sendable
from hfkv.source.ready import ready
from hfkv.source.response import Response, WireError

if TYPE_CHECKING:
    import ssl

__all__ = ["Connection", "connect", "tls"]


class Connection:
    """One connection to an origin, perhaps through a proxy; one request at a time."""

    def __init__(self, origin: Origin, proxy: SplitResult | None, *, http2: bool = False) -> None:
        self.origin = origin
        self._proxy = proxy
        self._http2 = http2
        self._socket: socket.socket | None = None
        #: By :func:`time.monotonic`, when the exchange under way must be over.
        self._until = 0.0
        self._response: Response | None = None

    def open(self) -> None:
        """Connect: TCP, the proxy's tunnel, TLS; ``limits.connect`` seconds for each.

        Raises:
            OSError, WireError: it failed.
        """
        seconds = limits.LIMITS.connect
        proxy, secure = self._proxy, self.origin.scheme == "https"
        address = (self.origin.host, self.origin.port)
        if proxy is not None:
            address = (proxy.hostname or "", proxy.port or 80)
        raw = socket.create_connection(address, seconds)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = raw
            if proxy is not None and secure:
                self._until = time.monotonic() + seconds
                place = self.origin.place
                self._send(f"CONNECT {place}", place, _proxy_headers(proxy))
                tunnel = Response(self._receive, tunnel=True)
                if tunnel.status != 200:
                    raise WireError(f"the proxy answered {tunnel.status}")
            if secure:
                raw.settimeout(seconds)
                context = tls(http2=self._http2)
                self._socket = raw = context.wrap_socket(raw, server_hostname=self.origin.host)
        except BaseException:
            raw.close()
            raise

    @property
    def speaks_http2(self) -> bool:
        """Whether both sides agreed on HTTP/2 as it was opened; then :meth:`release` it."""
        agreed = getattr(self._socket, "selected_alpn_protocol", None)
        return agreed is not None and agreed() == "h2"

    def release(self) -> ssl.SSLSocket:
        """Its socket, which it gives away."""
        taken, self._socket = self._socket, None
        assert taken is not None
        return taken  # type: ignore[return-value]

    def ask(self, target: str, headers: dict[str, str], until: float) -> Response:
        """Send a GET and read the head of its answer.

        Args:
            target: path and query.
            headers: of the request; values that are no header's are refused, not quoted.
            until: by :func:`time.monotonic`, when the whole exchange must be over.

        Raises:
            OSError, WireError: it failed.
            ValueError: a header cannot be sent.
        """
        self._until = until
        target = sendable(target)
        if self._proxy is not None and self.origin.scheme == "http":
            target = f"http://{self.origin.authority}{target}"
            headers = {**headers, **_proxy_headers(self._proxy)}
        self._send(f"GET {target}", self.origin.authority, headers)
        self._response = Response(self._receive)
        return self._response

    def _send(self, line: str, host: str, headers: dict[str, str]) -> None:
        lines = [f"{line} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if any(not text.isprintable() for text in lines):
            raise ValueError("a header with control characters")
        assert self._socket is not None
        self._socket.settimeout(limits.LIMITS.read)
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def _receive(self, most: int) -> bytes:
        """The next bytes, of no more than ``most``; none at the end."""
        assert self._socket is not None
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._socket.settimeout(min(left, limits.LIMITS.read))
        data = self._socket.recv(most)
        # A long answer over a slow line is not a drip.
        self._until += len(data) / limits.LIMITS.rate
        return data

    def left_over(self) -> bool:
        """Whether the server has sent more than the answer it announced."""
        if self._response is None or self._socket is None:
            return False
        if self._response.left_over:
            return True
        if self.origin.scheme == "https":
            return bool(self._socket.pending())  # type: ignore[attr-defined]
        self._socket.settimeout(0.0)
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK))
        except OSError:
            return False  # nothing there, as it should be

    def usable(self) -> bool:
        """Whether it can take another request: all was read, and nothing unasked has come in."""
        if self._socket is None or self._socket.fileno() < 0:
            return False
        if self._response is not None and not self._response.reusable:
            return False
        try:
            return not ready(self._socket, 0)
        except (OSError, ValueError):
            return False

    def close(self) -> None:
        """Close it, whatever is still unread."""
        if self._socket is not None:
            self._socket.close()

    def cut(self) -> None:
        """Close it from another thread: whoever reads from it gets an error at once."""
        if self._socket is not None:
            with suppress(OSError):  # not connected, or closed already
                # Not the TLS layer's own, which would wait for the other side.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def connect(origin: Origin, *, http2: bool = False) -> Connection:
    """A connection to ``origin``, not yet open, through the proxy that the environment names.

    Args:
        http2: offer HTTP/2 as well, where there is TLS to agree on it.

    Raises:
        OSError: the proxy is of a kind that is not supported.
    """
    return Connection(origin, _proxy_for(origin), http2=http2)


@lru_cache(maxsize=2)
def tls(*, http2: bool = False) -> ssl.SSLContext:
    """The TLS settings: certificates are checked, against ``SSL_CERT_FILE`` or ``SSL_CERT_DIR``
    where set, else the machine's own."""
    import ssl

    offered = ["h2", "http/1.1"] if http2 else ["http/1.1"]

    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not file and not folder and sys.platform in ("darwin", "win32"):
        try:  # the system's own store; huggingface_hub brings the package along
            import truststore
        except ImportError:
            pass
        else:
            store: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            store.set_alpn_protocols(offered)
            return store
    context = ssl.create_default_context(cafile=file or None, capath=folder or None)
    context.set_alpn_protocols(offered)
    return context


def _proxy_for(origin: Origin) -> SplitResult | None:
    named = any(name.lower().endswith("_proxy") for name in os.environ)
    if not named and sys.platform not in ("darwin", "win32"):
        return None
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    address = proxies.get(origin.scheme) or proxies.get("all")
    if not address or proxy_bypass(f"{origin.host}:{origin.port}") or proxy_bypass(origin.host):
        return None
    parts = urlsplit(address if "://" in address else f"http://{address}")
    if parts.scheme != "http" or not parts.hostname:
        raise OSError(f"a proxy of the kind {parts.scheme}:// is not supported, only http://")
    return parts


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
