"""The only part that touches the network or the disk. Every source gives the same raw files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

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
from hfkv.source.many_models import in_background, overlap
from hfkv.source.store import Store, is_commit

__all__ = [
    "Files",
    "SourceName",
    "Store",
    "fetch",
    "fetch_card",
    "fetch_many",
    "in_background",
    "is_path",
    "overlap",
    "read_directory",
]

SOURCES = ("auto", "hub", "cache", "directory", "snapshot")


def fetch(
    model: str,
    *,
    revision: str | None = None,
    source: str = "auto",
    token: str | bool | None = None,
) -> Files:
    """The raw files of a model.

    ``auto``: a path is read where it stands. A Hub id is asked of the Hub, and what the store has
    of the commit is not asked again. Where the Hub cannot be reached or refuses access, the local
    Hugging Face cache or the store answers; then, for the default revision, a bundled snapshot.
    The files say which it was. ``hub``: everything is read off the Hub anew.

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
    if source == "hub":
        return _from_hub(model, revision, token)
    store = Store()
    if revision is not None and is_commit(revision):
        # A commit never changes: what was read of it once is as good as reading it again.
        files = store.read(model, revision)
        if files is not None:
            return replace(files, revision=revision)
    try:
        return _from_hub(model, revision, token, store)
    except (NetworkError, GatedError) as error:
        return _instead(model, revision, error)


def _from_hub(
    model: str, revision: str | None, token: str | bool | None, store: Store | None = None
) -> Files:
    """Ask the Hub, and keep what it said; with ``store``, ask only what that does not have."""
    from hfkv.source.hub import fetch_hub

    stored: list[Files] = []

    def known(commit: str) -> Files | None:
        files = None if store is None else store.read(model, commit)
        if files is not None:
            stored.append(files)
        return files

    ask = known if store is not None and store.has_any(model) else None
    files = fetch_hub(model, revision=revision, token=token, known=ask)
    if stored:
        wanted = revision or "main"
        with suppress(OSError):
            Store().point(model, wanted, files.commit or "")
        return replace(files, revision=wanted)
    failed = Store().write(files)
    return files if failed is None else replace(files, notes=(*files.notes, failed))


def _instead(model: str, revision: str | None, error: SourceError) -> Files:
    """What the machine itself has, where the Hub did not answer."""
    from hfkv.source.local_cache import read_cache

    with suppress(NotFoundError):
        files = read_cache(model, revision=revision)
        return replace(files, notes=(f"from the local cache: {error.what}", *files.notes))
    with suppress(NotFoundError):
        files = _snapshot(model, revision)
        return replace(files, notes=(*files.notes, f"the Hub was not used: {error.what}"))
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
    return overlap(
        lambda model: fetch(model, revision=revision, source=source, token=token), models
    )


def fetch_card(
    model: str,
    *,
    source: str = "auto",
    token: str | bool | None = None,
    beside: tuple[str, str] | None = None,
) -> tuple[str, str | None]:
    """The model card of a repository and the commit it was read at.

    Args:
        model: the Hub id.
        source: ``cache`` to use only what the machine has, ``hub`` only the Hub; else the Hub is
            asked first.
        token: as for :func:`fetch`.
        beside: the model and commit whose figures it is read for. The card that was read for
            them once is used again, so that the same commit gives the same answer.

    Raises:
        SourceError: it could not be had.
    """
    store = Store()
    if beside is not None and source != "hub":
        found = store.read_bases(*beside).get(model)
        if found is not None:
            return found
    if source == "cache":
        return _cached_card(model)
    from hfkv.source.hub import fetch_card_text

    try:
        card, commit = fetch_card_text(model, token=token)
    except (NetworkError, GatedError):
        if source == "hub":
            raise
        with suppress(NotFoundError):
            return _cached_card(model)
        raise
    if beside is not None:
        store.write_base(*beside, model, card, commit)
    return card, commit


def _cached_card(model: str) -> tuple[str, str | None]:
    from hfkv.source.local_cache import read_cache

    files = read_cache(model)
    if "README.md" not in files.texts:
        raise NotFoundError("the local cache has no card of it", where=model)
    return files.texts["README.md"].decode("utf-8", "replace"), files.commit
