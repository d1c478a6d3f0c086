"""A project in a directory of its own, with models locked from the bundled snapshots."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hfkv.check.finding import Finding
from hfkv.check.locking import lock
from hfkv.check.run import Report, check
from hfkv.check.settings import find_settings
from hfkv.model import Model, load

QWEN = "Qwen/Qwen3-8B"
LLAMA = "meta-llama/Meta-Llama-3-70B"


def from_snapshots(model: str, revision: str | None) -> Model:
    """A model that ships with the package."""
    return load(model, revision=revision, source="snapshot")


class Project:
    """A directory with files, checked as the command checks it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.report = Report(findings=(), files=0)

    def write(self, path: str, content: str | bytes | Mapping[str, Any]) -> Path:
        """Write a file; a mapping as JSON, one key a line."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Mapping):
            content = json.dumps(content, indent=1)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def lock(self, **options: Any) -> None:
        """Lock what the files name."""
        lock(find_settings(self.root), from_snapshots, **options)

    def check(self, *files: str, locked: bool = True, **options: Any) -> list[Finding]:
        """The findings."""
        if locked:
            self.lock()
        settings = find_settings(self.root)
        self.report = check(settings, [self.root / name for name in files], **options)
        return list(self.report.findings)

    def found(self, *files: str, **options: Any) -> list[tuple[str, int, str]]:
        """The findings as (file, line, code)."""
        return [(item.path, item.line, item.code) for item in self.check(*files, **options)]

    def codes(self, path: str, content: str | bytes | Mapping[str, Any]) -> list[tuple[int, str]]:
        """Write one file: its findings as (line, code)."""
        self.write(path, content)
        return [(item.line, item.code) for item in self.check()]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: None) -> Project:
    """An empty project, the working directory."""
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    return Project(root)
