"""What of this checkout is committed: what a run began from, and what its report compares with."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from hfkv.errors import HfkvError
from hfkv.generate.pins import ROOT

__all__ = ["blob_of", "committed", "text_of", "unpack"]

#: Where tables and recordings are.
_FOLDERS = ("hfkv/data", "tests/fixtures")


def _git(*arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise HfkvError(
            "the committed tables are not to be had",
            where=str(ROOT),
            expected="a git checkout with a commit",
        ) from error
    return done.stdout


@cache
def committed() -> Mapping[str, str]:
    """Path of each table and recording to the name that git has for its contents.

    Raises:
        HfkvError: this is no git checkout.
    """
    found = {}
    for line in _git("ls-tree", "-r", "-z", "HEAD", "--", *_FOLDERS).decode("utf-8").split("\0"):
        described, _, path = line.partition("\t")
        if path:
            found[path] = described.split()[2]
    return found


def text_of(path: str) -> str:
    """What is committed under a path of :func:`committed`."""
    return _git("cat-file", "blob", committed()[path]).decode("utf-8")


def blob_of(path: Path) -> str:
    """The name that git has for the contents of a file; "" where there is none."""
    if not path.is_file():
        return ""
    text = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(text) + text, usedforsecurity=False).hexdigest()


def unpack(folder: Path) -> Path:
    """Put the committed tables and recordings into a folder, and give it back."""
    packed = _git("archive", "HEAD", *_FOLDERS)
    with tarfile.TarFile(fileobj=io.BytesIO(packed)) as archive:
        for member in archive.getmembers():
            if member.isfile():
                held = archive.extractfile(member)
                assert held is not None
                path = folder / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(held.read())
    return folder
