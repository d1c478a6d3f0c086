"""Headers at the speed of the JSON parser: a large model has twelve megabytes of them.

The quick way takes only what is beyond doubt: no escapes, no key that appears twice, every entry
with its three keys, plain integers, known dtypes, data without gaps. Anything else goes through
:func:`hfkv.source.safetensors_header.parse_header`, which decides what is right and says what is
wrong.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from hfkv.dtypes import BITS, nbytes
from hfkv.source.safetensors_header import (
    MOST_DIMENSIONS,
    MOST_TENSORS,
    parse_header,
    skip_space,
)
from hfkv.tensors import TableBuilder

__all__ = ["add_header", "read_headers"]

_DECODER = json.JSONDecoder()
#: The start of a header, with its metadata if that comes first, as the Rust library has it.
_START = re.compile(r'\{(?:"__metadata__":(\{[^{}\\]*\}),)?')
#: One entry, with the comma or the brace that follows it.
_ENTRY = re.compile(
    r'"([^"\\\x00-\x1f]+)":\{"dtype":"([A-Z0-9_]+)","shape":\[([0-9,]*)\],'
    r'"data_offsets":\[(0|[1-9][0-9]{0,17}),(0|[1-9][0-9]{0,17})\]\}(?:,(?=")|\}\Z)'
)
#: What of an entry is the same in all.
_FRAME = len('"":{"dtype":"","shape":[],"data_offsets":[,]},')
#: Quotation marks that one entry takes: its name, three keys and the dtype.
_MARKS = 10
#: A shape's dtype and sizes to the bytes of one such tensor; layers repeat them.
_Known = dict[tuple[str, tuple[int, ...]], int]
#: Dtype and shape to the names of such tensors.
_Found = dict[tuple[str, tuple[int, ...]], list[str]]


def add_header(
    raw: bytes, builder: TableBuilder, *, where: str, data_size: int | None = None
) -> None:
    """Add the tensors that a safetensors header declares.

    Args:
        raw: the JSON, without the eight bytes of length.
        builder: what they are added to.
        where: the file's name, for messages.
        data_size: bytes of data after the header, where the file's size is known.

    Raises:
        HeaderError: as :func:`hfkv.source.safetensors_header.parse_header`.
    """
    found = _plain(raw, data_size)
    if found is None:
        for tensor in parse_header(raw, where=where, data_size=data_size)[0]:
            builder.add(tensor.name, tensor.dtype, tensor.shape, tensor.size)
        return
    for (dtype, shape), names in found.items():
        builder.add_all(names, dtype, shape)


def read_headers(raw: bytes, *, files: set[str], where: str = "") -> TableBuilder | None:
    """All headers of a sharded model, as the Hub gives them in one answer.

    ``{"index": {...}, "headers": {"model-00001-of-00002.safetensors": {...}, ...}}``

    They are parsed one by one, so that beside the text only one of them is in memory.

    Returns:
        Their tensors, where they are beyond doubt and of exactly these ``files``; None where not,
        and the files' own headers have to be read.
    """
    if b"\\" in raw:
        return None
    builder = TableBuilder(where=where)
    known: _Known = {}
    left = set(files)
    marks = 0

    def header(name: str, text: str, at: int) -> int:
        nonlocal marks
        value, end = _DECODER.raw_decode(text, at)
        left.remove(name)
        read = _entries(value, known, None)
        if read is None:
            raise ValueError(name)
        builder.begin(name)
        for (dtype, shape), names in read[0].items():
            builder.add_all(names, dtype, shape)
        marks += 2 + read[1]
        return end

    def part(name: str, text: str, at: int) -> int:
        nonlocal marks
        marks += 2
        if name == "headers":
            return _walk(text, at, header)
        value, end = _DECODER.raw_decode(text, at)
        marks += _marks(value)
        return end

    try:
        text = raw.decode("utf-8")
        _walk(text, 0, part)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return builder if not left and text.count('"') == marks else None


def _walk(text: str, at: int, member: Callable[[str, str, int], int]) -> int:
    """Read the JSON object at ``at``; ``member`` reads each value and says where it ends."""
    at = _expect(text, at, "{")
    while True:
        name, at = _DECODER.raw_decode(text, skip_space(text, at))
        at = member(name, text, skip_space(text, _expect(text, at, ":")))
        at = skip_space(text, at)
        if text[at : at + 1] == "}":
            return at + 1
        at = _expect(text, at, ",")


def _expect(text: str, at: int, mark: str) -> int:
    at = skip_space(text, at)
    if text[at : at + 1] != mark:
        raise ValueError(f"no {mark}")
    return at + 1


def _plain(raw: bytes, data_size: int | None) -> _Found | None:
    if b"\\" in raw:
        return None
    try:
        text = raw.decode("utf-8").rstrip(" ")
        found = _as_written(text, data_size)
        if found is not None:
            return found
        read = _entries(json.loads(text), {}, data_size)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    # A key that appears twice leaves marks in the text that no parsed key accounts for.
    return None if read is None or text.count('"') != read[1] else read[0]


def _as_written(text: str, data_size: int | None) -> _Found | None:
    """The tensors of a header as safetensors writes it: compact, in the order of the data.

    One expression reads all entries, faster than any JSON parser makes objects. They are the whole
    text if their lengths add up to its length: then nothing stands before, between or after them.
    """
    start = _START.match(text)
    if start is None or (start[1] or "").count('"') != _marks(json.loads(start[1] or "{}")):
        return None
    covered = start.end()
    if text.find('"__metadata__"', covered) >= 0:
        return None
    found: _Found = {}
    # By dtype and shape as they are written: the bytes of one, and the names so far.
    kinds: dict[tuple[str, str], tuple[int, list[str]]] = {}
    reached, last = "0", 0
    for name, dtype, shape, begin, end in _ENTRY.findall(text, covered):
        if begin != reached:
            return None
        kind = kinds.get((dtype, shape))
        if kind is None:
            sizes = tuple(json.loads(f"[{shape}]"))
            wanted = _bytes(dtype, sizes)
            if wanted is None:
                return None
            kind = kinds[dtype, shape] = wanted, found.setdefault((dtype, sizes), [])
        size = int(end) - last
        if size != kind[0]:
            return None
        reached, last = end, last + size
        covered += len(name) + len(dtype) + len(shape) + len(begin) + len(end) + _FRAME
        kind[1].append(name)
    if not found or covered != len(text) or (data_size is not None and last != data_size):
        return None
    if sum(map(len, found.values())) > MOST_TENSORS:
        return None
    return found


def _entries(
    value: Mapping[str, Any], known: _Known, data_size: int | None
) -> tuple[_Found, int] | None:
    """The tensors, and how many quotation marks they and the metadata take in the text."""
    found: _Found = {}
    spans: list[tuple[int, int]] = []
    marks = 0
    for name, entry in value.items():
        if name == "__metadata__":
            if not isinstance(entry, dict):
                return None
            marks += 2 + _marks(entry)
            continue
        shape = tuple(entry["shape"])
        begin, end = entry["data_offsets"]
        dtype = entry["dtype"]
        # By type, as true and 1.0 are equal to 1.
        if type(begin) is not int or type(end) is not int or len(entry) != 3:
            return None
        for size in shape:
            if type(size) is not int:
                return None
        key = (dtype, shape)
        wanted = known.get(key)
        if wanted is None:
            wanted = _bytes(dtype, shape)
            if wanted is None:
                return None
            known[key] = wanted
        if end - begin != wanted:
            return None
        spans.append((begin, end))
        found.setdefault(key, []).append(name)
    spans.sort()
    reached = 0
    for begin, end in spans:
        if begin != reached:
            return None
        reached = end
    if reached >= 2**63 or len(spans) > MOST_TENSORS:
        return None
    if data_size is not None and reached != data_size:
        return None
    return found, marks + _MARKS * len(spans)


def _bytes(dtype: object, shape: tuple[int, ...]) -> int | None:
    """Bytes of one such tensor; None where the strict reader has to decide."""
    if not isinstance(dtype, str) or dtype not in BITS or len(shape) > MOST_DIMENSIONS:
        return None
    if any(not 0 <= size < 2**63 for size in shape):
        return None
    return nbytes(math.prod(shape), dtype)


def _marks(value: object) -> int:
    """Quotation marks of a JSON value in its text."""
    if isinstance(value, str):
        return 2
    if isinstance(value, dict):
        return sum(2 + _marks(item) for item in value.values())
    if isinstance(value, list):
        return sum(map(_marks, value))
    return 0
