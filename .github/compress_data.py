"""Puts the large tables into the wheel compressed: they are most of what it would unpack to.

The tables of a folder are much alike: what they share stands once, in a dictionary of theirs.
A build hook of hatchling. ``hfkv.data`` reads either form, so a checkout needs no such step.
"""

from __future__ import annotations

import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: Left out of the wheel as they are, by ``exclude`` in ``pyproject.toml``.
TABLES = ("classes/*.json", "modules/*.json", "plans/*.json", "statements.jsonl")
#: As ``hfkv.data`` looks for it, and how long zlib lets it be.
SHARED, _WINDOW = "shared.bin", 32 * 1024
#: From how many tables of a folder what they share is taken.
_SAMPLES = 8


class CompressData(BuildHookInterface):  # type: ignore[type-arg]
    """Beside each table of the wheel's contents, its compressed form in its place."""

    PLUGIN_NAME = "custom"
    _made: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the files, and have them included."""
        if version == "editable":
            return
        data = Path(self.root) / "hfkv" / "data"
        self._made = Path(tempfile.mkdtemp())
        for tables in (sorted(data.glob(glob)) for glob in TABLES):
            for number, (name, content) in enumerate(packed(tables)):
                made = self._made / f"{tables[0].parent.name}-{number}"
                made.write_bytes(content)
                where = tables[0].parent.relative_to(self.root) / name
                build_data["force_include"][str(made)] = where.as_posix()

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove them again."""
        if self._made is not None:
            shutil.rmtree(self._made)


def packed(tables: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """The files of a folder in the wheel: what its tables share, and each of them without that.

    The same sources give the same wheel: nothing is of the time.
    """
    every = [path.read_bytes() for path in tables]
    some = every[:: max(1, len(every) // _SAMPLES)] if len(every) > 1 else []
    shared = b"".join(content[: _WINDOW // _SAMPLES] for content in some)[-_WINDOW:]
    yield SHARED, shared
    for path, content in zip(tables, every, strict=True):
        # An empty dictionary is none.
        packer = zlib.compressobj(9, zdict=shared) if shared else zlib.compressobj(9)
        yield f"{path.name}.z", packer.compress(content) + packer.flush()
