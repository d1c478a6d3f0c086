"""The same over TLS: certificates are checked, also behind a proxy; nothing is said in clear."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hfkv.errors import NetworkError
from hfkv.source import fetch
from hfkv.source.connections import tls
from hfkv.source.session import Session
from tests.hub.server import CERTIFICATE, Hub, Repo, serve, sharded
from tests.source.test_rounds import CONFIG, _table

MODEL = "acme/model"


@pytest.fixture
def secure(trusted: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    repo = Repo(files={"config.json": CONFIG, **sharded(_table(), 3)}, gated=True)
    with serve(Hub(repos={MODEL: repo}), secure=True) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        yield running


def test_a_model_over_tls(secure: Hub) -> None:
    files = fetch(MODEL, token="hf_test")
    assert files.tensors == _table()
    assert secure.cdn_tokens == []


def test_an_unknown_certificate_is_refused(secure: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    tls.cache_clear()
    with pytest.raises(NetworkError, match=r"certificate|CERTIFICATE"):
        fetch(MODEL, token="hf_test")
    assert secure.requests == []


def test_a_certificate_of_another_host_is_refused(
    secure: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    address = secure.url.replace("localhost", "127.0.0.1")
    monkeypatch.setattr(constants, "ENDPOINT", address)
    with pytest.raises(NetworkError, match=r"certificate|CERTIFICATE"):
        fetch(MODEL, token="hf_test")
    assert secure.requests == []


def test_a_redirect_to_plain_http_is_refused(secure: Hub) -> None:
    def hook(handler: Any) -> bool:
        if not handler.path.endswith("config.json"):
            return False
        target = secure.cdn.replace("https", "http") + "/x"
        handler.answer(302, b"", {"Location": target})
        return True

    secure.hook = hook
    with pytest.raises(NetworkError, match="redirected from https"):
        fetch(MODEL, token="hf_test")


def test_a_server_without_tls_is_said(secure: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    with serve(Hub()) as plain:
        address = plain.url.replace("http://127.0.0.1", "https://localhost")
        monkeypatch.setattr(constants, "ENDPOINT", address)
        with pytest.raises(NetworkError, match="could not be read"):
            fetch(MODEL)


# -- a proxy's tunnel ----------------------------------------------------------------------


class _Tunnel:
    """A proxy that knows CONNECT alone, and remembers what it was sent in clear."""

    def __init__(
        self,
        answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n",
        *,
        secure: bool = False,
    ) -> None:
        self.seen: list[bytes] = []
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        place = "https://me:secret@localhost" if secure else "http://me:secret@127.0.0.1"
        self.address = f"{place}:{self._listener.getsockname()[1]}"
        if secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            self._listener = context.wrap_socket(
                self._listener, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            self.seen.append(head)
            client.sendall(self._answer)
            if b" 200 " not in self._answer:
                return
            host, port = head.split()[1].decode().rsplit(":", 1)
            with socket.create_connection((host, int(port))) as server:
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                _copy(client, server)
                back.join()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize(
    ("answer", "works"),
    [
        (b"HTTP/1.1 200 Connection established\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\nVia: x\r\n\r\n", True),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", False),
        (b"nonsense\r\n\r\n", False),
    ],
)
def test_a_tunnel_hides_everything_but_the_host(
    secure: Hub, monkeypatch: pytest.MonkeyPatch, answer: bytes, works: bool
) -> None:
    tunnel = _Tunnel(answer)
    monkeypatch.setenv("https_proxy", tunnel.address)
    try:
        if works:
            assert fetch(MODEL, token="hf_test", source="hub").tensors == _table()
        else:
            with pytest.raises(NetworkError, match=r"proxy answered 407|HTTP"):
                fetch(MODEL, token="hf_test", source="hub")
    finally:
        tunnel.close()
    assert tunnel.seen
    assert all(head.startswith(b"CONNECT localhost:") for head in tunnel.seen)
    assert all(b"Proxy-Authorization: Basic bWU6c2VjcmV0" in head for head in tunnel.seen)
    assert not any(b"hf_test" in head or b"acme" in head for head in tunnel.seen)


def test_a_proxy_may_itself_speak_tls(secure: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    tunnel = _Tunnel(secure=True)
    monkeypatch.setenv("https_proxy", tunnel.address)
    try:
        assert fetch(MODEL, token="hf_test", source="hub").tensors == _table()
        # As unknown as any other server's where its certificate is not trusted.
        monkeypatch.delenv("SSL_CERT_FILE")
        tls.cache_clear()
        seen = len(tunnel.seen)
        with pytest.raises(NetworkError, match=r"certificate|CERTIFICATE"):
            fetch(MODEL, token="hf_test", source="hub")
    finally:
        tunnel.close()
    assert len(tunnel.seen) == seen > 0
    assert all(head.startswith(b"CONNECT localhost:") for head in tunnel.seen)


def test_cancelling_through_a_proxy_that_speaks_tls(
    secure: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    tunnel = _Tunnel(secure=True)
    monkeypatch.setenv("https_proxy", tunnel.address)
    arrived, answered = secure.fall_silent()
    net = Session()
    try:
        job = net.submit(lambda: net.get(f"{secure.url}/x", where="x", limit=9))
        assert arrived.wait(10)
        net.cancel()
        with pytest.raises(NetworkError, match="stopped"):
            job.result(10)
        assert answered == []
    finally:
        net.close()
        tunnel.close()
