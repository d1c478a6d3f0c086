"""Which files a run looks at, and globs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from hfkv.check.recognize import CHECKED
from hfkv.check.settings import Settings
from hfkv.errors import InputError

__all__ = ["files_of", "fits", "relative"]

_SKIPPED = frozenset(
    """.git .hg .svn .venv venv node_modules __pycache__ .tox .nox .mypy_cache .ruff_cache
    .pytest_cache site-packages build dist""".split()
)


@lru_cache(maxsize=512)
def _glob(pattern: str) -> re.Pattern[str]:
    """``*`` stays within a folder, ``**`` does not; a pattern without ``/`` fits at any depth."""
    pattern = pattern.removeprefix("./")
    parts = []
    place = 0
    while place < len(pattern):
        if pattern.startswith("**/", place):
            parts.append("(?:.*/)?")
            place += 3
        elif pattern.startswith("**", place):
            parts.append(".*")
            place += 2
        elif pattern[place] == "*":
            parts.append("[^/]*")
            place += 1
        elif pattern[place] == "?":
            parts.append("[^/]")
            place += 1
        else:
            parts.append(re.escape(pattern[place]))
            place += 1
    start = "" if "/" in pattern.rstrip("/") else "(?:.*/)?"
    # A folder's name stands for all that is in it.
    return re.compile(f"{start}{''.join(parts).rstrip('/')}(?:/.*)?")


def fits(path: str, patterns: Iterable[str]) -> bool:
    """Whether a path relative to the root fits one of the globs.

    >>> fits("docs/a/b.md", ["docs/**"]), fits("docs/b.md", ["*.md"]), fits("b.md", ["docs"])
    (True, True, False)
    """
    return any(_glob(pattern).fullmatch(path) for pattern in patterns)


def relative(file: Path, root: Path) -> str:
    """A file's path relative to the root, with ``/``; outside of it, as it is."""
    try:
        return Path(os.path.abspath(file)).relative_to(root).as_posix()
    except ValueError:
        return file.as_posix()


def files_of(settings: Settings, named: Sequence[Path]) -> list[tuple[Path, str]]:
    """(file, path relative to the root): those named, or all of the project.

    A directory that is named stands for the files in it. The configuration and the lock decide
    about every file: where one of them is named, all of the project is looked at.

    Raises:
        InputError: a named file is not there.
    """
    root = settings.root
    found: dict[str, Path] = {}
    chosen: set[str] = set()
    everything = True
    for file in named:
        path = relative(file, root)
        if file.is_dir():
            below = {relative(item, root): item for item in _below(file.resolve())}
            found.update(below)
            everything = False
        elif not os.path.lexists(file):
            raise InputError("no such file", where=str(file))
        elif path not in (settings.path, settings.lock):
            everything = False
            found[path] = file
            chosen.add(path)
    if everything or any(relative(file, root) in (settings.path, settings.lock) for file in named):
        found.update({relative(item, root): item for item in _below(root)})
    return [
        (file, path)
        for path, file in sorted(found.items())
        if not fits(path, settings.exclude)
        and (not settings.include or path in chosen or fits(path, settings.include))
    ]


def _below(folder: Path) -> list[Path]:
    """Files below a folder that git tracks or would track; without git, all but hidden folders."""
    if any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        import subprocess

        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired):
            done = None
        if done is not None and done.returncode == 0:
            names = [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
            chosen = [name for name in names if os.path.splitext(name)[1].lower() in CHECKED]
            return [folder / name for name in chosen if _within(folder / name, folder)]
    found = []
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SKIPPED and name[:1] != "."]
        found += [
            Path(base) / name
            for name in names
            if os.path.splitext(name)[1].lower() in CHECKED and _within(Path(base) / name, folder)
        ]
    return found


def _within(file: Path, folder: Path) -> bool:
    """Whether a name is of a file, and no link that leads out of the folder: a scan stays inside
    unless a file is named."""
    if not file.is_symlink():
        return file.is_file()
    try:
        return file.is_file() and file.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return False
