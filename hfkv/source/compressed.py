"""How far a file can be compressed: an upper bound of the information in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hfkv.errors import InputError, NotFoundError, SourceError

__all__ = ["compressed_bytes"]

_CHUNK = 1 << 20


def compressed_bytes(path: Path, method: str) -> int:
    """Bytes of the file as a compressor of the standard library leaves it, at its best level.

    Args:
        path: the file, of any size: it is read piece by piece.
        method: ``xz``, ``bz2`` or ``zlib``.

    Raises:
        NotFoundError, SourceError: it is not there, or cannot be read.
        InputError: it is empty.
    """
    packer = _packer(method)
    size = length = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                length += len(chunk)
                size += len(packer.compress(chunk))
    except FileNotFoundError:
        raise NotFoundError("no such file", where=str(path)) from None
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=str(path)) from None
    if not length:
        raise InputError("is empty", where=str(path), expected="the text that is to be learned")
    return size + len(packer.flush())


def _packer(method: str) -> Any:
    if method == "xz":
        import lzma

        return lzma.LZMACompressor(preset=9)
    if method == "bz2":
        import bz2

        return bz2.BZ2Compressor(9)
    import zlib

    return zlib.compressobj(9)
