"""A directory, or the path of a ``config.json``, as a source. No network."""

from __future__ import annotations

import os
from pathlib import Path

from hfkv.errors import NotFoundError, SourceError
from hfkv.source.choose import SIDE_FILES, choose_weights
from hfkv.source.files import Files, SourceName
from hfkv.source.header import header_length, parse_header
from hfkv.tensors import Tensor, TensorTable

__all__ = ["is_path", "read_directory", "read_path"]

#: Larger than any real config or card.
LARGEST_TEXT = 32 * 2**20


def is_path(model: str) -> bool:
    """Whether a MODEL argument is meant as a path: it exists, or is written like one."""
    return (
        model.startswith(("./", "../", "/", "~", ".\\"))
        or model in (".", "..")
        or os.path.isabs(model)
        or model.endswith(".json")
        or os.path.isdir(model)
    )


def read_path(model: str) -> Files:
    """The files of a directory or of a single ``config.json``.

    Raises:
        NotFoundError: there is no such path, or nothing in it to read.
        HeaderError: a safetensors header is malformed.
    """
    path = Path(model).expanduser()
    if path.is_file():
        return Files(
            model=model,
            source="directory",
            texts={"config.json": _read_text(path)},
            missing={
                "tensors": "a config.json alone has no safetensors headers",
                "README.md": "a config.json alone has no model card",
            },
        )
    if not path.is_dir():
        raise NotFoundError(
            "no such file or directory",
            where=model,
            hint="MODEL is a Hub id, a directory with config.json, or the path of a config.json",
        )
    return read_directory(path, model=model, source="directory")


def read_directory(
    path: Path,
    *,
    model: str,
    source: SourceName,
    revision: str | None = None,
    commit: str | None = None,
) -> Files:
    """The files of a directory: config, side files, card, safetensors headers."""
    try:
        names = sorted(entry.name for entry in os.scandir(path) if entry.is_file())
    except OSError as error:
        raise SourceError(f"cannot be listed: {error.strerror}", where=str(path)) from None
    texts = {
        name: _read_text(path / name)
        for name in ("config.json", "README.md", *SIDE_FILES)
        if name in names
    }
    if not texts and not any(name.endswith(".safetensors") for name in names):
        raise NotFoundError(
            "holds no config.json",
            where=model,
            hint="MODEL is a Hub id, a directory with config.json, or the path of a config.json",
        )
    missing = {}
    weights, reason = choose_weights(names, where=model)
    if reason:
        missing["tensors"] = reason
    if "config.json" not in texts:
        missing["config.json"] = "there is no config.json"
    if "README.md" not in texts:
        missing["README.md"] = "there is no model card (README.md)"
    tensors: list[Tensor] = []
    for name in weights:
        tensors += _read_header(path / name)
    return Files(
        model=model,
        source=source,
        revision=revision,
        commit=commit,
        texts=texts,
        tensors=TensorTable(tensors) if weights else None,
        missing=missing,
    )


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


def _read_header(path: Path) -> list[Tensor]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = header_length(file.read(8), where=str(path), file_size=size)
            raw = file.read(length)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=str(path)) from None
    tensors, _ = parse_header(raw, where=str(path), data_size=size - 8 - length)
    return tensors
