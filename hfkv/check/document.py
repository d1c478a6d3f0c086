"""A file that is checked: its text, what it parses to, and the line of every value in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hfkv.errors import ConfigError, SourceError
from hfkv.reading import parse_json_object

__all__ = ["Document", "KeyPath", "Unreadable", "read_text"]

#: The way to a value: keys of objects and indices of lists.
KeyPath = tuple[str | int, ...]

#: Files larger than this are no configs and no documents that a person wrote.
LARGEST = 4 * 2**20
#: What a file that is larger, or no UTF-8, would have to hold to be of any interest.
_MARKS = (b"<!-- hfkv:", b"<!--hfkv:", b'"peft_type"')


class Unreadable(Exception):  # noqa: N818 - not an error of the package: it becomes a finding
    """A file that holds something to check and cannot be read as text."""


@dataclass(slots=True, kw_only=True)
class Document:
    """One file.

    Attributes:
        path: relative to the project's root, with ``/``.
        file: where it is.
        text: its text.
    """

    path: str
    file: Path
    text: str
    _yaml: list[Any] | None = field(default=None, repr=False)
    _json: dict[KeyPath, int] | None = field(default=None, repr=False)

    @property
    def suffix(self) -> str:
        """The ending of its name, in lower case."""
        return self.file.suffix.lower()

    def json(self) -> dict[str, Any]:
        """Its JSON object.

        Raises:
            ConfigError: it is none.
        """
        return parse_json_object(self.text, where=self.path)

    def yaml(self) -> list[Any]:
        """Its YAML documents, as plain values.

        Raises:
            ConfigError: it is not readable as YAML.
        """
        from hfkv.check.yaml_text import parse_yaml, values

        try:
            self._yaml = parse_yaml(self.text)
            return values(self._yaml)
        except ConfigError as error:
            raise ConfigError(error.what, where=f"{self.path}: {error.where}") from None

    def line(self, path: KeyPath) -> int:
        """The line of a value, or of the nearest value around it; 1 where nothing is known.

        In YAML the first part of ``path`` is the number of the document.
        """
        if self._yaml is not None:
            from hfkv.check.yaml_text import line_of

            return line_of(self._yaml, path)
        if self._json is None:
            from hfkv.check.json_text import json_places

            self._json = json_places(self.text) if self.suffix == ".json" else {}
        while path:
            if path in self._json:
                return self._json[path]
            path = path[:-1]
        return 1


def read_text(file: Path, *, where: str, ours: bool) -> str | None:
    """A file's text; None where it is no text, or too long to be something a person wrote.

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
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if ours or any(mark in raw for mark in _MARKS):
            line = raw.count(b"\n", 0, error.start) + 1
            raise Unreadable(f"line {line} is not UTF-8 text") from None
        return None


def _holds_marks(file: Path) -> bool:
    """Whether a large file holds a marker, without reading it into memory."""
    import mmap

    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(data.find(mark) >= 0 for mark in _MARKS)
