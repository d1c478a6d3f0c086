"""Tables that ship with the package, and how they are read.

Most are made by :mod:`hfkv.generate`; those that begin with ``about`` are kept by hand.

By plain paths: ``importlib.resources`` takes longer to import than most of these files to parse.
In a wheel the large ones are compressed, those of a folder by what they share.
"""

from __future__ import annotations

import json
import os
from typing import Any

__all__ = ["SHARED", "names_in", "read_json", "read_text"]

#: The file of a folder in a wheel with what its tables share.
SHARED = "shared.bin"

_FOLDER = os.path.dirname(__file__)


def read_text(*path: str) -> str:
    """The text of a file under this folder.

    Raises:
        FileNotFoundError: there is none.
    """
    place = os.path.join(_FOLDER, *path)
    try:
        with open(place, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        if not os.path.exists(f"{place}.z"):
            raise
    import zlib

    with open(os.path.join(os.path.dirname(place), SHARED), "rb") as shared:
        unpacked = zlib.decompressobj(zdict=shared.read())
    with open(f"{place}.z", "rb") as packed:
        return unpacked.decompress(packed.read()).decode("utf-8")


def read_json(*path: str) -> Any:
    """The value of a file under this folder.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not JSON.
    """
    return json.loads(read_text(*path))


def names_in(folder: str) -> list[str]:
    """The names of the files in a folder under this one; none where it is not there."""
    try:
        names = os.listdir(os.path.join(_FOLDER, folder))
    except FileNotFoundError:
        return []
    return sorted(name.removesuffix(".z") for name in names if name != SHARED)
