"""A directory, a ``config.json`` or a GGUF file as a source. No network."""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from hfkv.errors import HeaderError, NotFoundError, SourceError
from hfkv.source.files import SIDE_FILES, Files, SourceName
from hfkv.source.gguf import GGUF_FILE, GgufHeader, join_parts, read_gguf
from hfkv.source.gguf_files import choose_gguf
from hfkv.source.safetensors_header import header_length
from hfkv.source.safetensors_quick import add_header
from hfkv.source.weight_files import INDEX, choose_weights, no_config
from hfkv.tensors import TableBuilder, TensorTable

__all__ = ["read_directory", "read_path"]

#: Larger than any real config or card.
LARGEST_TEXT = 32 * 2**20
_CARD = "README.md"
#: Entries of a subfolder that are looked at: a directory of models can hold anything.
_MOST_INSIDE = 1_000
_HINT = (
    "MODEL is a Hub id, a directory with config.json, or the path of a config.json or a GGUF file"
)


def read_path(model: str) -> Files:
    """The files of a directory, of a single ``config.json`` or of a single GGUF file.

    Raises:
        NotFoundError: there is no such path, or nothing in it to read.
        HeaderError: a safetensors header is malformed.
    """
    path = Path(os.path.expanduser(model))
    # Unlike pathlib these are never upset by a name: what cannot be asked for is not there.
    file, folder = os.path.isfile(path), os.path.isdir(path)
    if file and path.suffix.lower() in (".gguf", ".safetensors", ".bin"):
        if path.suffix.lower() == ".gguf":
            return _one_gguf(path, model)
        raise NotFoundError(
            "a file of weights alone says nothing of the model", where=model, hint=_HINT
        )
    if file:
        return Files(
            model=model,
            source="directory",
            texts={"config.json": _read_text(path)},
            missing={
                "tensors": "a config.json alone has no safetensors headers",
                "README.md": "a config.json alone has no model card",
            },
        )
    if not folder:
        raise NotFoundError(
            "no such file or directory",
            where=model,
            hint=_HINT,
        )
    return read_directory(path, model=model, source="directory")


def read_directory(
    path: Path,
    *,
    model: str,
    source: SourceName,
    revision: str | None = None,
    commit: str | None = None,
    rendering: str | None = None,
) -> Files:
    """The files of a directory: config, side files, card, safetensors headers.

    With ``rendering`` the header of that GGUF file in their place.
    """
    names = _names(path)
    texts = {
        name: _read_text(path / name) for name in ("config.json", *SIDE_FILES) if name in names
    }
    card = ""
    if _CARD in names:
        try:
            texts[_CARD] = _read_text(path / _CARD)
        except SourceError as error:
            # A card is prose: it must not cost the figures that come from elsewhere.
            card = f"the model card (README.md) cannot be read: it {error.what}"
    if (
        not texts
        and not card
        and not any(name.endswith((".safetensors", ".gguf")) for name in names)
    ):
        raise NotFoundError(f"holds no config.json: {no_config(names)}", where=model, hint=_HINT)
    missing = {}
    notes: tuple[str, ...] = ()
    index = _read_text(path / INDEX) if INDEX in names else None
    weights: list[str] = []
    reason = ""
    try:
        if rendering is None:
            weights, reason = choose_weights(names, where=model, index=index)
    except HeaderError as error:
        # The cache holds what was asked for once, and need not hold all of it.
        if source != "cache":
            raise
        weights, reason = [], f"the local cache does not have all of them: {error.what}"
    tensors = None
    if weights:
        builder = TableBuilder(where=model)
        for name in weights:
            builder.begin(name)
            _read_header(path / name, builder)
        tensors = builder.table()
    else:
        weights, note = choose_gguf(names, where=model, wanted=rendering)
        if weights:
            header = _read_gguf(path, weights)
            texts[GGUF_FILE], notes, reason = header.to_json(), (note,), ""
            tensors = TensorTable(header.tensors)
    if reason:
        missing["tensors"] = reason
    if "config.json" not in texts:
        missing["config.json"] = no_config(names)
    if _CARD not in texts:
        missing[_CARD] = card or "there is no model card (README.md)"
    return Files(
        model=model,
        source=source,
        revision=revision,
        commit=commit,
        texts=texts,
        tensors=tensors,
        missing=missing,
        notes=notes,
    )


def _names(path: Path) -> list[str]:
    """The files in a directory, and those one level down by their folder and name."""
    names: list[str] = []
    try:
        for entry in os.scandir(path):
            if entry.is_file():
                names.append(entry.name)
            elif entry.is_dir() and not entry.name.startswith("."):
                names += [f"{entry.name}/{inner.name}" for inner in _inside(entry.path)]
    except OSError as error:
        raise SourceError(f"cannot be listed: {error.strerror}", where=str(path)) from None
    return sorted(names)


def _inside(folder: str) -> list[os.DirEntry[str]]:
    try:
        return [entry for entry in islice(os.scandir(folder), _MOST_INSIDE) if entry.is_file()]
    except OSError:
        # What may not be looked into is no part of the model.
        return []


def _one_gguf(path: Path, model: str) -> Files:
    """A GGUF file by its path, with its other parts where it is one of several."""
    part = re.fullmatch(r"(.+-)[0-9]{5}(-of-[0-9]{5}\.gguf)", path.name)
    names = [path.name]
    if part:
        names = sorted(
            entry.name
            for entry in path.parent.iterdir()
            if re.fullmatch(f"{re.escape(part[1])}[0-9]{{5}}{re.escape(part[2])}", entry.name)
        )
    names, _ = choose_gguf(names, where=model) if part else (names, "")
    header = _read_gguf(path.parent, names)
    return Files(
        model=model,
        source="directory",
        texts={GGUF_FILE: header.to_json()},
        tensors=TensorTable(header.tensors),
        missing={"README.md": "a GGUF file alone has no model card"},
    )


def _read_gguf(folder: Path, names: list[str]) -> GgufHeader:
    headers = []
    for name in names:
        place = folder / name
        try:
            with place.open("rb") as file:
                size = place.stat().st_size

                def read(begin: int, end: int, file: BinaryIO = file) -> bytes:
                    file.seek(begin)
                    return file.read(end - begin)

                headers.append(read_gguf(read, where=str(place), size=size))
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}", where=str(place)) from None
    return join_parts(headers, where=str(folder / names[0]))


def _read_text(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > LARGEST_TEXT:
            raise SourceError(
                f"has {size} bytes", where=str(path), expected=f"at most {LARGEST_TEXT}"
            )
        return path.read_bytes()
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"cannot be read: {error.strerror}", where=str(path)) from None


def _read_header(path: Path, builder: TableBuilder) -> None:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = header_length(file.read(8), where=str(path), file_size=size)
            raw = file.read(length)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=str(path)) from None
    add_header(raw, builder, where=str(path), data_size=size - 8 - length)
