"""HTTP/1.1 by urllib3, with what it does not promise by itself.

urllib3 keeps connections, speaks TLS and to proxies, and parses what comes in. Ours is the reader
of its sockets: every receive, also one within a head, ends at the exchange's deadline and within
the bytes that it allows, and another thread can end all of them at once.
"""

from __future__ import annotations

import errno
import http.client
import io
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.errors import FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Timeout, make_headers
from urllib3.exceptions import HTTPError

from hfkv.source import limits
from hfkv.source.origin import Origin

if TYPE_CHECKING:
    import ssl

__all__ = ["Connections", "FaultError", "RefusedError", "Request", "tls"]

#: Out of file descriptors or ports: others of this call will give theirs back.
_CROWDED = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL)
#: Times that a request may go unheard over connections that others used before it.
_UNHEARD = 8
#: More than the heads of real servers take.
_LARGEST_HEAD = 256 * 2**10
_MOST_INTERIM = 8
_PIECE = 2**20
_LENGTH = re.compile(r"[0-9]{1,18}")
_TUNNEL = re.compile(r"Tunnel connection failed: ([0-9]{3})")


class FaultError(Exception):
    """This try failed, another may not."""


class RefusedError(Exception):
    """What the server does is wrong, and would be again."""


class _WireError(Exception):
    """What came in is not an answer."""


class _UnheardError(Exception):
    """The server ended a connection that it had left open, before it answered."""


@dataclass(frozen=True, slots=True)
class Request:
    """What stays the same over redirects and tries.

    Attributes:
        headers: to send everywhere.
        token: to send to the origin that is asked first, and only there.
        limit: bytes of body; a longer one is an error.
        wanted: given the body so far, how many bytes of it are wanted; reading stops there.
        on_head: called with the status and headers, before the body is read.
    """

    headers: dict[str, str]
    token: str | None
    limit: int
    wanted: Callable[[bytearray], int] | None
    on_head: Callable[[int, Mapping[str, str]], None] | None


@dataclass(slots=True)
class _Exchange:
    """One request and its answer, under way in one thread.

    Attributes:
        connections: whose they are.
        until: by :func:`time.monotonic`, when all of it must be over.
        allowance: bytes that may still come in.
        goes_on: whether more came than the answer announced.
    """

    connections: Connections
    until: float
    allowance: int = _LARGEST_HEAD
    goes_on: bool = False


#: What this thread exchanges; urllib3 has no place of its own for it.
_NOW = threading.local()


# -- what comes in -------------------------------------------------------------------------


class _Incoming(io.RawIOBase):
    """The bytes that come in over a socket, within the bounds of the exchange."""

    def __init__(self, item: socket.socket) -> None:
        self.exchange: _Exchange = _NOW.exchange
        self._socket = item
        self._raw = item.makefile("rb", buffering=0)
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.ended:
            return 0
        exchange = self.exchange
        left = exchange.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        if exchange.allowance <= 0:
            raise _WireError("more bytes came than the answer may have")
        self._socket.settimeout(min(left, limits.LIMITS.read))
        count: int = self._raw.readinto(buffer) or 0
        exchange.allowance -= count
        # A long answer over a slow line is not a drip.
        exchange.until += count / limits.LIMITS.rate
        return count

    def more(self) -> bool:
        """Whether something has come in that nobody has read."""
        with suppress(OSError, ValueError):  # nothing there, as it should be
            if hasattr(self._socket, "pending"):
                return bool(self._socket.pending())
            self._socket.settimeout(0.0)
            return bool(self._socket.recv(1, socket.MSG_PEEK))
        return False

    def cut(self) -> None:
        """Have the connection seen as ended."""
        _cut(self._socket)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


def _cut(item: socket.socket) -> None:
    """End a connection in both directions at once."""
    with suppress(OSError, ValueError):  # not connected, or closed already
        # By its number, as TLS's own shutdown would wait for the other side.
        same = socket.socket(fileno=item.fileno())
        try:
            same.shutdown(socket.SHUT_RDWR)
        finally:
            same.detach()


class _Reader(io.BufferedReader):
    """The same, buffered; at its end it notes whether more came than was announced."""

    raw: _Incoming

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:  # the size of a chunk, which a server may write so
            raise _WireError("a negative size")
        return super().read(size)

    def close(self) -> None:
        if not self.closed:
            self.raw.ended = True
            self.raw.exchange.goes_on = bool(self.peek(1)) or self.raw.more()
            if self.raw.exchange.goes_on:
                # What is left must not be taken for the next answer.
                self.raw.cut()
        super().close()


class _Response(http.client.HTTPResponse):
    """The standard library's answer, read by :class:`_Reader`, its head checked."""

    def __init__(self, item: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(item, *arguments, **options)
        given, self.fp = self.fp, _Reader(_Incoming(item))
        given.close()

    def begin(self) -> None:
        for _ in range(_MOST_INTERIM):
            super().begin()
            if self.status >= 200:
                break
            self.headers = self.msg = None  # type: ignore[assignment]  # another head follows
        else:
            raise _WireError("nothing but interim answers came")
        if self.status > 599:
            raise _WireError("what answered does not speak HTTP/1.1")
        # What the parser of mail forgives, as it forgives much.
        broken = (FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect)
        if any(isinstance(item, broken) for item in self.headers.defects):
            raise _WireError("a line of the head is not a header")
        lengths = {text.strip() for text in self.headers.get_all("Content-Length", ())}
        if len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
            raise _WireError("the answer's length is not a number")
        codings = [text.strip().lower() for text in self.headers.get_all("Transfer-Encoding", ())]
        if codings not in ([], ["chunked"]):
            raise _WireError("a transfer coding that was not asked for")
        if codings and lengths:  # which of them counts, not all agree
            self.will_close = True


class _Connection:
    """Mixed into urllib3's connections: they can be cut, and say why they could not be opened."""

    response_class = _Response
    sock: Any
    _answers = 0
    _owner: Connections | None = None

    def connect(self) -> None:
        connections: Connections = _NOW.exchange.connections
        connections.open.add(self)
        self._owner = connections
        self._answers = 0
        try:
            super().connect()  # type: ignore[misc]
        except Exception as error:
            cause = _cause(error)
            if getattr(cause, "errno", None) in _CROWDED or connections.stopped:
                raise FaultError(_words(cause)) from None
            raise RefusedError(_words(cause)) from None
        if connections.stopped:  # perhaps before there was anything to cut
            raise FaultError("stopped")

    def _tunnel(self) -> None:
        """What the proxy says of a tunnel is part of connecting, and is no longer than that."""
        exchange: _Exchange = _NOW.exchange
        until, exchange.until = exchange.until, time.monotonic() + limits.LIMITS.connect
        super()._tunnel()  # type: ignore[misc]
        exchange.until = until
        self.sock.settimeout(limits.LIMITS.connect)

    def getresponse(self) -> Any:
        try:
            response = super().getresponse()  # type: ignore[misc]
        except (BrokenPipeError, ConnectionResetError):
            if self._answers:
                raise _UnheardError from None
            raise
        self._answers += 1
        return response

    def cut(self) -> None:
        """End it from another thread: whoever reads from it gets an error at once."""
        item = self.sock
        if item is not None:
            _cut(item)

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        # Without a lock: this may run at any moment, as Python frees what is no longer used.
        if self._owner is not None:
            self._owner.open.discard(self)


# -- all connections of a session ----------------------------------------------------------


class Connections:
    """Connections to any origin, shared by all threads of a session.

    Attributes:
        stopped: whether :meth:`cut` was called.
        open: those that it ends.
    """

    def __init__(self) -> None:
        self.stopped = False
        self.open: set[_Connection] = set()
        self._lock = threading.Lock()
        #: By scheme and proxy.
        self._managers: dict[tuple[str, str | None], PoolManager] = {}
        #: Origins that could not be reached: to try again for each file would take long.
        self._dead: dict[Origin, str] = {}

    def exchange(
        self, origin: Origin, url: str, headers: dict[str, str], asked: Request, until: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send a GET; the status, headers and body of its answer, no redirect followed.

        Args:
            origin: of ``url``.
            url: whom to ask.
            headers: all that are sent.
            asked: what is wanted of the body.
            until: by :func:`time.monotonic`, when all of it must be over.

        Raises:
            FaultError: it failed, and may not another time.
            RefusedError: it would fail again.
        """
        if not all(value.isprintable() for value in headers.values()):
            raise RefusedError("the request cannot be sent: a header has control characters")
        under_way = _NOW.exchange = _Exchange(self, until)
        response: BaseHTTPResponse | None = None
        try:
            response = self._ask(origin, url, headers)
            if asked.on_head is not None and response.get_redirect_location() is False:
                asked.on_head(response.status, response.headers)
            body = _read_body(response, asked, under_way)
            return response.status, response.headers, body
        except (FaultError, RefusedError):
            raise
        except ValueError as error:
            # A header or address that cannot be sent; the error may quote the value.
            raise RefusedError(f"the request cannot be sent: {type(error).__name__}") from None
        except (HTTPError, http.client.HTTPException, OSError, _WireError) as error:
            raise FaultError(_words(_cause(error))) from None
        finally:
            if response is not None:
                response.close()
                response.release_conn()
            _NOW.exchange = None

    def _ask(self, origin: Origin, url: str, headers: dict[str, str]) -> BaseHTTPResponse:
        manager = self._manager(origin)
        bounds = limits.LIMITS
        for _ in range(_UNHEARD + 1):
            if self.stopped:
                raise RefusedError("stopped")
            if origin in self._dead:
                raise RefusedError(self._dead[origin])
            try:
                return manager.urlopen(
                    "GET",
                    url,
                    headers=headers,
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    decode_content=False,
                    timeout=Timeout(connect=bounds.connect, read=bounds.read),
                )
            except _UnheardError:
                # The server may have ended an old connection just now; a new one tells.
                continue
            except RefusedError as error:
                self._dead.setdefault(origin, str(error))
                raise
        raise FaultError("the connection was closed without an answer")

    def _manager(self, origin: Origin) -> PoolManager:
        """What keeps connections to an origin, through the proxy that the environment names."""
        proxy = _proxy_for(origin)
        with self._lock:
            manager = self._managers.get((origin.scheme, proxy))
            if manager is None:
                manager = _make_manager(origin.scheme, proxy)
                self._managers[origin.scheme, proxy] = manager
            return manager

    def cut(self) -> None:
        """End all that is under way, and open nothing more. From any thread."""
        self.stopped = True
        for connection in list(self.open):
            connection.cut()

    def close(self) -> None:
        """Close every connection."""
        self.cut()
        for manager in self._managers.values():
            manager.clear()
        # A pool that is cleared closes its own no sooner than Python frees it.
        for connection in list(self.open):
            connection.close()


def _make_manager(scheme: str, proxy: str | None) -> PoolManager:
    options: dict[str, Any] = {"maxsize": limits.LIMITS.connections, "num_pools": 64}
    if scheme == "https":
        options["ssl_context"] = tls()
    made: PoolManager
    if proxy is None:
        made = PoolManager(**options)
    else:
        parts = urlsplit(proxy)
        if parts.scheme.startswith("socks"):
            try:
                from urllib3.contrib.socks import SOCKSProxyManager
            except ImportError:
                raise RefusedError(
                    f"a proxy of the kind {parts.scheme}:// needs pip install 'hfkv[socks]'"
                ) from None
            made = SOCKSProxyManager(proxy, **options)
        else:
            headers = {}
            if parts.username is not None:
                login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
                (headers["Proxy-Authorization"],) = make_headers(proxy_basic_auth=login).values()
            if parts.scheme == "https":
                options["proxy_ssl_context"] = tls()
            made = ProxyManager(proxy, proxy_headers=headers, **options)
    kinds: dict[str, Any] = made.pool_classes_by_scheme
    made.pool_classes_by_scheme = {
        name: type(pool.__name__, (pool,), {"ConnectionCls": _ours(pool.ConnectionCls)})
        for name, pool in kinds.items()
    }
    return made


@lru_cache(maxsize=8)
def _ours(kind: type) -> type:
    """One of urllib3's connections with ours mixed in."""
    return type(kind.__name__, (_Connection, kind), {})


@lru_cache(maxsize=1)
def tls() -> ssl.SSLContext:
    """The TLS settings: certificates are checked, against ``SSL_CERT_FILE`` or ``SSL_CERT_DIR``
    where set, else the machine's own."""
    import ssl

    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not file and not folder and sys.platform in ("darwin", "win32"):
        with suppress(ImportError):  # the system's own store; huggingface_hub brings it along
            import truststore

            return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return ssl.create_default_context(cafile=file or None, capath=folder or None)


def _proxy_for(origin: Origin) -> str | None:
    """The address of the proxy that the environment names for an origin."""
    named = any(name.lower().endswith("_proxy") for name in os.environ)
    if not named and sys.platform not in ("darwin", "win32"):
        return None
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    address = proxies.get(origin.scheme) or proxies.get("all")
    if not address or proxy_bypass(f"{origin.host}:{origin.port}") or proxy_bypass(origin.host):
        return None
    address = address if "://" in address else f"http://{address}"
    kind = urlsplit(address).scheme
    if kind not in ("http", "https", "socks4", "socks4a", "socks5", "socks5h"):
        raise RefusedError(f"a proxy of the kind {kind}:// is not supported")
    return address


# -- bodies and errors ---------------------------------------------------------------------


def _read_body(response: BaseHTTPResponse, asked: Request, exchange: _Exchange) -> bytes:
    """The body of an answer, as ``asked`` wants it: never more than is allowed, and whole."""
    # Nothing packed was asked for, and unpacking is what a bomb waits for.
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise RefusedError(f"an answer compressed as {encoding}, which was not asked for")
    wanted = asked.wanted
    # An error's words, or a redirect's page, are of no use beyond the first of it.
    limit = asked.limit if response.status < 300 else limits.LIMITS.error
    # Beyond the body itself: what its chunks are wrapped in.
    exchange.allowance = _LARGEST_HEAD + limit + limit // 4
    body = bytearray()
    if response.status >= 300 or wanted is not None:
        while (left := (min(limit, wanted(body)) if wanted else limit) - len(body)) > 0:
            piece = response.read(min(_PIECE, left))
            if not piece:
                break
            body += piece
        return bytes(body)
    length = response.length_remaining
    told = length is not None or "Transfer-Encoding" in response.headers
    if length is not None and length > limit:
        raise RefusedError(f"an answer of {length} bytes, where at most {limit} are read")
    while piece := response.read(min(_PIECE, limit + 1 - len(body))):
        body += piece
        if len(body) > limit:
            raise RefusedError(f"an answer of more than {limit} bytes")
    if not told:
        raise FaultError("an answer without a length, which may not be whole")
    if exchange.goes_on:
        raise FaultError("the answer goes on beyond its length")
    return bytes(body)


def _cause(error: BaseException) -> BaseException:
    """What went wrong beneath what urllib3 says of it."""
    while isinstance(error, HTTPError):
        inner = error.__cause__ or next(
            (item for item in reversed(error.args) if isinstance(item, BaseException)), None
        )
        if inner is None:
            break
        error = inner
    return error


def _words(error: BaseException) -> str:
    """An error of the network in words; never what was sent, which may be the token."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer ended early"
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, OSError):
        return "what answered does not speak HTTP/1.1"
    if isinstance(error, _WireError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    if isinstance(error, OSError) and (tunnel := _TUNNEL.match(str(error))):
        return f"the proxy answered {tunnel[1]}"
    return f"{type(error).__name__}: {error}"
