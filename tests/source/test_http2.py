"""HTTP/2, where TLS agrees on it: the same answers over few connections, the same bounds."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import H2Error

from hfkv.errors import HeaderError, HfkvError, NetworkError
from hfkv.source import fetch, fetch_many, limits
from hfkv.source.origin import origin_of
from hfkv.source.pool import Pool
from hfkv.source.response import WireError
from hfkv.source.session import Session
from hfkv.tensors import Tensor, TensorTable
from tests.hub.server import CERTIFICATE, Hub, Repo, safetensors, serve, sharded
from tests.source.test_faults import CARD, CONFIG, FAULTS, MODEL, TABLE, UNREPAIRED, _hit, _right
from tests.source.test_rounds import FAR

#: What only the text of HTTP/1.1 can have wrong; over HTTP/2 an answer's end is always told.
TEXT = {
    "chunks cut",
    "chunks of nonsense",
    "a negative chunk",
    "an unknown coding",
    "a malformed header",
    "a head without an end",
    "a header line without an end",
    "no length, cut",
}
FEW = TensorTable(
    Tensor(name=f"model.layers.{n}.mlp.up_proj.weight", dtype="BF16", shape=(8, 8))
    for n in range(40)
)


@pytest.fixture
def target(trusted: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The model of the fault tests, over HTTP/2."""
    from huggingface_hub import constants

    files = {"config.json": CONFIG, "README.md": CARD, "model.safetensors": safetensors(TABLE)}
    with serve(Hub(repos={MODEL: Repo(files=dict(files))}), secure=True, http2=True) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        yield running


# -- the same answers ----------------------------------------------------------------------


def test_a_model_takes_one_connection_to_each_place(target: Hub) -> None:
    assert _right(fetch(MODEL, source="hub", token="hf_secret"))
    assert target.connections == 2  # the Hub's, and the one where its files are
    assert target.cdn_tokens == []


def test_many_shards_take_few_connections_and_no_round_more(target: Hub) -> None:
    target.repos["acme/many"] = Repo(files={"config.json": CONFIG, **sharded(FEW, 40)})
    target.latency = FAR
    files = fetch("acme/many", source="hub")
    assert files.tensors == FEW
    assert target.rounds == 3
    assert 2 <= target.connections <= 6
    target.forget()
    assert fetch("acme/many", source="hub").tensors == FEW


def test_a_body_larger_than_any_window(target: Hub) -> None:
    config = b'{"model_type": "llama", "x": "' + b"y" * 20_000_000 + b'"}'
    target.repos[MODEL].files["config.json"] = config
    assert fetch(MODEL, source="hub").texts["config.json"] == config


def test_a_header_longer_than_the_first_range(target: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, first=100))
    assert _right(fetch(MODEL, source="hub"))


def test_a_server_without_http2_is_spoken_to_as_ever(
    trusted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    repo = Repo(files={"config.json": CONFIG, **sharded(FEW, 9)})
    with serve(Hub(repos={"acme/many": repo}), secure=True) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        assert fetch("acme/many", source="hub").tensors == FEW
        assert running.connections > 6


def test_nothing_is_left_behind(target: Hub) -> None:
    for _ in range(3):
        fetch(MODEL, source="hub")
    deadline = time.monotonic() + 3
    while _threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _threads() == []


def _threads() -> list[str]:
    return [item.name for item in threading.enumerate() if item.name == "hfkv"]


# -- faults --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["list", "card", "header"])
@pytest.mark.parametrize("fault", sorted(set(FAULTS) - TEXT))
def test_a_fault_that_stays_is_one_clear_error(
    target: Hub, home: Path, kind: str, fault: str
) -> None:
    _hit(target, kind, FAULTS[fault])
    begin = time.monotonic()
    (files,) = fetch_many([MODEL], source="hub", token="hf_secret")
    if isinstance(files, HfkvError):
        assert MODEL in str(files)
        assert "hf_secret" not in str(files)
        assert isinstance(files, (NetworkError, HeaderError))
        assert not [path for path in home.rglob("*") if path.is_file()]
    else:
        assert _right(files)
        assert kind in ("header", "list")
    assert time.monotonic() - begin < 12
    assert target.sent < 5_000_000
    assert target.cdn_tokens == []


@pytest.mark.parametrize("kind", ["list", "card", "header"])
@pytest.mark.parametrize("fault", sorted(set(FAULTS) - UNREPAIRED - TEXT))
def test_a_fault_that_passes_costs_only_time(target: Hub, kind: str, fault: str) -> None:
    if (kind, fault) == ("header", "a length too long"):
        return  # the whole file in place of a range: nothing shows that its length is a lie
    _hit(target, kind, FAULTS[fault], times=1)
    assert _right(fetch(MODEL, source="hub"))


@pytest.mark.parametrize("kind", ["list", "header"])
def test_a_server_that_hangs_is_given_up(
    target: Hub, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, read=0.2))
    _hit(target, kind, lambda h: h.hang())
    with pytest.raises(NetworkError, match="in time"):
        fetch(MODEL, source="hub")


def test_a_server_that_drips_is_given_up(target: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, whole=0.5, retries=0))
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"
    _hit(target, "card", lambda h: h.drip(head + bytes(9000), 0.02))
    begin = time.monotonic()
    with pytest.raises(NetworkError, match="in time"):
        fetch(MODEL, source="hub")
    assert time.monotonic() - begin < 4


def test_an_ignored_range_does_not_read_the_weights(target: Hub) -> None:
    target.fault = "no ranges"
    assert _right(fetch(MODEL, source="hub"))
    assert target.sent < 30_000_000


def test_cancelling_ends_it_at_once(target: Hub) -> None:
    net, arrived = Session(), threading.Event()

    def hook(handler: Any) -> bool:
        arrived.set()
        handler.hang()
        return True

    target.hook = hook
    job = net.submit(lambda: net.get(f"{target.url}/x", where="x", limit=9))
    assert arrived.wait(10)
    begin = time.monotonic()
    net.cancel()
    with pytest.raises(NetworkError, match="stopped"):
        job.result(5)
    net.close()
    assert time.monotonic() - begin < 2
    assert _threads() == []


# -- servers that speak it badly -----------------------------------------------------------

Speech = Callable[[ssl.SSLSocket, H2Connection], None]


@contextmanager
def _speaking(speech: Speech) -> Iterator[str]:
    """A server on which ``speech`` decides what each connection hears; HTTP/1.1 it answers with
    404. Its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    context.set_alpn_protocols(["h2", "http/1.1"])
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(raw: socket.socket) -> None:
        with suppress(OSError, H2Error), context.wrap_socket(raw, server_side=True) as channel:
            if channel.selected_alpn_protocol() != "h2":
                channel.recv(65536)
                channel.sendall(b"HTTP/1.1 418 Teapot\r\nContent-Length: 2\r\n\r\n{}")
                return
            protocol = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
            protocol.initiate_connection()
            channel.sendall(protocol.data_to_send())
            speech(channel, protocol)

    def accept() -> None:
        with suppress(OSError):
            while True:
                raw, _ = listener.accept()
                threading.Thread(target=talk, args=(raw,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"https://localhost:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _requests(channel: ssl.SSLSocket, protocol: H2Connection) -> Iterator[int]:
    """The numbers of the streams that ask something."""
    while data := channel.recv(65536):
        for event in protocol.receive_data(data):
            if type(event).__name__ == "RequestReceived":
                yield event.stream_id
        channel.sendall(protocol.data_to_send())


def _reply(channel: ssl.SSLSocket, protocol: H2Connection, number: int) -> None:
    protocol.send_headers(number, [(":status", "200"), ("content-length", "2")])
    protocol.send_data(number, b"ok", end_stream=True)
    channel.sendall(protocol.data_to_send())


def _garbage(channel: ssl.SSLSocket, protocol: H2Connection) -> None:
    next(_requests(channel, protocol))
    channel.sendall(b"\0\0\x04\0\0\0\0\0\0 no!")
    channel.recv(65536)


def _pings(channel: ssl.SSLSocket, protocol: H2Connection) -> None:
    next(_requests(channel, protocol))
    while True:
        channel.sendall(b"\0\0\x08\x06\0\0\0\0\0" + bytes(8))


def _large_head(channel: ssl.SSLSocket, protocol: H2Connection) -> None:
    number = next(_requests(channel, protocol))
    protocol.send_headers(number, [(":status", "200"), *[("x", "y" * 4000)] * 200])
    channel.sendall(protocol.data_to_send())
    channel.recv(65536)


def _pushes(channel: ssl.SSLSocket, protocol: H2Connection) -> None:
    number = next(_requests(channel, protocol))
    channel.sendall(b"\0\0\x04\x05\x04" + number.to_bytes(4, "big") + b"\0\0\0\x02")
    channel.recv(65536)


def _no_status(channel: ssl.SSLSocket, protocol: H2Connection) -> None:
    number = next(_requests(channel, protocol))
    protocol.config.validate_outbound_headers = False
    protocol.send_headers(number, [(":status", "2x0")])
    channel.sendall(protocol.data_to_send())
    channel.recv(65536)


@pytest.mark.parametrize("speech", [_garbage, _large_head, _pushes, _no_status])
def test_what_is_no_http2_falls_back_to_http1(trusted: None, speech: Speech) -> None:
    with _speaking(speech) as address, _session() as net:
        answer = net.get(f"{address}/x", where="x", limit=9)
    assert answer.status == 418


def test_frames_without_end_are_bounded(trusted: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, read=0.5, retries=0))
    begin = time.monotonic()
    with _speaking(_pings) as address, _session() as net, pytest.raises(NetworkError):
        net.get(f"{address}/x", where="x", limit=9)
    assert time.monotonic() - begin < 10


def test_no_more_comes_in_than_is_read(trusted: None) -> None:
    """A server that sends more than the window lets it is no HTTP/2 server."""

    def speech(channel: ssl.SSLSocket, protocol: H2Connection) -> None:
        number = next(_requests(channel, protocol))
        protocol.send_headers(number, [(":status", "200")])
        channel.sendall(protocol.data_to_send())
        frame = (2**14).to_bytes(3, "big") + b"\0\0" + number.to_bytes(4, "big") + bytes(2**14)
        for _ in range(10_000):
            channel.sendall(frame)

    pool = Pool()
    try:
        with _speaking(speech) as address:
            stream, _ = pool.take(origin_of(address))
            stream.ask("/x", {"Range": "bytes=0-9"}, time.monotonic() + 5)
            deadline = time.monotonic() + 5
            while stream._error is None and time.monotonic() < deadline:  # type: ignore[union-attr]
                time.sleep(0.01)
            assert isinstance(stream._error, WireError)  # type: ignore[union-attr]
            assert len(stream._body) <= 2**18  # type: ignore[union-attr]
    finally:
        pool.close()


@contextmanager
def _session() -> Iterator[Session]:
    made = Session()
    try:
        yield made
    finally:
        made.close()


def test_a_connection_that_ends_after_each_answer(trusted: None) -> None:
    """As servers end theirs after so many requests, or as they restart."""

    def speech(channel: ssl.SSLSocket, protocol: H2Connection) -> None:
        for number in _requests(channel, protocol):
            _reply(channel, protocol, number)
            protocol.close_connection(last_stream_id=number)
            channel.sendall(protocol.data_to_send())
            return

    with _speaking(speech) as address, _session() as net:
        jobs = [net.submit(lambda: net.get(f"{address}/x", where="x", limit=9)) for _ in range(3)]
        assert [job.result(20).body for job in jobs] == [b"ok"] * 3
        for _ in range(3):
            assert net.get(f"{address}/x", where="x", limit=9).body == b"ok"


def test_a_refused_stream_is_asked_again(trusted: None) -> None:
    def speech(channel: ssl.SSLSocket, protocol: H2Connection) -> None:
        for count, number in enumerate(_requests(channel, protocol)):
            if count:
                _reply(channel, protocol, number)
            else:
                protocol.reset_stream(number, error_code=7)
                channel.sendall(protocol.data_to_send())

    with _speaking(speech) as address, _session() as net:
        assert net.get(f"{address}/x", where="x", limit=9).body == b"ok"


def test_a_server_that_asks_for_calm_is_given_time(trusted: None) -> None:
    calls: list[int] = []

    def speech(channel: ssl.SSLSocket, protocol: H2Connection) -> None:
        for number in _requests(channel, protocol):
            calls.append(number)
            if len(calls) == 1:
                protocol.close_connection(error_code=11)
                channel.sendall(protocol.data_to_send())
                return
            _reply(channel, protocol, number)

    with _speaking(speech) as address, _session() as net:
        # Over HTTP/2 still: the server answers 418 to all else.
        assert net.get(f"{address}/x", where="x", limit=9).body == b"ok"
    assert len(calls) == 2


def test_no_more_at_once_than_the_server_allows(trusted: None) -> None:
    def speech(channel: ssl.SSLSocket, protocol: H2Connection) -> None:
        # Said, but not held to by the protocol's own package, so that we can refuse.
        lock, under_way = threading.Lock(), [0]
        settings = b"\0\0\x06\x04\0\0\0\0\0" + b"\0\x03" + (2).to_bytes(4, "big")

        def later(number: int) -> None:
            time.sleep(0.02)
            with lock, suppress(OSError, H2Error):
                under_way[0] -= 1
                _reply(channel, protocol, number)

        channel.sendall(settings)
        for number in _requests(channel, protocol):
            with lock:
                if under_way[0] >= 2:
                    refused.append(number)
                    protocol.reset_stream(number, error_code=7)
                    channel.sendall(protocol.data_to_send())
                    continue
                under_way[0] += 1
            threading.Thread(target=later, args=(number,)).start()

    refused: list[int] = []
    with _speaking(speech) as address, _session() as net:
        jobs = [net.submit(lambda: net.get(f"{address}/x", where="x", limit=9)) for _ in range(30)]
        assert [job.result(20).body for job in jobs] == [b"ok"] * 30
        refused.clear()  # before the settings came, there may have been too many
        jobs = [net.submit(lambda: net.get(f"{address}/x", where="x", limit=9)) for _ in range(30)]
        assert [job.result(20).body for job in jobs] == [b"ok"] * 30
        assert not refused
