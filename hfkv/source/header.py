"""The header of a safetensors file: eight bytes of length, then JSON. Untrusted, so bounded."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

from hfkv.dtypes import BITS, nbytes
from hfkv.errors import HeaderError
from hfkv.reading import describe, printable
from hfkv.tensors import Tensor

__all__ = ["LARGEST_HEADER", "header_length", "parse_header"]

#: The format's own limit; the largest real header known is far below it.
LARGEST_HEADER = 100_000_000
_MOST_DIMENSIONS = 64


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


def parse_header(
    raw: bytes, *, where: str, data_size: int | None = None
) -> tuple[list[Tensor], Mapping[str, str]]:
    """The tensors that a header declares, and its metadata.

    Args:
        raw: the JSON, without the eight bytes of length.
        where: the file's name, for messages.
        data_size: bytes of data after the header, where the file's size is known.

    Raises:
        HeaderError: not JSON, duplicate names, or an entry that contradicts itself.
    """
    try:
        value = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant
        )
    except HeaderError as error:
        raise HeaderError(error.what, where=where, expected=error.expected) from None
    except UnicodeDecodeError as error:
        raise HeaderError("not UTF-8", where=f"{where}: byte {error.start + 8}") from None
    except json.JSONDecodeError as error:
        raise HeaderError(
            f"not JSON: {error.msg}", where=f"{where}: byte {error.pos + 8}"
        ) from None
    except (RecursionError, ValueError):
        raise HeaderError("JSON that cannot be read", where=where) from None
    if not isinstance(value, dict):
        raise HeaderError(f"found {describe(value)}", where=where, expected="a JSON object")
    metadata = value.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise HeaderError(
            f"found {describe(metadata)}", where=f"{where}: __metadata__", expected="an object"
        )
    spans: list[tuple[int, int, str]] = []
    tensors = [_tensor(name, entry, where, spans) for name, entry in value.items()]
    _check_spans(spans, where, data_size)
    return tensors, {key: item for key, item in metadata.items() if isinstance(item, str)}


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # One pass: a header may hold a million names, with the two alike at its end.
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise HeaderError(f"the name '{printable(twice)}' stands twice", expected="each name once")
    return found


def _no_constant(name: str) -> None:
    raise HeaderError(f"found {name}", expected="finite numbers")


def _tensor(name: str, entry: object, where: str, spans: list[tuple[int, int, str]]) -> Tensor:
    place = f"{where}: {printable(name)}"
    if not isinstance(entry, dict):
        raise HeaderError(f"found {describe(entry)}", where=place, expected="an object")
    dtype, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not isinstance(dtype, str):
        raise HeaderError(f"found {describe(dtype)}", where=f"{place}: dtype", expected="a string")
    if (
        not isinstance(shape, list)
        or len(shape) > _MOST_DIMENSIONS
        or not all(_is_size(item) for item in shape)
    ):
        raise HeaderError(
            f"found {printable(str(shape), 80)}",
            where=f"{place}: shape",
            expected="a list of whole numbers, none negative",
        )
    if (
        not isinstance(offsets, list)
        or len(offsets) != 2
        or not all(_is_size(item) for item in offsets)
        or offsets[0] > offsets[1]
    ):
        raise HeaderError(
            f"found {printable(str(offsets), 80)}",
            where=f"{place}: data_offsets",
            expected="two whole numbers, begin and end",
        )
    begin, end = offsets
    spans.append((begin, end, name))
    if dtype in BITS:
        wanted = nbytes(math.prod(shape), dtype)
        if wanted != end - begin:
            raise HeaderError(
                f"{end - begin} bytes for {dtype} {shape}",
                where=f"{place}: data_offsets",
                expected=f"{wanted} bytes",
            )
        return Tensor(name=name, dtype=dtype, shape=tuple(shape))
    # A dtype newer than this release: its elements and bytes are known all the same.
    return Tensor(name=name, dtype=printable(dtype, 40), shape=tuple(shape), size=end - begin)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _check_spans(spans: list[tuple[int, int, str]], where: str, data_size: int | None) -> None:
    end = 0
    for begin, stop, name in sorted(spans):
        if begin < end:
            raise HeaderError(
                f"the data of '{printable(name)}' overlaps another's",
                where=f"{where}: data_offsets",
                expected=f"a begin of at least {end}",
            )
        end = max(end, stop)
    if data_size is not None and end > data_size:
        raise HeaderError(
            f"the data ends at {end}",
            where=f"{where}: data_offsets",
            expected=f"at most {data_size}, where the file ends (is it truncated?)",
        )
