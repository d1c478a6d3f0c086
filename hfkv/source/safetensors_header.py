"""The header of a safetensors file: eight bytes of length, then JSON. Untrusted, so bounded."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator, Mapping
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from hfkv.dtypes import BITS, nbytes
from hfkv.errors import HeaderError
from hfkv.reading import describe, printable
from hfkv.tensors import Tensor

__all__ = [
    "LARGEST_HEADER",
    "MOST_DIMENSIONS",
    "MOST_TENSORS",
    "header_length",
    "parse_header",
    "skip_space",
]

#: The format's own limit; the largest real header known is far below it.
LARGEST_HEADER = 100_000_000
MOST_DIMENSIONS = 64
#: Of one file.
MOST_TENSORS = 1_000_000
_LARGEST = 2**63
_WHOLE = {int}
_SPACE = re.compile(r"[ \t\n\r]*")


def header_length(first: bytes, *, where: str, file_size: int | None = None) -> int:
    """Bytes of JSON that follow the first eight.

    Raises:
        HeaderError: the length cannot be that of a safetensors file.
    """
    if len(first) < 8:
        raise HeaderError(
            f"the file has {len(first)} bytes",
            where=where,
            expected="a safetensors file, which starts with eight bytes of header length",
        )
    (length,) = struct.unpack("<Q", first[:8])
    largest = LARGEST_HEADER if file_size is None else min(LARGEST_HEADER, file_size - 8)
    if not 2 <= length <= largest:
        raise HeaderError(
            f"the header claims {length} bytes", where=where, expected=f"2 to {largest}"
        )
    return int(length)


def _no_constant(name: str) -> None:
    raise HeaderError(f"found {name}", expected="finite numbers")


#: Reads one JSON value at a place. Objects become tuples of pairs, which keeps names that stand
#: twice, and costs no call of Python code for each.
_SCAN = json.JSONDecoder(object_pairs_hook=tuple, parse_constant=_no_constant).scan_once  # type: ignore[attr-defined]


def parse_header(
    raw: bytes, *, where: str, data_size: int | None = None
) -> tuple[list[Tensor], Mapping[str, str]]:
    """The tensors that a header declares, and its metadata.

    Entries are read one by one, so that beside the text only the tensors themselves are in memory.
    What safetensors itself refuses to load is refused here: names that stand twice, data that
    overlap, leave gaps or go beyond the file.

    Args:
        raw: the JSON, without the eight bytes of length.
        where: the file's name, for messages.
        data_size: bytes of data after the header, where the file's size is known.

    Raises:
        HeaderError: not JSON, duplicate names, or an entry that contradicts itself.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HeaderError("not UTF-8", where=f"{where}: byte {error.start + 8}") from None
    metadata: Mapping[str, str] = {}
    tensors: list[Tensor] = []
    spans: list[tuple[int, int, str]] = []
    known: dict[tuple[str, tuple[int, ...]], tuple[tuple[int, ...], int]] = {}
    names: set[str] = set()
    for name, value in _entries(text, where):
        if name in names:
            raise HeaderError(
                f"the name '{printable(name)}' appears twice",
                where=where,
                expected="each name once",
            )
        names.add(name)
        if name == "__metadata__":
            metadata = _metadata(value, where)
            continue
        if len(tensors) == MOST_TENSORS:
            raise HeaderError(f"more than {MOST_TENSORS} tensors", where=where)
        tensors.append(_tensor(name, value, where, spans, known))
    _check_spans(spans, where, data_size)
    return tensors, metadata


def _entries(text: str, where: str) -> Iterator[tuple[str, Any]]:
    """The keys and values of the outermost object; inner objects as tuples of pairs."""
    at = skip_space(text, 0)
    if text[at : at + 1] != "{":
        raise HeaderError(
            f"found {printable(text[at : at + 20]) or 'nothing'}",
            where=f"{where}: byte {at + 8}",
            expected="a JSON object",
        )
    at = skip_space(text, at + 1)
    try:
        if text[at : at + 1] == "}":
            at += 1
        else:
            while True:
                if text[at : at + 1] != '"':
                    raise _not_json("a name is expected", text, at, where)
                name, at = scanstring(text, at + 1, True)
                at = skip_space(text, at)
                if text[at : at + 1] != ":":
                    raise _not_json("':' is expected", text, at, where)
                value, at = _SCAN(text, skip_space(text, at + 1))
                yield name, value
                at = skip_space(text, at)
                mark = text[at : at + 1]
                at = skip_space(text, at + 1)
                if mark == "}":
                    break
                if mark != ",":
                    raise _not_json("',' or '}' is expected", text, at, where)
    except json.JSONDecodeError as error:
        raise _not_json(error.msg, text, error.pos, where) from None
    except StopIteration as stop:
        raise _not_json("a value is expected", text, stop.value, where) from None
    except HeaderError as error:
        raise (
            error if error.where else HeaderError(error.what, where=where, expected=error.expected)
        ) from None
    except (RecursionError, ValueError):
        raise HeaderError("JSON that cannot be read", where=where) from None
    if skip_space(text, at) != len(text):
        raise _not_json("text after the object", text, at, where)


def skip_space(text: str, at: int) -> int:
    """The place of the next character that is not white space."""
    # Headers are written without any, so the expression is rarely needed.
    if text[at : at + 1] > " ":
        return at
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _not_json(what: str, text: str, at: int, where: str) -> HeaderError:
    found = printable(text[at : at + 20]) or "the end"
    return HeaderError(
        f"not JSON: {what}, found {found}",
        where=f"{where}: character {at + 8}",
        expected="a JSON object",
        hint="the file may be truncated" if at >= len(text) else "",
    )


def _metadata(value: object, where: str) -> Mapping[str, str]:
    if value is None:
        return {}  # safetensors opens it, as without any
    if not isinstance(value, tuple):
        raise HeaderError(
            f"found {describe(value)}", where=f"{where}: __metadata__", expected="an object"
        )
    # safetensors takes strings alone; what else stands there says nothing about the tensors.
    return {key: item for key, item in value if isinstance(item, str)}


def _tensor(
    name: str,
    entry: object,
    where: str,
    spans: list[tuple[int, int, str]],
    known: dict[tuple[str, tuple[int, ...]], tuple[tuple[int, ...], int]],
) -> Tensor:
    """One entry, checked. ``known`` keeps the bytes of (dtype, shape), as layers repeat them."""
    if not isinstance(entry, tuple):
        raise HeaderError(
            f"found {describe(entry)}", where=f"{where}: {printable(name)}", expected="an object"
        )
    fields = dict(entry)
    if len(fields) != len(entry):
        raise HeaderError("a key appears twice", where=f"{where}: {printable(name)}")
    dtype, shape, offsets = (fields.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not isinstance(dtype, str):
        raise HeaderError(
            f"found {describe(dtype)}",
            where=f"{where}: {printable(name)}: dtype",
            expected="a string",
        )
    whole = _whole(shape)
    sizes = None if whole is None else known.get((dtype, whole))
    if whole is None or (sizes is None and not all(0 <= item < _LARGEST for item in whole)):
        raise HeaderError(
            f"found {_brief(shape)}",
            where=f"{where}: {printable(name)}: shape",
            expected=f"a list of at most {MOST_DIMENSIONS} whole numbers, none negative",
        )
    span = _whole(offsets)
    if span is None or len(span) != 2 or not 0 <= span[0] <= span[1] < _LARGEST:
        raise HeaderError(
            f"found {_brief(offsets)}",
            where=f"{where}: {printable(name)}: data_offsets",
            expected="two whole numbers, begin and end",
        )
    begin, end = span
    spans.append((begin, end, name))
    if dtype not in BITS:
        # A dtype newer than this release: its elements and bytes are known all the same.
        return Tensor(name=name, dtype=printable(dtype, 40), shape=whole, size=end - begin)
    if sizes is None:
        sizes = known[dtype, whole] = (whole, nbytes(math.prod(whole), dtype))
    if sizes[1] != end - begin:
        raise HeaderError(
            f"{end - begin} bytes for {dtype} {_brief(shape)}",
            where=f"{where}: {printable(name)}: data_offsets",
            expected=f"{sizes[1]} bytes" if sizes[1] < 2**64 else "a size that a file can have",
        )
    return Tensor(name=name, dtype=dtype, shape=sizes[0])


def _whole(value: object) -> tuple[int, ...] | None:
    """A list of whole numbers as a tuple, or None for anything else."""
    # By the items' types, not by isinstance or equality: true and 1.0 are 1 to Python.
    if not isinstance(value, list) or len(value) > MOST_DIMENSIONS:
        return None
    return tuple(value) if not value or set(map(type, value)) == _WHOLE else None


def _brief(value: object) -> str:
    """A list with its first items, or what else it is."""
    if not isinstance(value, list):
        return describe(value)
    items = ", ".join(describe(item) for item in value[:8])
    return f"[{items}{', ...' if len(value) > 8 else ''}]"


def _check_spans(spans: list[tuple[int, int, str]], where: str, data_size: int | None) -> None:
    end = 0
    for begin, stop, name in sorted(spans):
        if begin != end:
            fault = "overlaps another's" if begin < end else f"leaves a gap from {end} to {begin}"
            raise HeaderError(
                f"the data of '{printable(name)}' {fault}",
                where=f"{where}: data_offsets",
                expected=f"that they begin at {end}",
            )
        end = stop
    if data_size is not None and end != data_size:
        short = end > data_size
        raise HeaderError(
            f"the data ends at {end}",
            where=f"{where}: data_offsets",
            expected=f"{data_size}, where the file ends" + (" (is it truncated?)" if short else ""),
        )
