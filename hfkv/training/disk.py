"""The file that ``save_pretrained`` writes of an adapter, to the byte.

A safetensors file is eight bytes of length, a JSON header padded with blanks to a multiple of
eight, and the tensors; the widest types come first, then by name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

from hfkv.dtypes import BITS

__all__ = ["file_bytes"]

#: The order of types in the format's own library, of those that adapters have.
_ORDER = ("F16", "BF16", "F32", "F64")


def file_bytes(tensors: Iterable[tuple[str, tuple[int, ...], str]]) -> int:
    """Bytes of ``adapter_model.safetensors``.

    Args:
        tensors: name, shape and element type of each tensor in it.

    >>> file_bytes([("a", (2, 2), "F32")])
    112
    """
    ordered = sorted(tensors, key=lambda item: (-_ORDER.index(item[2]), item[0]))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape, element in ordered:
        start, end = end, end + math.prod(shape) * BITS[element] // 8
        header[name] = {"dtype": element, "shape": list(shape), "data_offsets": [start, end]}
    length = len(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode())
    return 8 + -(-length // 8) * 8 + end
