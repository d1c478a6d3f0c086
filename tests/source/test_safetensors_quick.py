"""The quick reader of headers agrees with the strict one, or leaves the header to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfkv.dtypes import BITS, nbytes
from hfkv.errors import HeaderError
from hfkv.source import safetensors_quick as bulk
from hfkv.source.safetensors_header import parse_header
from hfkv.source.safetensors_quick import add_header, read_headers
from hfkv.tensors import TableBuilder, TensorTable

ENTRY = {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}


def _quick(raw: bytes, data_size: int | None) -> TensorTable | str:
    builder = TableBuilder()
    try:
        add_header(raw, builder, where="x", data_size=data_size)
        return builder.table()
    except HeaderError:
        return "refused"


def _strict(raw: bytes, data_size: int | None) -> TensorTable | str:
    try:
        return TensorTable(parse_header(raw, where="x", data_size=data_size)[0])
    except HeaderError:
        return "refused"


def _header(tensors: list[tuple[str, str, list[int]]], **changes: Any) -> tuple[bytes, int]:
    entries: dict[str, Any] = {}
    reached = 0
    for name, dtype, shape in tensors:
        size = nbytes(__import__("math").prod(shape), dtype)
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [reached, reached + size]}
        reached += size
    return json.dumps({**entries, **changes}, separators=(",", ":")).encode(), reached


TENSORS = st.lists(
    st.tuples(
        st.text(alphabet='abc.{}0129_-é"\\', min_size=1, max_size=8),
        st.sampled_from(sorted(BITS)),
        st.lists(st.integers(0, 9), max_size=3),
    ),
    unique_by=lambda item: item[0],
    max_size=8,
)


@given(TENSORS, st.sampled_from([0, 0, 0, 1, -1]), st.integers(0, 3), st.booleans())
def test_both_readers_agree(
    tensors: list[tuple[str, str, list[int]]], more: int, spaces: int, metadata: bool
) -> None:
    changes = {"__metadata__": {"format": "pt"}} if metadata else {}
    raw, size = _header(tensors, **changes)
    raw += b" " * spaces
    for data_size in (size + more, None):
        assert _quick(raw, data_size) == _strict(raw, data_size)


@given(TENSORS, st.data())
def test_both_agree_on_damaged_headers(
    tensors: list[tuple[str, str, list[int]]], data: st.DataObject
) -> None:
    raw, size = _header(tensors)
    at = data.draw(st.integers(0, len(raw)))
    gone = data.draw(st.integers(0, 3))
    new = data.draw(st.sampled_from([b"", b"0", b",", b'"', b"}", b" ", b"1.0", b"true", b"\xff"]))
    damaged = raw[:at] + new + raw[at + gone :]
    assert _quick(damaged, size) == _strict(damaged, size)


def _with(**changes: Any) -> bytes:
    return json.dumps({"a": {**ENTRY, **changes}}, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},"a":{"dtype":"BF16",'
        b'"shape":[],"data_offsets":[12,14]}}',
        b'{"a":{"dtype":"BF16","dtype":"F16","shape":[2,3],"data_offsets":[0,12]}}',
        b'{"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]};}',
        b'{"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}},',
        b'{"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},}',
        b'{"a":{"dtype":"BF16","shape":[02,3],"data_offsets":[0,12]}}',
        b'{"a":{"dtype":"BF16","shape":[2,,3],"data_offsets":[0,12]}}',
        b'{"__metadata__":{"a":"b","a":"b"},"a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]}}',
        b'{"__metadata__":{"a":},"a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]}}',
        b'{"a\x01":{"dtype":"BF16","shape":[],"data_offsets":[0,2]}}',
        _with(shape=[True, 6]),
        _with(shape=[2.0, 3]),
        _with(shape=[-2, -3]),
        _with(shape=[2**63, 0], data_offsets=[0, 0]),
        _with(shape=[1] * 65, data_offsets=[0, 2]),
        _with(shape="23"),
        _with(shape=[[2], 3]),
        _with(data_offsets=[0, 11]),
        _with(data_offsets=[0.0, 12]),
        _with(data_offsets=[False, 12]),
        _with(data_offsets=[0, 12, 0]),
        _with(data_offsets=[12, 0]),
        _with(dtype="XF99"),
        _with(dtype=["BF16"]),
        _with(more=1),
        b"{}",
        b"[]",
        b"",
        b"{",
        b"\xff\xfe{\0}\0",
        b'{"a":null}',
        b'{"a":' * 100_000,
        b'{"a":{"dtype":"BF16","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,12]}}',
    ],
)
def test_what_is_odd_is_left_to_the_strict_reader(raw: bytes) -> None:
    for data_size in (12, None):
        assert _quick(raw, data_size) == _strict(raw, data_size)


def test_headers_as_they_are_written_take_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "parse_header", None)
    monkeypatch.setattr(bulk, "_entries", None)
    names = [f"model.layers.{n}.{part}.weight" for n in range(9) for part in ("up", "down")]
    raw, size = _header([(name, "BF16", [4, 2]) for name in names])
    found = _quick(b'{"__metadata__":{"format":"pt"},' + raw[1:] + b"   ", size)
    assert isinstance(found, TensorTable)
    assert len(found) == 18


@given(TENSORS, TENSORS)
def test_all_headers_in_one_are_those_of_the_files(
    first: list[tuple[str, str, list[int]]], second: list[tuple[str, str, list[int]]]
) -> None:
    taken = {name for name, _, _ in first}
    headers = {
        "one": _header(first)[0],
        "two": _header([item for item in second if item[0] not in taken])[0],
    }
    body = b'{"index": {"metadata": {"x": [1, "y"]}}, "headers": {%s}}' % b", ".join(
        b'"%s": %s' % (name.encode(), raw) for name, raw in headers.items()
    )
    found = read_headers(body, files={"one", "two"})
    if b"\\" in body:
        assert found is None
        return
    builder = TableBuilder()
    for raw in headers.values():
        add_header(raw, builder, where="x")
    assert found is not None
    assert found.table() == builder.table()
    assert read_headers(body, files={"one"}) is None
    assert read_headers(body, files={"one", "two", "three"}) is None
    assert read_headers(body[:-1], files={"one", "two"}) is None
