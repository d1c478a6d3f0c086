"""Puts the large tables into the wheel compressed: they are most of what it would unpack to.

A build hook of hatchling. ``hfkv.data`` reads either form, so a checkout needs no such step.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: Left out of the wheel as they are, by ``exclude`` in ``pyproject.toml``.
TABLES = ("classes/*.json", "modules/*.json", "plans/*.json", "statements.jsonl")


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
        for number, path in enumerate(sorted(p for glob in TABLES for p in data.glob(glob))):
            made = self._made / str(number)
            # Without the time, so that the same sources give the same wheel.
            made.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
            name = path.relative_to(self.root).as_posix()
            build_data["force_include"][str(made)] = f"{name}.gz"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove them again."""
        if self._made is not None:
            shutil.rmtree(self._made)
