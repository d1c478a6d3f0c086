"""Tables that ship with the package, and how they are read.

Most are made by :mod:`hfkv.generate`; those that begin with ``about`` are kept by hand.

By plain paths: ``importlib.resources`` takes longer to import than most of these files to parse.
In a wheel the large ones are compressed.
"""

from __future__ import annotations

import json
import os
from typing import Any

__all__ = ["names_in", "read_json", "read_text"]

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
        if not os.path.exists(f"{place}.gz"):
            raise
    import zlib

    with open(f"{place}.gz", "rb") as packed:
        # As gzip has it, whose module takes longer to import.
        return zlib.decompress(packed.read(), wbits=31).decode("utf-8")


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
    return sorted(name.removesuffix(".gz") for name in names)
