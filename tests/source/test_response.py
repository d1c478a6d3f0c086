"""One HTTP answer: what is taken and what is refused, however it comes in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfkv.source.response import Response, WireError


def _read(data: bytes, pieces: int = 1) -> tuple[Response, bytes]:
    """The answer and body of ``data``, coming in ``pieces`` bytes at a time."""
    at = 0

    def receive(most: int) -> bytes:
        nonlocal at
        piece = data[at : at + min(most, pieces)]
        at += len(piece)
        return piece

    response = Response(receive)
    body = bytearray()
    while piece := response.read(7):
        body += piece
    return response, bytes(body)


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
    (b"HTTP/1.1 200 OK\r\n\r\nto the end", b"to the end", False),
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
    b"HTTP/1.1 abc OK\r\n\r\n",
    b"ICY 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nname : x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n",
    b"HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nabcde",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nabcde",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nabcde",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 9000,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"x: y\r\n" * 100,
]


@pytest.mark.parametrize(("data", "body", "reusable"), TAKEN)
@pytest.mark.parametrize("pieces", [1, 3, 10**6])
def test_what_is_taken(data: bytes, body: bytes, reusable: bool, pieces: int) -> None:
    response, found = _read(data, pieces)
    assert found == body
    assert response.complete
    assert response.reusable is reusable
    assert not response.left_over


@pytest.mark.parametrize("data", REFUSED)
@pytest.mark.parametrize("pieces", [1, 10**6])
def test_what_is_refused(data: bytes, pieces: int) -> None:
    with pytest.raises((WireError, ConnectionResetError)):
        _read(data, pieces)


def test_what_goes_on_beyond_its_end_is_noticed() -> None:
    response, _ = _read(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", 10**6)
    assert response.left_over
    assert not response.reusable


def test_headers_in_any_case() -> None:
    response, _ = _read(b"HTTP/1.1 204 X\r\nX-Repo-Commit: abc\r\nvary: a\r\nVary:\tb\r\n\r\n")
    assert response.headers["x-REPO-commit"] == "abc"
    assert dict(response.headers) == {"x-repo-commit": "abc", "vary": "a, b"}
    assert response.headers.get("nothing") is None


@given(st.binary(max_size=200), st.sampled_from([1, 5, 10**6]))
def test_anything_is_an_answer_or_an_error(noise: bytes, pieces: int) -> None:
    for data in (noise, b"HTTP/1.1 200 OK\r\n" + noise, TAKEN[9][0][:60] + noise):
        try:
            _, body = _read(data, pieces)
        except (WireError, ConnectionResetError):
            continue
        assert len(body) <= len(data)
