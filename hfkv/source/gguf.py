"""The header of a GGUF file, read by ranges: metadata and tensor table, never data.

A GGUF file is: the mark ``GGUF``, a version, the numbers of tensors and of metadata keys, the
keys, the tensors' names, sizes, types and offsets, then the data, aligned. Vocabularies stand among
the keys and nothing says how long they are in bytes, so they are read over, and only their number
of entries is kept. Everything is untrusted: each length is bounded before anything is read for it.

Source: ``docs/gguf.md`` and ``gguf.cpp`` of the ggml project, whose checks are followed.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hfkv.errors import HeaderError
from hfkv.ggml import TYPES
from hfkv.reading import describe, printable
from hfkv.source.files import GGUF_FILE
from hfkv.tensors import Tensor

__all__ = ["GGUF_FILE", "GgufHeader", "ReadRange", "join_parts", "read_gguf"]

#: ``read(begin, end)``: the bytes of that range, fewer only where the file ends.
ReadRange = Callable[[int, int], bytes]

#: Larger than any real header; vocabularies of 260,000 entries take some 10 MB.
LARGEST_HEADER = 128 * 2**20
#: First range, and the largest. The first holds small vocabularies, the second nearly all others:
#: each range more is a round trip more.
_FIRST, _GROWTH, _LARGEST_RANGE = 2**20, 8, 16 * 2**20
_MOST_KEYS = 65_536
_MOST_TENSORS = 200_000
_MOST_ENTRIES = 2**22
_MOST_KEPT = 4_096
_LONGEST_KEY = 65_535
_LONGEST_NAME = 512
_LONGEST_TEXT = 64 * 2**20
#: Templates and licences are longer, and no figure reads them.
_LONGEST_KEPT = 4_096
_MOST_DIMENSIONS = 4
_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHeader:
    """What the header of one file says.

    Attributes:
        metadata: key to value. An array of numbers is a list; one of strings, or a very long one,
            is ``{"entries": n}``; a text longer than any that figures read is ``{"bytes": n}``.
        tensors: by the names in the file, sizes outermost first, with bytes where the type is one
            of blocks.
    """

    metadata: Mapping[str, Any]
    tensors: tuple[Tensor, ...]

    def to_json(self) -> bytes:
        """The metadata as a JSON object, which is how sources hand them on."""
        return json.dumps(self.metadata).encode("ascii")


class _Cursor:
    """Reads forward through a file by ranges, and never beyond the largest header."""

    def __init__(self, read: ReadRange, where: str) -> None:
        self._read = read
        self._where = where
        self._buffer = b""
        self._begin = 0
        self._range = _FIRST
        self.order = "<"
        self.at = 0

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        end = self.at + count
        if end > LARGEST_HEADER:
            raise HeaderError(
                f"the header goes beyond {LARGEST_HEADER} bytes",
                where=self._where,
                expected="a GGUF header; the largest known take some 20 MB",
            )
        if not self._begin <= self.at <= end <= self._begin + len(self._buffer):
            self._fetch(end)
        begin = self.at - self._begin
        self.at = end
        return self._buffer[begin : begin + count]

    def _fetch(self, end: int) -> None:
        if self.at > self._begin + len(self._buffer) + _FIRST:
            self._range = _FIRST  # what was passed over says nothing of what follows
        kept = self._buffer[self.at - self._begin :] if self.at >= self._begin else b""
        start = self.at + len(kept)
        more = self._read(start, max(end, start + self._range))
        self._range = min(_GROWTH * self._range, _LARGEST_RANGE)
        self._buffer, self._begin = kept + more, self.at
        if self.at + len(self._buffer) < end:
            raise HeaderError(
                f"the file ends at byte {self.at + len(self._buffer)}, within its header",
                where=self._where,
                expected="a whole GGUF file",
                hint="the file may be truncated",
            )

    def skip(self, count: int) -> None:
        """Move on without reading; what lies there is not fetched."""
        self.at += count
        if self.at > LARGEST_HEADER:
            self.take(0)

    def settle(self) -> None:
        """Refuse a file that ends within what was skipped."""
        self.at -= 1
        self.take(1)

    def skip_texts(self, count: int) -> None:
        """Move on over so many strings: a vocabulary has hundreds of thousands."""
        unpack = struct.Struct(self.order + "Q").unpack_from
        while count:
            self.take(8)
            at = self.at - 8 - self._begin
            buffer, last = self._buffer, len(self._buffer) - 8
            while count and at <= last:
                (length,) = unpack(buffer, at)
                if length > _LONGEST_TEXT:
                    raise HeaderError(
                        f"a text of {length} bytes at byte {self._begin + at}",
                        where=self._where,
                        expected=f"at most {_LONGEST_TEXT}",
                    )
                at += 8 + length
                count -= 1
            self.at = self._begin + at
            self.skip(0)

    def number(self, form: str) -> Any:
        """The next number, of a form of ``struct``."""
        return struct.unpack(self.order + form, self.take(struct.calcsize(self.order + form)))[0]

    def length(self, what: str, most: int) -> int:
        """The next count, which may be at most ``most``."""
        value = int(self.number("Q"))
        if value > most:
            raise HeaderError(
                f"{what} is {value} at byte {self.at - 8}",
                where=self._where,
                expected=f"at most {most}",
            )
        return value

    def text(self, what: str, longest: int) -> str:
        """The next string."""
        length = self.length(f"the length of {what}", longest)
        return self.take(length).decode("utf-8", "replace")


def read_gguf(read: ReadRange, *, where: str, size: int | None = None) -> GgufHeader:
    """The header of one GGUF file.

    Args:
        read: gives ranges of the file.
        where: the file's name, for messages.
        size: of the whole file, where it is known.

    Raises:
        HeaderError: not GGUF, a version that is not read here, or a header that contradicts itself.
    """
    cursor = _Cursor(read, where)
    _start(cursor, where)
    count = cursor.length("the number of tensors", _MOST_TENSORS)
    keys = cursor.length("the number of metadata keys", _MOST_KEYS)
    metadata: dict[str, Any] = {}
    for _ in range(keys):
        key = cursor.text("a key", _LONGEST_KEY)
        if key in metadata:
            raise HeaderError(f"the key '{printable(key)}' appears twice", where=where)
        metadata[key] = _value(cursor, int(cursor.number("I")), f"{where}: {printable(key)}")
    tensors, extents = _tensors(cursor, count, where)
    cursor.settle()
    _check_extents(extents, _alignment(metadata, where), cursor.at, size, where)
    return GgufHeader(metadata=metadata, tensors=tensors)


def _start(cursor: _Cursor, where: str) -> None:
    mark = cursor.take(4)
    if mark != b"GGUF":
        raise HeaderError(
            f"starts with {mark!r}", where=where, expected="a GGUF file, which starts with b'GGUF'"
        )
    version = int(cursor.number("I"))
    if version & 0xFFFF == 0 and version:
        # Written by a machine of the other byte order.
        cursor.order, version = ">", int.from_bytes(version.to_bytes(4, "little"), "big")
    if version not in (2, 3):
        raise HeaderError(f"GGUF version {version}", where=where, expected="version 2 or 3")


def _value(cursor: _Cursor, kind: int, place: str) -> Any:
    """One value: a number, a text, or an array of them."""
    if kind in _SCALARS:
        return cursor.number(_SCALARS[kind])
    if kind == _STRING:
        length = cursor.length("the length of a text", _LONGEST_TEXT)
        if length > _LONGEST_KEPT:
            cursor.skip(length)
            return {"bytes": length}
        return cursor.take(length).decode("utf-8", "replace")
    if kind == _ARRAY:
        inner = int(cursor.number("I"))
        count = cursor.length("the length of an array", _MOST_ENTRIES)
        if inner in _SCALARS:
            form = f"{count}{_SCALARS[inner]}"
            if count > _MOST_KEPT:
                cursor.skip(struct.calcsize(cursor.order + form))
                return {"entries": count}
            raw = cursor.take(struct.calcsize(cursor.order + form))
            return list(struct.unpack(cursor.order + form, raw))
        if inner == _STRING:
            cursor.skip_texts(count)
            return {"entries": count}
        kind = inner
    raise HeaderError(
        f"a value of type {kind}", where=place, expected="a number, a text or an array of them"
    )


def _tensors(
    cursor: _Cursor, count: int, where: str
) -> tuple[tuple[Tensor, ...], list[tuple[str, int, int]]]:
    """The tensors, and of each its name, offset and bytes."""
    tensors: list[Tensor] = []
    extents: list[tuple[str, int, int]] = []
    seen: set[str] = set()
    for _ in range(count):
        name = cursor.text("a tensor's name", _LONGEST_NAME)
        place = f"{where}: {printable(name)}"
        if name in seen:
            raise HeaderError("the name appears twice", where=place, expected="each name once")
        seen.add(name)
        depth = int(cursor.number("I"))
        if depth > _MOST_DIMENSIONS:
            raise HeaderError(
                f"{depth} dimensions", where=place, expected=f"at most {_MOST_DIMENSIONS}"
            )
        # ggml counts from the innermost size outwards.
        shape = tuple(int(cursor.number("Q")) for _ in range(depth))[::-1]
        kind = int(cursor.number("I"))
        offset = int(cursor.number("Q"))
        if kind not in TYPES:
            raise HeaderError(
                f"ggml type {kind}",
                where=place,
                expected="a type that is known here, whose bytes can be counted",
                hint="the file is of a newer ggml than this release of hfkv, or damaged",
            )
        dtype, elements, block = TYPES[kind]
        whole = math.prod(shape)
        if whole >= 2**63 or (shape and shape[-1] % elements):
            raise HeaderError(
                f"{list(shape)} of {dtype}",
                where=place,
                expected=f"rows of a multiple of {elements} elements, fewer than 2^63 in all",
            )
        size = whole // elements * block
        tensors.append(
            Tensor(name=name, dtype=dtype, shape=shape, size=size if elements > 1 else None)
        )
        extents.append((name, offset, size))
    return tuple(tensors), extents


def _alignment(metadata: Mapping[str, Any], where: str) -> int:
    value = metadata.get("general.alignment", 32)
    if type(value) is not int or not 1 <= value <= 2**20 or value & (value - 1):
        raise HeaderError(
            f"found {describe(value)}",
            where=f"{where}: general.alignment",
            expected="a power of two",
        )
    return value


def _check_extents(
    extents: Sequence[tuple[str, int, int]], align: int, at: int, size: int | None, where: str
) -> None:
    """The data stand one after the other, each aligned; ggml refuses anything else."""
    end = last = 0
    for name, offset, count in extents:
        if offset != end:
            raise HeaderError(
                f"the data begin at {offset}",
                where=f"{where}: {printable(name)}",
                expected=f"{end}, after the tensor before",
            )
        last = offset + count
        end = -(-last // align) * align
    begin = -(-at // align) * align
    if size is not None and extents and begin + last > size:
        raise HeaderError(
            f"the file has {size} bytes",
            where=where,
            expected=f"{begin + last} by its header (is it truncated?)",
        )


def join_parts(parts: Sequence[GgufHeader], *, where: str) -> GgufHeader:
    """The header of a model in several files: the metadata of the first, the tensors of all.

    Raises:
        HeaderError: the parts do not belong together, or some are missing.
    """
    first = parts[0]
    for number, part in enumerate(parts):
        for key, want in (("split.no", number), ("split.count", len(parts))):
            found = part.metadata.get(key, 0 if key == "split.no" else 1)
            if found != want:
                raise HeaderError(
                    f"part {number + 1} says {describe(found)}",
                    where=f"{where}: {key}",
                    expected=f"{want}, as by the files' names",
                )
    tensors = tuple(tensor for part in parts for tensor in part.tensors)
    total = first.metadata.get("split.tensors.count", len(tensors))
    if total != len(tensors) or len({tensor.name for tensor in tensors}) != len(tensors):
        raise HeaderError(
            f"the parts hold {len(tensors)} tensors",
            where=f"{where}: split.tensors.count",
            expected=f"{describe(total)}, each once",
        )
    return GgufHeader(metadata=first.metadata, tensors=tensors)
