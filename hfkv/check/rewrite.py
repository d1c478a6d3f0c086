"""Putting right figures into a document, and touching nothing else of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hfkv.check.claims import Claim
from hfkv.check.document import Document
from hfkv.errors import SourceError

__all__ = ["mended", "replace_file", "rewrite"]


def mended(text: str, mends: Sequence[tuple[Claim, str]]) -> str:
    """A document's text with other texts in these claims."""
    for claim, right in sorted(mends, key=lambda item: -item[0].start):
        text = text[: claim.start] + right + text[claim.end :]
    return text


def rewrite(document: Document, mends: Sequence[tuple[Claim, str]], root: Path) -> None:
    """Write the mended document in the place of the old one, whole or not at all.

    Raises:
        SourceError: it changed meanwhile, lies outside the project, or cannot be written.
    """
    target = document.file.resolve()
    if not target.is_relative_to(root.resolve()):
        raise SourceError("not mended: the file behind this link is outside the project")
    try:
        raw = target.read_bytes()
    except OSError as error:
        raise SourceError(f"not mended: {error.strerror}") from None
    try:
        same = raw == document.text.encode(document.encoding)
        # The byte order mark that "utf-16" writes is this machine's, not the file's.
        content = mended(document.text, mends).encode(document.encoding)
    except UnicodeEncodeError:
        raise SourceError(f"not mended: it cannot be written as {document.encoding}") from None
    if not same:
        raise SourceError("not mended: it changed while it was checked")
    replace_file(target, content)


def replace_file(target: Path, content: bytes) -> None:
    """Write a file beside its place and then put it there, so that a run that is stopped leaves
    the old one or the new one whole. Its permissions stay.

    Raises:
        SourceError: it cannot be written.
    """
    try:
        mode = target.stat().st_mode & 0o7777 if target.exists() else None
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            if mode is None:
                # As `open` would have made it: what mkstemp makes is for its owner alone.
                mask = os.umask(0)
                os.umask(mask)
                mode = 0o666 & ~mask
            os.chmod(name, mode)
            os.replace(name, target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SourceError(f"cannot be written: {error.strerror}", where=target.name) from None
