"""What a server, or what stands before it, can do wrong: the right answer or one clear error.

Each fault hits one kind of request or all, once or always. Whatever happens, it ends within the
bounds, reads no weights, writes nothing half, and the token stays at home.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hfkv.errors import HeaderError, HfkvError, NetworkError
from hfkv.source import fetch, limits
from hfkv.source.connections import Connections
from hfkv.source.session import Session
from hfkv.tensors import Tensor, TensorTable
from tests.conftest import fetch_many
from tests.hub.server import COMMIT, Hub, Repo, Sparse, safetensors

MODEL = "acme/model"
CONFIG = b'{"model_type": "llama"}'
CARD = b"# Card\n\nTrained on 1T tokens.\n" * 200
TABLE = TensorTable(
    Tensor(name=f"model.layers.{n}.mlp.up_proj.weight", dtype="BF16", shape=(512, 2**20))
    for n in range(140)
)
#: The parts of a fetch that a fault can hit, by what their address holds.
KINDS = {"list": "/api/models/", "config": "config.json", "card": "README.md", "header": "/cdn/"}
Fault = Callable[[Any], None]


@pytest.fixture
def target(hub: Hub) -> Hub:
    """A model whose file is announced with 150 GB."""
    hub.repos[MODEL] = Repo(
        files={"config.json": CONFIG, "README.md": CARD, "model.safetensors": safetensors(TABLE)}
    )
    return hub


def _right(files: Any) -> bool:
    return (
        files.texts == {"config.json": CONFIG, "README.md": CARD}
        and files.tensors == TABLE
        and files.commit == COMMIT
    )


def _real(handler: Any) -> bytes:
    """The body that the protocol would give."""
    if "/api/" in handler.path:
        names = [{"rfilename": name} for name in handler.state.repos[MODEL].files]
        return b'{"sha": "%s", "id": "%s", "siblings": %s}' % (
            COMMIT.encode(),
            MODEL.encode(),
            str(names).replace("'", '"').encode(),
        )
    name = handler.path.rsplit("/", 1)[-1]
    content = handler.state.repos[MODEL].files[name]
    return content.head if isinstance(content, Sparse) else bytes(content)


def _answer(handler: Any, body: bytes, *lines: str, status: str = "200 OK") -> None:
    name = f"X-Repo-Commit: {COMMIT}"
    head = "\r\n".join([f"HTTP/1.1 {status}", name, *lines, "", ""]).encode("latin-1")
    handler.raw(head + body)


FAULTS: dict[str, Fault] = {
    "reset at once": lambda h: h.reset(),
    "closed at once": lambda h: h.raw(b""),
    "reset in the head": lambda h: (h.wfile.write(b"HTTP/1.1 200 OK\r\nConte"), h.reset()),
    "reset in the body": lambda h: (
        h.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"),
        h.reset(),
    ),
    "truncated": lambda h: _answer(h, _real(h)[:20], f"Content-Length: {len(_real(h))}"),
    "a length too short": lambda h: _answer(h, _real(h), "Content-Length: 20"),
    "a length too long": lambda h: _answer(h, _real(h), f"Content-Length: {len(_real(h)) + 9}"),
    "no length, cut": lambda h: _answer(h, _real(h)[:20]),
    "a negative length": lambda h: _answer(h, _real(h), "Content-Length: -1"),
    "a huge length": lambda h: _answer(h, b"{", "Content-Length: 99999999999999"),
    "two lengths": lambda h: _answer(h, _real(h), "Content-Length: 5", "Content-Length: 6"),
    "chunks cut": lambda h: _answer(h, b"FF\r\n{", "Transfer-Encoding: chunked"),
    "chunks of nonsense": lambda h: _answer(h, b"zz\r\n{", "Transfer-Encoding: chunked"),
    "a negative chunk": lambda h: _answer(h, b"-5\r\n{", "Transfer-Encoding: chunked"),
    "an unknown coding": lambda h: _answer(h, b"{", "Transfer-Encoding: gzip"),
    "gzip unasked": lambda h: _answer(h, b"\x1f\x8b", "Content-Encoding: gzip"),
    "not HTTP": lambda h: h.raw(b"220 ftp.example.com ready\r\n"),
    "a malformed header": lambda h: h.raw(b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"),
    "a head without an end": lambda h: h.raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 30_000),
    "a header line without an end": lambda h: h.raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10**6),
    "interim answers": lambda h: h.raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "500": lambda h: h.refuse(500, "Oops", "oops"),
    "502": lambda h: h.answer(502, b"<html>Bad gateway</html>"),
    "503": lambda h: h.answer(503, b""),
    "429": lambda h: h.answer(429, b""),
    "429 with seconds": lambda h: h.answer(429, b"", {"Retry-After": "0"}),
    "429 with a date": lambda h: h.answer(
        429, b"", {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}
    ),
    "429 with nonsense": lambda h: h.answer(429, b"", {"Retry-After": "soon"}),
    "429 with RateLimit": lambda h: h.answer(429, b"", {"RateLimit": '"api";r=0;t=0'}),
    "a redirect to itself": lambda h: h.answer(302, b"", {"Location": h.path}),
    "a redirect to a file": lambda h: h.answer(302, b"", {"Location": "file:///etc/passwd"}),
    "a redirect to nowhere": lambda h: h.answer(302, b"", {"Location": "http://[::"}),
    "a redirect with a login": lambda h: h.answer(302, b"", {"Location": "http://a:b@127.0.0.1/"}),
    "a redirect without a place": lambda h: h.answer(302, b""),
    "a redirect to ftp": lambda h: h.answer(307, b"", {"Location": "ftp://example.com/x"}),
}
#: Faults after which no try can succeed, or which may be what the server means to say.
UNREPAIRED = {"gzip unasked", "a redirect to itself", "a redirect to a file", "a huge length"} | {
    name for name in FAULTS if "redirect" in name
}


def _hit(hub: Hub, kind: str, fault: Fault, *, times: int = 10**9) -> None:
    left = [times]
    lock = threading.Lock()

    def hook(handler: Any) -> bool:
        if KINDS[kind] not in handler.path or (kind == "list" and "metadata" in handler.path):
            return False
        with lock:
            left[0] -= 1
            hit = left[0] >= 0
        if hit:
            fault(handler)
        return hit

    hub.hook = hook


def _store(home: Path) -> list[str]:
    return [str(path) for path in home.rglob("*") if path.is_file()]


@pytest.mark.parametrize("kind", ["list", "card", "header"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_is_one_clear_error(
    target: Hub, home: Path, kind: str, fault: str
) -> None:
    _hit(target, kind, FAULTS[fault])
    (files,) = fetch_many([MODEL], source="hub", token="hf_secret")
    if isinstance(files, HfkvError):
        assert MODEL in str(files)
        assert "hf_secret" not in str(files)
        assert isinstance(files, (NetworkError, HeaderError))
        assert _store(home) == []
    else:
        # A header says by itself where it ends, so that some of this does not matter to it.
        assert _right(files)
        assert kind in ("header", "list")
    # Each is tried no more often than the bounds let it, also where it leads around in a circle.
    tries = Counter(path for _, path, _ in target.requests)
    assert max(tries.values()) <= (limits.LIMITS.retries + 1) * (limits.LIMITS.redirects + 1)
    assert target.sent < 5_000_000
    assert target.cdn_tokens == []


@pytest.mark.parametrize("kind", ["list", "card", "header"])
@pytest.mark.parametrize("fault", sorted(set(FAULTS) - UNREPAIRED))
def test_a_fault_that_passes_costs_only_time(target: Hub, kind: str, fault: str) -> None:
    if (kind, fault) == ("header", "a length too long"):
        return  # the whole file in place of a range: nothing shows that its length is a lie
    _hit(target, kind, FAULTS[fault], times=1)
    assert _right(fetch(MODEL, source="hub"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_hangs_is_given_up(
    target: Hub, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, read=0.1))
    _hit(target, kind, lambda h: h.hang())
    with pytest.raises(NetworkError, match="in time"):
        fetch(MODEL, source="hub")


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_drips_is_given_up(
    target: Hub, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds = replace(limits.LIMITS, whole=0.4, retries=0)
    monkeypatch.setattr(limits, "LIMITS", bounds)

    whole: list[str] = []

    def drip(handler: Any) -> None:
        handler.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + bytes(9000), 0.02)
        whole.append(handler.path)

    _hit(target, kind, drip)
    with pytest.raises(NetworkError, match=r"in time|too long"):
        fetch(MODEL, source="hub")
    # All of it would take minutes.
    assert whole == []


def test_a_sign_in_page_is_not_the_hub(target: Hub) -> None:
    target.fault = "sign-in"
    with pytest.raises(NetworkError, match="not the Hub"):
        fetch(MODEL, source="hub")


# -- ranges --------------------------------------------------------------------------------


def test_an_ignored_range_does_not_read_the_weights(target: Hub) -> None:
    target.fault = "no ranges"
    assert _right(fetch(MODEL, source="hub"))
    assert target.sent < 30_000_000


@pytest.mark.parametrize(
    "span",
    [
        "bytes 5-100/1000",
        "bytes 0-99/50",
        "bytes 9-3/100",
        "0-99/100",
        "bytes */5",
        "",
        "bytes 0-9",
    ],
)
def test_a_wrong_range_is_refused(target: Hub, span: str) -> None:
    _hit(target, "header", lambda h: h.answer(206, bytes(100), {"Content-Range": span}))
    with pytest.raises(NetworkError, match="range"):
        fetch(MODEL, source="hub")


@pytest.mark.parametrize("piece", [1, 9, 5000])
def test_less_than_the_range_that_was_asked_for_is_asked_on(target: Hub, piece: int) -> None:
    content = target.repos[MODEL].files["model.safetensors"]
    assert isinstance(content, Sparse)

    def less(handler: Any) -> None:
        begin, end = map(int, handler.headers.get("Range").removeprefix("bytes=").split("-"))
        end = min(end + 1, begin + piece)
        span = {"Content-Range": f"bytes {begin}-{end - 1}/{content.size}"}
        handler.answer(206, content.read(begin, end), span)

    _hit(target, "header", less)
    if piece == 5000:
        assert _right(fetch(MODEL, source="hub"))
    else:
        with pytest.raises(HeaderError):
            fetch(MODEL, source="hub")


def test_a_file_that_changes_its_size_between_ranges_is_refused(
    target: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, first=100))
    content = target.repos[MODEL].files["model.safetensors"]
    assert isinstance(content, Sparse)

    def grows(handler: Any) -> None:
        # The Hub itself serves it, so that nothing was said of its size before.
        begin, end = map(int, handler.headers.get("Range").removeprefix("bytes=").split("-"))
        size = content.size + begin
        handler.answer(
            206,
            content.read(begin, end + 1),
            {"Content-Range": f"bytes {begin}-{end}/{size}"},
        )

    monkeypatch.setitem(KINDS, "header", "/model.safetensors")
    _hit(target, "header", grows)
    with pytest.raises(NetworkError, match="bytes, then"):
        fetch(MODEL, source="hub")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\0" * 7,
        bytes(8),
        b"\1" + bytes(7),
        b"\0\0\0\0\1\0\0\0",
        bytes(7) + b"\x80",
        b"\xff" * 8,
    ],
    ids=["empty", "7 bytes", "0", "1", "2^32", "2^63", "2^64-1"],
)
def test_a_header_of_an_impossible_length_is_refused(target: Hub, head: bytes) -> None:
    target.repos[MODEL].files["model.safetensors"] = Sparse(head, len(head))
    with pytest.raises(HeaderError):
        fetch(MODEL, source="hub")
    assert target.sent < 100_000


# -- sizes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["list", "config", "card"])
@pytest.mark.parametrize("announced", [True, False])
def test_hundreds_of_megabytes_are_not_read(
    target: Hub, monkeypatch: pytest.MonkeyPatch, kind: str, announced: bool
) -> None:
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, text=100_000))

    def flood(handler: Any) -> None:
        line = b"Content-Length: 400000000" if announced else b"Transfer-Encoding: chunked"
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + line + b"\r\n\r\n")
        for _ in range(1000):
            handler.wfile.write((b"" if announced else b"10000\r\n") + b" " * 0x10000)
            handler.wfile.write(b"" if announced else b"\r\n")
            handler.state.sent += 0x10000

    _hit(target, kind, flood)
    with pytest.raises(NetworkError, match="100000"):
        fetch(MODEL, source="hub")
    assert target.sent < 10_000_000


def test_an_error_of_any_length_is_cut(target: Hub) -> None:
    target.fault = "long error"
    with pytest.raises(NetworkError, match="500"):
        fetch(MODEL, source="hub")


# -- the token -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("kind", ["list", "config"])
def test_the_token_does_not_follow_a_redirect_elsewhere(
    target: Hub, kind: str, status: int
) -> None:
    target.repos[MODEL].files["README.md"] = b"x"

    def away(handler: Any) -> None:
        # The CDN listens on another port, and knows no such file: what counts is what it is sent.
        handler.answer(status, b"", {"Location": f"{target.cdn}/cdn/{MODEL}//{COMMIT}/config.json"})

    _hit(target, kind, away)
    with pytest.raises(HfkvError):
        fetch(MODEL, source="hub", token="hf_secret")
    assert any(path.startswith("/cdn/") for _, path, _ in target.requests)
    assert target.cdn_tokens == []


def test_the_token_does_not_come_back_from_elsewhere(target: Hub) -> None:
    def hook(handler: Any) -> bool:
        if handler.at_cdn:
            handler.answer(302, b"", {"Location": f"{target.url}/stolen"})
        elif handler.path.endswith("config.json"):
            handler.answer(302, b"", {"Location": f"{target.cdn}/x"})
        else:
            return False
        return True

    target.hook = hook
    with pytest.raises(HfkvError):
        fetch(MODEL, source="hub", token="hf_secret")
    assert [token for _, path, token in target.requests if path == "/stolen"][:1] == [None]
    assert all(token is None for _, path, token in target.requests if path == "/stolen")


def test_an_error_that_repeats_the_token_is_not_quoted(target: Hub) -> None:
    _hit(target, "list", lambda h: h.refuse(400, "Bad", "bad token hf_secret"))
    with pytest.raises(NetworkError) as caught:
        fetch(MODEL, source="hub", token="hf_secret")
    assert "bad token ***" in str(caught.value)
    assert "hf_secret" not in str(caught.value)


@pytest.mark.parametrize("token", ["hf_secret\r\nX: y", "hf_secret\0", "hf_sécret\u2028", "hf_€"])
def test_a_token_that_is_no_header_is_not_sent_nor_shown(target: Hub, token: str) -> None:
    with pytest.raises(HfkvError) as caught:
        fetch(MODEL, source="hub", token=token)
    assert "hf_s" not in str(caught.value)
    assert all(given is None for _, _, given in target.requests)


@pytest.mark.parametrize(
    "location", ["http://hub.example/x", "HTTP://cdn.example/x", "file:///etc/passwd", "//x:99999/"]
)
def test_https_never_becomes_less(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a stand-in for the exchange, which alone would need certificates."""
    asked: list[tuple[str, str | None]] = []

    def exchange(
        self: Connections, origin: Any, url: str, headers: dict[str, str], *rest: Any
    ) -> Any:
        asked.append((url, headers.get("Authorization")))
        return 302, {"Location": location}, b""

    monkeypatch.setattr(Connections, "exchange", exchange)
    session = Session()
    try:
        with pytest.raises(NetworkError, match=r"redirected|not an address"):
            session.get("https://hub.example/a", where="x", limit=9, token="hf_secret")
    finally:
        session.close()
    assert asked == [("https://hub.example/a", "Bearer hf_secret")]


def test_a_refused_connection_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    pauses: list[float] = []

    def sleep(self: Session, seconds: float, where: str) -> None:
        # What is cut because another request was refused sleeps no more.
        if not self._stop.is_set():
            pauses.append(seconds)

    monkeypatch.setattr(Session, "_sleep", sleep)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(NetworkError, match="refused"):
        fetch(MODEL, source="hub")
    assert pauses == []


@pytest.mark.parametrize(
    "endpoint", ["", "hub.example", "ftp://hub.example", "http://a:b@host", "http://["]
)
def test_an_endpoint_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    with pytest.raises(NetworkError, match="HF_ENDPOINT"):
        fetch(MODEL, source="hub")
