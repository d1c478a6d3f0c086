"""A file that is checked: its text, what it parses to, and the place of every value in it."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from pathlib import Path

from hfkv.check.text.places import KeyPath, Place, Tree
from hfkv.errors import SourceError

__all__ = ["Document", "KeyPath", "Unreadable", "is_pointer", "read_text"]

#: Files larger than this are no configs and no documents that a person wrote.
LARGEST = 4 * 2**20
#: What a file that is larger would have to hold to be of any interest.
_MARKS = (b"<!-- hfkv:", b"<!--hfkv:", b'"peft_type"')
_POINTER = "version https://git-lfs.github.com/spec/"
#: Longer than any pointer of Git LFS.
_POINTER_SIZE = 1024
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


class Unreadable(Exception):  # noqa: N818 - not an error of the package: it becomes a finding
    """A file that holds something to check and cannot be read as text."""


@dataclass(slots=True, kw_only=True)
class Document:
    """One file.

    Attributes:
        path: relative to the project's root, with ``/``.
        file: where it is.
        text: its text.
        encoding: how the file has it.
    """

    path: str
    file: Path
    text: str
    encoding: str = "utf-8"
    _tree: Tree | None = field(default=None, repr=False)

    @property
    def suffix(self) -> str:
        """The ending of its name, in lower case."""
        return self.file.suffix.lower()

    def tree(self) -> Tree:
        """What it holds, read as its ending says; nothing where that is no format of values.

        Raises:
            ConfigError: it is not readable as that.
        """
        if self._tree is None:
            self._tree = self._parse()
        return self._tree

    def _parse(self) -> Tree:
        # Each parser is imported where a file needs it.
        suffix = self.suffix
        if suffix in (".json", ".jsonc", ".json5"):
            from hfkv.check.text.json_places import json_tree

            return json_tree(self.text, where=self.path)
        if suffix in (".yaml", ".yml"):
            from hfkv.check.text.yaml_nodes import yaml_tree

            return yaml_tree(self.text, where=self.path)
        if suffix == ".toml":
            from hfkv.check.text.toml_tables import toml_tree

            return toml_tree(self.text, where=self.path)
        if suffix == ".py":
            from hfkv.check.text.python_calls import python_tree

            return python_tree(self.text, where=self.path)
        if suffix == ".ipynb":
            from hfkv.check.text.python_calls import notebook_tree

            return notebook_tree(self.text, where=self.path)
        if suffix in (".sh", ".bash", ".slurm", ".sbatch"):
            from hfkv.check.text.shell_commands import shell_tree

            return shell_tree(self.text)
        return Tree(values=[], place=lambda path: Place())

    def place(self, path: KeyPath) -> Place:
        """Where a value is, or the nearest one around it; the first line where nothing is known."""
        return self._tree.place(path) if self._tree is not None else Place()

    def line_text(self, line: int) -> str:
        """A line as it stands in the file, without its end."""
        lines = self.text.split("\n", line)
        return lines[line - 1].rstrip("\r") if 0 < line <= len(lines) else ""


def is_pointer(file: Path) -> bool:
    """Whether a file is a pointer of Git LFS, and the file it stands for is not here."""
    try:
        if file.stat().st_size > _POINTER_SIZE:
            return False
        with file.open("rb") as opened:
            return opened.read(len(_POINTER)) == _POINTER.encode()
    except OSError:
        return False


def read_text(file: Path, *, where: str, ours: bool) -> tuple[str, str] | None:
    """A file's text and its encoding; None where it is no text, too long to be something a person
    wrote, or a pointer of Git LFS.

    Args:
        file: the file.
        where: its name, for messages.
        ours: its name alone says that it is to be checked, whatever it holds.

    Raises:
        Unreadable: it is not readable, and holds something to check.
        SourceError: it cannot be read.
    """
    try:
        if not file.is_file():
            raise Unreadable("there is no regular file behind this name")
        size = file.stat().st_size
        if size > LARGEST:
            if ours or _holds_marks(file):
                raise Unreadable(f"{size:,} bytes are too many to check; exclude it")
            return None
        raw = file.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=where) from None
    text, encoding = _decode(raw)
    if text is None or text.startswith(_POINTER):
        return None
    return text, encoding


def _decode(raw: bytes) -> tuple[str | None, str]:
    """A text and its encoding: UTF-8 if it can be, UTF-16 by its mark or its zeros, else Latin-1
    as Windows has it, if nothing in it speaks against text."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if raw.startswith(mark):
            return _as(raw, encoding)
    for place, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        # Nearly every other byte of plain text is zero then.
        if raw[place:200:2].count(0) > len(raw[:200]) // 3:
            return _as(raw, name)
    text, encoding = _as(raw, "utf-8")
    if text is not None:
        return text, encoding
    text, encoding = _as(raw, "cp1252")
    return (text, encoding) if text is not None and not _CONTROLS.search(text) else (None, "")


def _as(raw: bytes, encoding: str) -> tuple[str | None, str]:
    try:
        return raw.decode(encoding), encoding
    except UnicodeDecodeError:
        return None, ""


def _holds_marks(file: Path) -> bool:
    """Whether a large file holds a marker, without reading it into memory."""
    import mmap

    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(data.find(mark) >= 0 for mark in _MARKS)
