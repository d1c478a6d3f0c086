"""The store: what was read off the Hub, by commit, under the Hugging Face cache home.

``$HF_HOME/hfkv/models--ORG--NAME/COMMIT.json`` is a record (:mod:`hfkv.source.record`), written
whole under another name and then renamed, so that readers in other processes see all of it or
nothing. ``refs/BRANCH`` beside it says which commit a branch last stood for, for use offline, and
``COMMIT.bases.json`` which cards of base models were read along with it. An entry that is damaged,
or of another version of hfkv, counts as absent.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, unquote

from hfkv import __version__
from hfkv.errors import HfkvError, NotFoundError, RecordError, SourceError
from hfkv.source.files import SIDE_FILES, Files, is_commit
from hfkv.source.record import dump_record, load_record

__all__ = ["Entry", "Store"]

#: Seconds after which a file that was being written will not be finished.
_ABANDONED = 3600
#: Larger than any record: the longest cards and configs, and tables of the strangest names.
_LARGEST = 256 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One record: the model, its commit, the branches that stood for it, bytes on disk."""

    model: str
    commit: str
    revisions: tuple[str, ...]
    bytes: int
    path: Path


class Store:
    """The store in ``folder``; by default in the Hugging Face home."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = _home() / "hfkv" if folder is None else folder

    # -- reading ---------------------------------------------------------------------------

    def read(self, model: str, commit: str) -> Files | None:
        """The files of a model at a full commit; None where there is no sound entry."""
        where = f"store: {model} at {commit}"
        try:
            record = self._load(self._folder(model) / f"{commit}.json")
            if record is None or record.get("written_by") != _writer():
                return None
            files = load_record(record, source="cache", where=where)
        except (HfkvError, ValueError, TypeError, RecursionError):
            return None
        # A file system that does not tell upper from lower case has one place for two models.
        return files if files.model == model and files.commit == commit else None

    def read_revision(self, model: str, revision: str) -> Files:
        """The files of a model as the store has them, without asking the Hub.

        Raises:
            NotFoundError: it has none.
        """
        commit: str | None = revision if is_commit(revision) else None
        if commit is None:
            with suppress(OSError, ValueError):
                text = self._ref(model, revision).read_text("ascii").strip()
                commit = text if is_commit(text) else None
        files = None if commit is None else self.read(model, commit)
        if files is None:
            raise NotFoundError(f"the store has no revision {revision} of it", where=model)
        return replace(files, revision=revision)

    def has_any(self, model: str) -> bool:
        """Whether any commit of a model is there, so that asking for the commit may suffice."""
        try:
            with os.scandir(self._folder(model)) as entries:
                return any(is_commit(entry.name.removesuffix(".json")) for entry in entries)
        except OSError:
            return False

    def read_bases(self, model: str, commit: str) -> dict[str, tuple[str, str | None]]:
        """Base models' names to the card and commit that were read along with this commit."""
        try:
            record = self._load(self._folder(model) / f"{commit}.bases.json")
        except HfkvError:
            return {}
        if record is None or record.get("written_by") != _writer():
            return {}
        return {
            name: (item[0], item[1])
            for name, item in record.items()
            if isinstance(item, list) and len(item) == 2
            if isinstance(item[0], str) and isinstance(item[1], str | None)
        }

    def _load(self, path: Path) -> dict[str, object] | None:
        try:
            with path.open("rb") as file:
                raw = file.read(_LARGEST + 1)
            value = json.loads(raw) if len(raw) <= _LARGEST else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            raise RecordError("cannot be read", where=str(path)) from None
        return value if isinstance(value, dict) else None

    # -- writing ---------------------------------------------------------------------------

    def write(self, files: Files) -> str | None:
        """Keep the files of a commit, unless what was found can change without a new commit.

        Returns:
            None, or why it could not be: a full or read-only disk costs only the next call's time.
        """
        if files.commit is None or not files.settled:
            return None
        try:
            record = dump_record(
                files,
                provenance=f"read from the Hub at commit {files.commit}",
                raw=True,
                written_by=_writer(),
            )
            folder = self._folder(files.model)
            _write(folder / f"{files.commit}.json", json.dumps(record))
            self.point(files.model, files.revision, files.commit)
        except OSError as error:
            return f"could not be kept for the next time: {error.strerror or error}"
        return None

    def point(self, model: str, revision: str | None, commit: str) -> None:
        """Note which commit a branch or tag stands for now."""
        if revision is None or is_commit(revision):
            return
        reference = self._ref(model, revision)
        with suppress(OSError):
            if reference.read_bytes() == commit.encode():  # a damaged one is written anew
                return
        _write(reference, commit)

    def write_base(
        self, model: str, commit: str, base: str, card: str, base_commit: str | None
    ) -> None:
        """Keep the card of a base model beside the commit that it was read for."""
        known = self.read_bases(model, commit)
        known[base] = (card, base_commit)
        content = {"written_by": _writer(), **{name: list(item) for name, item in known.items()}}
        with suppress(OSError):
            _write(self._folder(model) / f"{commit}.bases.json", json.dumps(content))

    # -- showing and clearing --------------------------------------------------------------

    def entries(self) -> list[Entry]:
        """What is there, by model and commit."""
        found = []
        for folder in self._folders():
            revisions: dict[str, list[str]] = {}
            for reference in sorted((folder / "refs").glob("*")):
                with suppress(OSError, ValueError):
                    commit = reference.read_text("ascii").strip()
                    revisions.setdefault(commit, []).append(unquote(reference.name))
            for path in sorted(folder.glob("*.json")):
                if is_commit(path.stem):
                    with suppress(OSError):
                        found.append(
                            Entry(
                                model=_model(folder),
                                commit=path.stem,
                                revisions=tuple(revisions.get(path.stem, ())),
                                bytes=path.stat().st_size,
                                path=path,
                            )
                        )
        return found

    def clear(self, model: str | None = None) -> list[Entry]:
        """Remove the entries of a model, with all its renderings, or all; those that were removed.

        Raises:
            SourceError: something could not be removed.
        """
        removed = [item for item in self.entries() if _is_of(item.model, model)]
        for folder in self._folders():
            if not _is_of(_model(folder), model):
                continue
            try:
                for path in [*folder.glob("refs/*"), *folder.iterdir()]:
                    if path.is_file():
                        path.unlink(missing_ok=True)
                for empty in (folder / "refs", folder):
                    if empty.is_dir():
                        empty.rmdir()
            except OSError as error:
                raise SourceError(
                    f"cannot be removed: {error.strerror}", where=str(error.filename)
                ) from None
        return removed

    def _folders(self) -> Iterator[Path]:
        with suppress(OSError):
            yield from sorted(self.folder.glob("models--*"))

    def _folder(self, model: str) -> Path:
        # What is named after a colon may hold slashes, and no system takes a colon everywhere.
        name, colon, rendering = model.partition(":")
        place = "--".join(["models", *name.split("/")])
        return self.folder / (place + quote(colon + rendering, safe=""))

    def _ref(self, model: str, revision: str) -> Path:
        # A revision may hold slashes (refs/pr/1), and must not lead out of the folder.
        return self._folder(model) / "refs" / quote(revision, safe="").replace(".", "%2E")


def _is_of(entry: str, model: str | None) -> bool:
    return model is None or entry == model or entry.startswith(f"{model}:")


def _home() -> Path:
    from huggingface_hub import constants

    # Also where it is set after huggingface_hub was imported.
    home = os.environ.get("HF_HOME")
    return Path(os.path.expandvars(os.path.expanduser(home)) if home else constants.HF_HOME)


def _writer() -> str:
    """What decides whether an entry holds all that is read today, and from where.

    With the endpoint, so that what one server says of a commit is never taken for another's word.
    """
    from huggingface_hub import constants

    return f"hfkv {__version__}: {','.join(SIDE_FILES)}: {constants.ENDPOINT}"


def _model(folder: Path) -> str:
    name, colon, rendering = folder.name.partition("%3A")
    plain = name.removeprefix("models--").replace("--", "/", 1)
    return plain + unquote(colon + rendering)


def _write(path: Path, text: str) -> None:
    """Write a file so that every reader sees the old content or all of the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        for left in path.parent.glob(".writing-*"):
            # Of a process that was killed as it wrote; one that still writes takes no such time.
            if time.time() - left.stat().st_mtime > _ABANDONED:
                left.unlink()
    beside = path.parent / f".writing-{os.getpid()}-{threading.get_ident()}"
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
