"""The only part that touches the network or the disk. Every source gives the same raw files."""

from __future__ import annotations

from collections.abc import Sequence

from hfkv.errors import (
    GatedError,
    HfkvError,
    InputError,
    NetworkError,
    NotFoundError,
    SourceError,
)
from hfkv.source.directory import is_path, read_directory, read_path
from hfkv.source.files import Files, SourceName

__all__ = ["Files", "SourceName", "fetch", "fetch_card", "fetch_many", "is_path", "read_directory"]

SOURCES = ("auto", "hub", "cache", "directory", "snapshot")


def fetch(
    model: str,
    *,
    revision: str | None = None,
    source: str = "auto",
    token: str | bool | None = None,
) -> Files:
    """The raw files of a model.

    ``auto``: a path is read where it stands. A Hub id is asked of the Hub; where that cannot be
    reached or refuses access, the local Hugging Face cache answers; then, for the default
    revision, a bundled snapshot. The files say which it was.

    Raises:
        SourceError: none of them has the model; the message names the ways out.
        HeaderError, RecordError: what was found is malformed.
    """
    if source not in SOURCES:
        raise InputError(
            f"unknown source {source!r}", where="source", expected="one of " + ", ".join(SOURCES)
        )
    if source == "directory" or (source == "auto" and is_path(model)):
        return read_path(model)
    if source == "snapshot":
        return _snapshot(model, revision)
    if source == "cache":
        from hfkv.source.local_cache import read_cache

        return read_cache(model, revision=revision)
    from hfkv.source.hub import fetch_hub

    if source == "hub":
        return fetch_hub(model, revision=revision, token=token)
    try:
        return fetch_hub(model, revision=revision, token=token)
    except (NetworkError, GatedError) as error:
        return _instead(model, revision, error)


def _instead(model: str, revision: str | None, error: SourceError) -> Files:
    """What the machine itself has, where the Hub did not answer."""
    from dataclasses import replace

    from hfkv.source.local_cache import read_cache

    try:
        files = read_cache(model, revision=revision)
        return replace(files, notes=(f"from the local cache: {error.what}", *files.notes))
    except NotFoundError:
        pass
    try:
        files = _snapshot(model, revision)
        return replace(files, notes=(*files.notes, f"the Hub was not used: {error.what}"))
    except NotFoundError:
        pass
    raise type(error)(
        error.what,
        where=error.where,
        expected=error.expected,
        hint=f"{error.hint}; neither the local cache nor a bundled snapshot has it",
    ) from None


def _snapshot(model: str, revision: str | None) -> Files:
    from hfkv.source.snapshot import read_snapshot

    if revision not in (None, "main"):
        raise NotFoundError(
            f"snapshots are of the default revision, not of '{revision}'", where=model
        )
    return read_snapshot(model)


def fetch_many(
    models: Sequence[str],
    *,
    revision: str | None = None,
    source: str = "auto",
    token: str | bool | None = None,
) -> list[Files | HfkvError]:
    """:func:`fetch` for many models, overlapped; one entry per model, its files or its error."""

    def one(model: str) -> Files | HfkvError:
        try:
            return fetch(model, revision=revision, source=source, token=token)
        except HfkvError as error:
            return error

    if len(models) == 1:
        return [one(models[0])]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(one, models))


def fetch_card(
    model: str, *, source: str = "auto", token: str | bool | None = None
) -> tuple[str, str | None]:
    """The model card of a repository and the commit it was read at; None where it has none.

    Raises:
        SourceError: it could not be had.
    """
    if source == "cache":
        from hfkv.source.local_cache import read_cache

        files = read_cache(model)
        if "README.md" not in files.texts:
            raise NotFoundError("the local cache has no card of it", where=model)
        return files.texts["README.md"].decode("utf-8", "replace"), files.commit
    from hfkv.source.hub import fetch_card_text

    return fetch_card_text(model, token=token)
