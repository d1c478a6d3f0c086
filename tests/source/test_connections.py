"""One exchange over a connection: what is taken and what is refused, however it comes in."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hfkv.source import limits
from hfkv.source.connections import (
    _NOW,
    Connections,
    FaultError,
    RefusedError,
    Request,
    _Exchange,
    _Incoming,
    _Reader,
)
from hfkv.source.origin import origin_of
from tests.hub.server import Hub

Talk = Callable[[socket.socket, int], Any]


class _Server:
    """It has ``talk`` say what each request of each connection hears."""

    def __init__(self, talk: Talk) -> None:
        self.accepted = 0
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/x"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.accepted += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client, contextlib.suppress(OSError):
            number = 0
            while self._request(client):
                if self._talk(client, number) is False:
                    return
                number += 1

    def _request(self, client: socket.socket) -> bytes:
        head = b""
        while b"\r\n\r\n" not in head:
            more = client.recv(4096)
            if not more:
                return b""
            head += more
        return head

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextlib.contextmanager
def _serving(talk: Talk) -> Iterator[_Server]:
    server = _Server(talk)
    try:
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def _connections() -> Iterator[Connections]:
    made = Connections()
    try:
        yield made
    finally:
        made.close()


def _get(
    connections: Connections, url: str, *, limit: int = 10_000, seconds: float = 5
) -> tuple[int, Mapping[str, str], bytes]:
    asked = Request({}, None, limit, None, None)
    return connections.exchange(origin_of(url), url, {}, asked, time.monotonic() + seconds)


def _saying(data: bytes, pieces: int = 10**6, *, end: bool = True) -> Talk:
    """The same to everybody, ``pieces`` bytes at a time; then the connection ends."""

    def talk(client: socket.socket, number: int) -> bool:
        for at in range(0, len(data), pieces):
            client.sendall(data[at : at + pieces])
        return not end

    return talk


#: An answer, its body, and whether its connection can carry another.
TAKEN = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc", True),
    (b"HTTP/1.1 200\r\ncontent-length:3 \r\n\r\nabc", b"abc", True),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc", False),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", True),
    (b"HTTP/1.1 204 None\r\n\r\n", b"", True),
    (
        b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
        b"a",
        True,
    ),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", b"a", False),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", b"a", True),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
        b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
        b"abc0123456789",
        True,
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nTrailer: x\r\n\r\n",
        b"a",
        True,
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n0\r\n\r\n",
        b"",
        False,
    ),
]
REFUSED = [
    b"",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/2 200 OK\r\n\r\n",
    b"HTTP/1.1 99 Low\r\n\r\n",
    b"HTTP/1.1 700 High\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 abc OK\r\n\r\n",
    b"ICY 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n folded: x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nname : x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nto the end",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nabcde",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabcde",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nabcde",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nabcde",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n" + b"x" * 100,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n" + b"x" * 100,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 99_000,
    b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
    b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100,
    b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
]


@pytest.mark.parametrize(("data", "body", "reusable"), TAKEN)
@pytest.mark.parametrize("pieces", [1, 3, 10**6])
def test_what_is_taken(data: bytes, body: bytes, reusable: bool, pieces: int) -> None:
    with _serving(_saying(data, pieces, end=not reusable)) as server, _connections() as ours:
        for _ in range(2):
            assert _get(ours, server.url)[2] == body
        assert server.accepted == (1 if reusable else 2)


@pytest.mark.parametrize("data", REFUSED, ids=lambda data: repr(data[:70]))
@pytest.mark.parametrize("pieces", [64, 10**6])
def test_what_is_refused(data: bytes, pieces: int) -> None:
    with (
        _serving(_saying(data, pieces)) as server,
        _connections() as ours,
        pytest.raises((FaultError, RefusedError)),
    ):
        _get(ours, server.url)


def test_what_goes_on_beyond_its_end_is_not_the_next_answer() -> None:
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
    with _serving(_saying(one + one, end=False)) as server, _connections() as ours:
        with pytest.raises(FaultError, match="beyond its length"):
            _get(ours, server.url)
        with pytest.raises(FaultError, match="beyond its length"):
            _get(ours, server.url)
        assert server.accepted == 2


def test_headers_in_any_case() -> None:
    data = b"HTTP/1.1 204 X\r\nX-Repo-Commit: abc\r\nvary: a\r\nVary:\tb\r\n\r\n"
    with _serving(_saying(data)) as server, _connections() as ours:
        headers = _get(ours, server.url)[1]
    assert (headers["x-REPO-commit"], headers["VARY"]) == ("abc", "a, b")
    assert headers.get("nothing") is None


@given(st.binary(max_size=200), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", TAKEN[8][0][:60]]))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_anything_is_an_answer_or_an_error(noise: bytes, start: bytes) -> None:
    with _serving(_saying(start + noise)) as server, _connections() as ours:
        try:
            body = _get(ours, server.url)[2]
        except (FaultError, RefusedError):
            return
    assert len(body) <= len(start + noise)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_what_drips_ends_at_the_deadline_also_within_a_head(said: bytes) -> None:
    """However small the pieces are, each of them in time."""
    sent: list[float] = []
    over = threading.Event()

    def talk(client: socket.socket, number: int) -> None:
        client.sendall(said)
        while not over.wait(0.02):
            client.sendall(b"H" if not said else b"y")
            sent.append(time.monotonic())

    with _serving(talk) as server, _connections() as ours:
        with pytest.raises(FaultError):
            _get(ours, server.url, seconds=0.3)
        over.set()
    # It came to an end while more was still coming, rather than because nothing came.
    assert sent


def test_a_proxy_that_drips_ends_with_the_time_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, connect=0.3))
    monkeypatch.delenv("no_proxy", raising=False)
    over = threading.Event()
    sent: list[int] = []

    def talk(client: socket.socket, number: int) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not over.wait(0.02):
            sent.append(client.send(b"y"))

    with _serving(talk) as server, _connections() as ours:
        monkeypatch.setenv("https_proxy", server.url.removesuffix("/x"))
        with pytest.raises(RefusedError, match="in time"):
            _get(ours, "https://hub.example/x", seconds=60)
        over.set()
    assert sent


def test_a_connection_that_was_closed_meanwhile_costs_no_try() -> None:
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
    with _serving(_saying(one)) as server, _connections() as ours:
        for count in range(1, 4):
            assert _get(ours, server.url)[2] == b"a"
            assert server.accepted == count


def test_a_connection_that_ends_as_it_is_asked_again_costs_no_try() -> None:
    """The server takes the second request and says nothing to it, as when it closes just then."""

    def talk(client: socket.socket, number: int) -> bool:
        if not number:
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
        return not number

    with _serving(talk) as server, _connections() as ours:
        for _ in range(3):
            assert _get(ours, server.url)[2] == b"a"
        assert server.accepted == 3


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123"])
def test_cutting_ends_what_is_under_way_and_what_would_come(said: bytes) -> None:
    arrived, over = threading.Event(), threading.Event()

    def talk(client: socket.socket, number: int) -> None:
        client.sendall(said)
        arrived.set()
        over.wait(20)

    ended: list[Exception] = []

    def ask() -> None:
        try:
            _get(ours, server.url, seconds=20)
        except (FaultError, RefusedError) as error:
            ended.append(error)

    with _serving(talk) as server, _connections() as ours:
        thread = threading.Thread(target=ask)
        thread.start()
        assert arrived.wait(10)
        ours.cut()
        thread.join(10)
        assert not thread.is_alive()
        assert len(ended) == 1
        with pytest.raises(RefusedError, match="stopped"):
            _get(ours, server.url)
        over.set()


def test_closing_takes_no_lock_as_python_may_close_at_any_moment() -> None:
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
    with _serving(_saying(one, end=False)) as server, _connections() as ours:
        _get(ours, server.url)
        (connection,) = ours.open

        def freed() -> None:
            with ours._lock:
                connection.close()

        thread = threading.Thread(target=freed, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
        assert not ours.open


def test_an_answer_that_is_closed_late_says_nothing_of_another() -> None:
    with _connections() as ours:
        here, there = socket.socketpair()
        with here, there:
            there.sendall(b"ab")
            first = _NOW.exchange = _Exchange(ours, time.monotonic() + 5)
            reader = _Reader(_Incoming(here))
            assert reader.read(1) == b"a"
            second = _NOW.exchange = _Exchange(ours, time.monotonic() + 5)
            reader.close()
        _NOW.exchange = None
    assert (first.goes_on, second.goes_on) == (True, False)


def test_what_cannot_be_sent_is_refused_and_not_quoted(hub: Hub) -> None:
    for value in ("hf_x\r\nX: y", "hf_\0", "hf_\u20ac"):
        asked, until = Request({}, None, 9, None, None), time.monotonic() + 5
        with _connections() as ours, pytest.raises(RefusedError) as caught:
            ours.exchange(origin_of(hub.url), hub.url, {"Authorization": value}, asked, until)
        assert "hf_" not in str(caught.value)
    assert hub.requests == []
