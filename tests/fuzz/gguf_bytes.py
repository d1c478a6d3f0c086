"""GGUF headers as bytes, well formed or not: what the tests of the reader are made of."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["gguf", "text", "value"]


def text(content: str | bytes, order: str = "<") -> bytes:
    """A string, with its length before it."""
    raw = content.encode() if isinstance(content, str) else content
    return struct.pack(f"{order}Q", len(raw)) + raw


def value(item: Any, order: str = "<") -> bytes:
    """A value, with its type before it; bytes stand as they are."""
    if isinstance(item, bytes):
        return item
    if isinstance(item, bool):
        return struct.pack(f"{order}I?", 7, item)
    if isinstance(item, int):
        return struct.pack(f"{order}Iq", 11, item)
    if isinstance(item, float):
        return struct.pack(f"{order}Id", 12, item)
    if isinstance(item, str):
        return struct.pack(f"{order}I", 8) + text(item, order)
    inner = [value(part, order) for part in item]
    kind = inner[0][:4] if inner else struct.pack(f"{order}I", 4)
    count = struct.pack(f"{order}Q", len(inner))
    return struct.pack(f"{order}I", 9) + kind + count + b"".join(part[4:] for part in inner)


def gguf(
    metadata: Mapping[str, Any] | Sequence[tuple[str, Any]],
    tensors: Sequence[tuple[str, Sequence[int], int, int]] = (),
    *,
    version: int = 3,
    order: str = "<",
    keys: int | None = None,
    count: int | None = None,
    data: int = 0,
) -> bytes:
    """A file of these keys and tensors: (name, sizes innermost first, type, offset)."""
    pairs = list(metadata.items()) if isinstance(metadata, Mapping) else list(metadata)
    raw = b"GGUF" + struct.pack(
        f"{order}IQQ",
        version,
        len(tensors) if count is None else count,
        len(pairs) if keys is None else keys,
    )
    for key, item in pairs:
        raw += text(key, order) + value(item, order)
    for name, sizes, kind, offset in tensors:
        raw += text(name, order) + struct.pack(f"{order}I", len(sizes))
        raw += struct.pack(f"{order}{len(sizes)}QIQ", *sizes, kind, offset)
    return raw + bytes(-len(raw) % 32) + bytes(data)
