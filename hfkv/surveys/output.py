"""Where a survey is written: in parts, each whole or absent, which in the end become one file.

Beside ``survey.parquet`` stands, as long as it is not done, ``survey.parquet.parts/``: what was
asked (``manifest.json``) and one file for each batch that was answered. A part is written under
another name and then renamed. When all are there they are joined, the result is renamed into place,
and only then are the parts removed: at every moment one of the two has every row.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hfkv.errors import InputError, RecordError, SourceError
from hfkv.reading import describe, printable
from hfkv.surveys.card import card
from hfkv.surveys.columns import FORMAT
from hfkv.surveys.formats import Encoding, Writer, has_arrow

__all__ = ["Output"]

#: Rows in each file of a directory.
_SHARD = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A file, or a directory that is a data set of the Hub.

    Attributes:
        path: of it.
        encoding: of its rows.
        folder: whether it is a directory.
        changed: what it is instead of what was asked for, as a sentence; "" where it is that.
    """

    path: Path
    encoding: Encoding
    folder: bool
    changed: str = ""

    @classmethod
    def of(cls, given: str | os.PathLike[str]) -> Output:
        """The output of a path: a file by its ending, a directory where there is none.

        Raises:
            InputError: the ending is none of those that are written.
        """
        text = os.path.expanduser(os.fspath(given))
        path = Path(text)
        suffix = path.suffix.lower()
        folder = text.endswith(("/", os.sep)) or path.is_dir() or not suffix
        if not folder and suffix not in (".parquet", ".jsonl", ".ndjson"):
            raise InputError(
                f"found {describe(suffix)}",
                where="`out`",
                expected="FILE.parquet, FILE.jsonl or a directory",
            )
        if suffix in (".jsonl", ".ndjson") and not folder:
            return cls(path=path, encoding="jsonl", folder=False)
        if has_arrow():
            return cls(path=path, encoding="parquet", folder=folder)
        other = path if folder else path.with_suffix(".jsonl")
        said = (
            f"pyarrow is not installed, so {printable(str(other))} is written in lines of JSON "
            "(pip install 'hfkv[survey]' for Parquet)"
        )
        return cls(path=other, encoding="jsonl", folder=folder, changed=said)

    # -- where ---------------------------------------------------------------------------------

    @property
    def parts(self) -> Path:
        """What is there as long as the survey is not done."""
        return self.path.with_name(f"{self.path.name}.parts")

    @property
    def asked(self) -> Path:
        """The list of models, where it would be another the next time."""
        return self.parts / "asked.jsonl"

    @property
    def before(self) -> Path:
        """The rows of the survey that is brought up to date."""
        return self.parts / "before.sqlite"

    @property
    def _manifest(self) -> Path:
        if self.folder:
            return self.path / "manifest.json"
        return self.path.with_name(f"{self.path.name}.manifest.json")

    # -- what is there -------------------------------------------------------------------------

    def begun(self) -> dict[str, Any] | None:
        """The manifest of a survey that is not done; None where there is none."""
        return _read(self.parts / "manifest.json")

    def done(self) -> dict[str, Any] | None:
        """The manifest of a survey that is done; None where there is none.

        Raises:
            RecordError: something else stands there.
        """
        found = _read(self._manifest)
        there = self.path.is_file() or (self.path.is_dir() and any(self.path.iterdir()))
        if there and found is None:
            raise RecordError(
                "is there, and is no survey of hfkv",
                where=printable(str(self.path)),
                hint="another name, or remove it",
            )
        return found if there else None

    def written(self) -> set[int]:
        """The numbers of the parts that are there."""
        found = self.parts.glob(f"[0-9]*.{self.encoding}")
        return {int(path.stem) for path in found if path.stem.isdigit()}

    # -- writing -------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep every other survey from writing here, and say what a disk refuses.

        Raises:
            SourceError: another one writes here, or nothing can be written.
        """
        where = printable(str(self.path))
        try:
            self.parts.mkdir(parents=True, exist_ok=True)
            with (self.parts / "lock").open("wb") as file:
                if not _lock(file):
                    raise SourceError("another survey is writing it now", where=where)
                yield
        except SourceError:
            raise
        except OSError as error:
            raise SourceError(
                f"cannot be written: {error.strerror or error}",
                where=where,
                hint="what was written is kept: run the same again when that is mended",
            ) from None
        finally:
            # Nothing was begun, or all is done: nothing is left.
            if not (self.parts / "manifest.json").exists():
                shutil.rmtree(self.parts, ignore_errors=True)

    def clear(self) -> None:
        """Remove what a survey left that was done, and killed as it cleared up."""
        for path in self.parts.iterdir():
            if path.name != "lock":
                path.unlink()

    def begin(self, manifest: Mapping[str, Any]) -> None:
        """Note what is asked; parts come after."""
        _write(self.parts / "manifest.json", manifest)

    def part(self, number: int, bodies: Sequence[bytes]) -> None:
        """Write one part."""
        beside = self.parts / f"{number:08}.writing"
        writer = Writer(beside, self.encoding)
        try:
            for body in bodies:
                writer.body(body)
            writer.close()
        except BaseException:
            writer.abandon()
            with suppress(OSError):
                beside.unlink()
            raise
        beside.replace(self.parts / f"{number:08}.{self.encoding}")

    def finish(self, manifest: dict[str, Any], parts: int) -> dict[str, Any]:
        """Join the parts; the manifest with the number of rows."""
        sources = [self.parts / f"{number:08}.{self.encoding}" for number in range(parts)]
        made = self.path.with_name(f"{self.path.name}.writing")
        if self.folder:
            _remove(made)
            (made / "data").mkdir(parents=True)
            manifest["rows"] = self._shards(made / "data", sources, manifest)
            _write(made / "manifest.json", manifest)
            (made / "README.md").write_text(card(manifest, self.encoding), encoding="utf-8")
            aside = self.path.with_name(f"{self.path.name}.old")
            if self.path.exists():
                _remove(aside)
                self.path.rename(aside)
            made.rename(self.path)
            _remove(aside)
        else:
            manifest["rows"] = _join(made, self.encoding, sources, manifest)
            made.replace(self.path)
            _write(self._manifest, manifest)
        _settle(self.path.parent)
        # From here on the parts count for nothing.
        (self.parts / "manifest.json").unlink()
        return manifest

    def _shards(self, folder: Path, sources: Sequence[Path], manifest: Mapping[str, Any]) -> int:
        """The parts as files of many rows; the rows in all."""
        rows = 0
        per = max(1, _SHARD // max(1, int(manifest["batch"])))
        for number, begin in enumerate(range(0, max(1, len(sources)), per)):
            group = list(sources[begin : begin + per])
            path = folder / f"survey-{number:05}.{self.encoding}"
            rows += _join(path, self.encoding, group, manifest)
        return rows


def _join(
    path: Path, encoding: Encoding, sources: Sequence[Path], manifest: Mapping[str, Any]
) -> int:
    writer = Writer(path, encoding, json.dumps(manifest))
    try:
        for source in sources:
            writer.part(source)
        writer.close()
    except BaseException:
        writer.abandon()
        raise
    return writer.rows


def _read(path: Path) -> dict[str, Any] | None:
    where = printable(str(path))
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError):
        raise RecordError("is damaged: not JSON", where=where) from None
    except OSError as error:
        raise RecordError(f"cannot be read: {error.strerror}", where=where) from None
    number = value.get("format") if isinstance(value, dict) else None
    if not isinstance(number, int) or number > FORMAT:
        raise RecordError(
            f"was written by a newer hfkv: format {describe(number)}",
            where=where,
            expected=f"at most {FORMAT}",
            hint="pip install -U hfkv, or another output",
        )
    return dict(value)


def _write(path: Path, value: Mapping[str, Any]) -> None:
    beside = path.with_name(f"{path.name}.writing")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _settle(folder: Path) -> None:
    """Have the disk keep the names in a folder."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)


def _lock(file: Any) -> bool:
    """Whether this process has the file for itself; a process that is killed gives it back."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
