"""Safetensors headers that mean harm: each ends in one clear error or in the right answer."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfkv.errors import HeaderError
from hfkv.source import fetch
from hfkv.source.safetensors_header import LARGEST_HEADER, header_length, parse_header
from hfkv.source.safetensors_quick import add_header
from hfkv.tensors import TableBuilder, TensorTable

GOOD = {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}
EMPTY = b'"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'


def _entry(**change: Any) -> dict[str, Any]:
    return {**GOOD, **change}


def _parse(value: object, **options: Any) -> Any:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    builder = TableBuilder()
    try:
        found = parse_header(raw, where="m.safetensors", **options)
    except HeaderError as error:
        with pytest.raises(HeaderError, match=re.escape(str(error))):
            add_header(raw, builder, where="m.safetensors", **options)
        raise
    # The quick reader takes what the strict one does, and nothing else.
    add_header(raw, builder, where="m.safetensors", **options)
    assert builder.table() == TensorTable(found[0])
    return found


# -- the eight bytes -----------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, LARGEST_HEADER + 1, 2**32, 2**63, 2**64 - 1])
def test_a_length_that_cannot_be_is_refused(length: int) -> None:
    with pytest.raises(HeaderError, match=f"claims {length} bytes"):
        header_length(struct.pack("<Q", length), where="m.safetensors")


def test_a_length_beyond_the_file_is_refused() -> None:
    assert header_length(struct.pack("<Q", 92), where="m", file_size=100) == 92
    with pytest.raises(HeaderError, match="expected 2 to 92"):
        header_length(struct.pack("<Q", 93), where="m", file_size=100)


@pytest.mark.parametrize("raw", [b"", b"\x08", bytes(7)])
def test_a_file_shorter_than_the_length_is_refused(raw: bytes) -> None:
    with pytest.raises(HeaderError, match=f"has {len(raw)} bytes"):
        header_length(raw, where="m")


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9])
def test_an_empty_or_cut_file_in_a_directory_is_one_error(tmp_path: Path, size: int) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "model.safetensors").write_bytes((struct.pack("<Q", 2) + b"{}")[:size])
    with pytest.raises(HeaderError, match=r"model\.safetensors"):
        fetch(str(tmp_path))


# -- the JSON ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "JSON object"),
        (b"[]", "found \\[\\]"),
        (b"null", "found null"),
        (b'"{}"', "JSON object"),
        (b"{", "a name is expected"),
        (b'{"a"', "':' is expected"),
        (b'{"a":', "a value is expected"),
        (b"{" + EMPTY, "',' or '}' is expected"),
        (b"{" + EMPTY + b",}", "a name is expected"),
        (b"{a:1}", "a name is expected"),
        (b"{} {}", "text after the object"),
        (b"{}\x00", "text after the object"),
        (b'{"a\nb":1}', "not JSON"),
        (b'{"a":tru}', "a value is expected"),
        (b'{"\xff":1}', "not UTF-8"),
        (b"\xef\xbb\xbf{}", "JSON object"),
        (b'{"a":' + b"[" * 100_000, "cannot be read"),
        (b'{"a":' + b'{"a":' * 100_000, "cannot be read"),
        (b'{"a":{"dtype":"BF16","shape":[NaN],"data_offsets":[0,0]}}', "found NaN"),
        (b'{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,Infinity]}}', "found Infinity"),
        (
            b'{"a":{"dtype":"BF16","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,0]}}',
            "read|shape",
        ),
    ],
)
def test_what_is_no_json_object_is_refused(raw: bytes, words: str) -> None:
    with pytest.raises(HeaderError, match=words) as caught:
        _parse(raw)
    assert str(caught.value).startswith("m.safetensors")
    assert len(str(caught.value)) < 400


def test_every_cut_of_a_header_is_refused() -> None:
    raw = json.dumps({"__metadata__": {"format": "pt"}, "a.b": GOOD}).encode()
    assert len(_parse(raw)[0]) == 1
    for end in range(len(raw)):
        with pytest.raises(HeaderError):
            _parse(raw[:end])


def test_white_space_and_escapes_are_json_too() -> None:
    raw = b' \n{ "a\\u002eb" :\t{"dtype":"BF16", "shape":[ 2,3 ],"data_offsets":[0, 12]}\r } \n'
    (tensor,) = _parse(raw)[0]
    assert (tensor.name, tensor.shape) == ("a.b", (2, 3))


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":{"dtype":"BF16","shape":[0],"data_offsets":[0,0]},"a":5}',
        b'{"a":5,"a":{"dtype":"BF16","shape":[0],"data_offsets":[0,0]}}',
        b'{"\\u0061":{"dtype":"BF16","shape":[0],"data_offsets":[0,0]},'
        b'"a":{"dtype":"BF16","shape":[0],"data_offsets":[0,0]}}',
        b'{"a":{"dtype":"BF16","dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
        b'{"__metadata__":{},"__metadata__":{}}',
    ],
)
def test_what_stands_twice_is_refused(raw: bytes) -> None:
    with pytest.raises(HeaderError):
        _parse(raw)


# -- the entries ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry",
    [
        None,
        5,
        "BF16",
        [],
        {},
        _entry(dtype=None),
        _entry(dtype=5),
        _entry(dtype=["BF16"]),
        _entry(shape=None),
        _entry(shape=6),
        _entry(shape="2x3"),
        _entry(shape={"0": 2}),
        _entry(shape=[2, -3]),
        _entry(shape=[2.0, 3]),
        _entry(shape=[True, 6]),
        _entry(shape=[2, None]),
        _entry(shape=[2, "3"]),
        _entry(shape=[2**63]),
        _entry(shape=[10**300, 0]),
        _entry(shape=[1] * 65),
        _entry(shape=[2**62] * 64),
        _entry(shape=[3, 3]),
        _entry(dtype="F32"),
        _entry(data_offsets=None),
        _entry(data_offsets=[]),
        _entry(data_offsets=[0]),
        _entry(data_offsets=[0, 12, 12]),
        _entry(data_offsets=[12, 0]),
        _entry(data_offsets=[-12, 0]),
        _entry(data_offsets=[0.0, 12.0]),
        _entry(data_offsets=[False, 12]),
        _entry(data_offsets=["0", "12"]),
        _entry(data_offsets=[0, 2**63]),
    ],
)
def test_an_entry_that_contradicts_itself_is_named(entry: object) -> None:
    with pytest.raises(HeaderError, match=r"m\.safetensors: a\\x1b") as caught:
        _parse({"a\x1b": entry})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_keys_that_newer_versions_may_add_are_let_through() -> None:
    assert len(_parse({"a": _entry(checksum="x")})[0]) == 1


def test_overlaps_gaps_and_data_beyond_the_file_are_refused() -> None:
    two = {"a": GOOD, "b": _entry(data_offsets=[12, 24])}
    assert len(_parse(two, data_size=24)[0]) == 2
    with pytest.raises(HeaderError, match="overlaps"):
        _parse({**two, "c": _entry(data_offsets=[6, 18])})
    with pytest.raises(HeaderError, match="overlaps"):
        _parse({"a": GOOD, "b": GOOD})
    with pytest.raises(HeaderError, match="gap from 12 to 16"):
        _parse({"a": GOOD, "b": _entry(data_offsets=[16, 28])})
    with pytest.raises(HeaderError, match="truncated"):
        _parse(two, data_size=23)
    with pytest.raises(HeaderError, match="where the file ends"):
        _parse(two, data_size=25)


def test_an_unknown_dtype_is_named_and_counted_by_its_offsets() -> None:
    (tensor,) = _parse({"a": _entry(dtype="F7\x1b[31m", shape=[8, 3], data_offsets=[0, 21])})[0]
    assert (tensor.dtype, tensor.elements, tensor.bytes) == ("F7\\x1b[31m", 24, 21)


def test_a_table_without_tensors_and_empty_tensors_are_right() -> None:
    assert _parse({}) == ([], {})
    (scalar, empty) = _parse(
        {
            "s": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]},
            "e": {"dtype": "F32", "shape": [0, 2**62], "data_offsets": [4, 4]},
        },
        data_size=4,
    )[0]
    assert (scalar.elements, empty.elements) == (1, 0)


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        ({"format": "pt"}, {"format": "pt"}),
        ({"format": 5, "a": None, "b": {}, "c": "x"}, {"c": "x"}),
        ({}, {}),
        (None, {}),
    ],
)
def test_metadata_keeps_its_strings(metadata: object, kept: object) -> None:
    assert _parse({"__metadata__": metadata, "a": GOOD})[1] == kept


@pytest.mark.parametrize("metadata", [[], "pt", 5, GOOD["shape"]])
def test_metadata_that_is_no_object_is_refused(metadata: object) -> None:
    with pytest.raises(HeaderError, match="__metadata__"):
        _parse({"__metadata__": metadata})


# -- the reference -------------------------------------------------------------------------------

_VALUES = st.sampled_from(["BF16", "F32", "F4", "I4", "F99", None, 0, 1, 2, 3, 4, 8, 12, 24, -1])
_LISTS = st.lists(_VALUES, max_size=3)
_ENTRIES = st.fixed_dictionaries(
    {"dtype": _VALUES | st.just("BF16"), "shape": _LISTS, "data_offsets": _LISTS}
)


@given(
    st.lists(st.sampled_from([1, 2, 3, 6]), max_size=4),
    st.dictionaries(st.sampled_from("abc"), _ENTRIES | _VALUES, max_size=1),
    st.integers(-1, 1),
)
@settings(max_examples=300, deadline=None)
def test_safetensors_itself_takes_the_same_headers(
    rows: list[int], odd: dict[str, Any], off: int
) -> None:
    """Where both know the dtypes, both load a header or both refuse it."""
    safetensors = pytest.importorskip("safetensors")
    entries: dict[str, Any] = {}
    end = 0
    for number, count in enumerate(rows):
        size = count * 4
        entries[f"t{number}"] = {
            "dtype": "F32",
            "shape": [count],
            "data_offsets": [end, end + size],
        }
        end += size
    entries.update(odd)
    size = max(0, end + off)
    raw = json.dumps(entries).encode()
    try:
        found = safetensors.deserialize(struct.pack("<Q", len(raw)) + raw + bytes(size))
    except safetensors.SafetensorError:
        found = None
    try:
        mine = parse_header(raw, where="m", data_size=size)[0]
    except HeaderError:
        mine = None
    if mine is not None and any(tensor.size is not None for tensor in mine):
        return
    if mine is not None and any(tensor.dtype in ("I4", "U4") for tensor in mine):
        return
    assert (found is None) == (mine is None)
    if found is not None and mine is not None:
        shapes = {name: tuple(item["shape"]) for name, item in found}
        assert shapes == {tensor.name: tensor.shape for tensor in mine}
