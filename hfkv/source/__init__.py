"""The only part that touches the network or the disk. Every source gives the same raw files.

What a source needs is imported where it is chosen: an answer from this machine costs nothing of
the network's part.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import get_args

from hfkv.errors import GatedError, InputError, NetworkError, NotFoundError, SourceError
from hfkv.reading import printable
from hfkv.source.files import Files, Source, SourceName, is_commit
from hfkv.source.many_models import in_background, overlap
from hfkv.source.model_name import check_id, check_name, is_path, split_rendering
from hfkv.source.reference import reference

__all__ = [
    "Files",
    "Source",
    "SourceName",
    "fetch",
    "fetch_card",
    "in_background",
    "is_path",
    "overlap",
]

SOURCES: tuple[str, ...] = get_args(Source)


def fetch(
    model: str,
    *,
    revision: str | None = None,
    source: str = "auto",
    token: str | bool | None = None,
) -> Files:
    """The raw files of a model.

    A page of the Hub, ``hf://ORG/NAME`` and ``ORG/NAME@REV`` are the model and revision that they
    name (:func:`hfkv.source.reference.reference`).

    ``auto``: a path is read where it stands. A Hub id is asked of the Hub, and what the store has
    of the commit is not asked again. Where the Hub cannot be reached or refuses access, the local
    Hugging Face cache or the store answers; then, for the default revision, a bundled snapshot.
    The files say which it was. ``hub``: everything is read off the Hub anew.

    Raises:
        SourceError: none of them has the model; the message names the ways out, and a model of
            much the same name that this machine has.
        HeaderError, RecordError: what was found is malformed.
        InputError: an argument is not usable, or the model names another revision.
    """
    if source not in SOURCES:
        raise InputError(
            f"unknown source {source!r}", where="`source`", expected="one of " + ", ".join(SOURCES)
        )
    for name in (model,) if revision is None else (model, revision):
        check_name(name)
    named = reference(model, revision)
    if named is None and (source == "directory" or (source == "auto" and is_path(model))):
        from hfkv.source.directory import read_path

        return read_path(model)
    if source == "directory":
        raise InputError(
            "an address of the Hub is no directory", where=printable(model), expected="a path"
        )
    model, revision = named or (model, revision)
    try:
        return _of_id(model, revision, source, token)
    except (NotFoundError, NetworkError) as error:
        from hfkv.source.old_names import name_now

        # The Hub itself leads from an old id to today's; without it that is left to do.
        if (now := name_now(model)) != model:
            with suppress(NotFoundError, NetworkError):
                files = _of_id(now, revision, source, token)
                return replace(files, notes=(*files.notes, f"{model} is called {now} today"))
        from hfkv.source.near_names import known_models, near_name

        meant = near_name(split_rendering(model)[0], known_models())
        if meant is None:
            raise
        raise type(error)(
            error.what,
            where=error.where,
            expected=error.expected,
            hint=f"{error.hint}; did you mean {meant}?".removeprefix("; "),
        ) from error.__cause__


def _of_id(model: str, revision: str | None, source: str, token: str | bool | None) -> Files:
    """The raw files of a model of the Hub, from where ``source`` says."""
    if source == "snapshot":
        return _snapshot(model, revision)
    if source == "cache":
        from hfkv.source.local_cache import read_cache

        return read_cache(model, revision=revision)
    if source == "hub":
        return _from_hub(model, revision, token, anew=True)
    if revision is not None and is_commit(revision):
        from hfkv.source.store import Store

        # A commit never changes: what was read of it once is as good as reading it again.
        files = Store().read(model, revision)
        if files is not None:
            return replace(files, revision=revision)
    try:
        return _from_hub(model, revision, token)
    except (NetworkError, GatedError) as error:
        return _instead(model, revision, error)


def _from_hub(
    model: str, revision: str | None, token: str | bool | None, *, anew: bool = False
) -> Files:
    """Ask the Hub, and keep what it said; unless ``anew``, only what the store does not have."""
    check_id(model)
    _check_online(model)
    from hfkv.source.hub import fetch_hub
    from hfkv.source.store import Store

    store = Store()
    stored: list[Files] = []

    def known(commit: str) -> Files | None:
        files = store.read(model, commit)
        if files is not None:
            stored.append(files)
        return files

    ask = known if not anew and store.has_any(model) else None
    files = fetch_hub(model, revision=revision, token=token, known=ask)
    if stored:
        wanted = revision or "main"
        with suppress(OSError):
            store.point(model, wanted, files.commit or "")
        return replace(files, revision=wanted)
    failed = store.write(files)
    return files if failed is None else replace(files, notes=(*files.notes, failed))


def _check_online(model: str) -> None:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise NetworkError(
            "offline mode is on (HF_HUB_OFFLINE)",
            where=model,
            hint="unset HF_HUB_OFFLINE, or use a directory or the local cache",
        )


def _instead(model: str, revision: str | None, error: SourceError) -> Files:
    """What the machine itself has, where the Hub did not answer."""
    from hfkv.source.local_cache import read_cache

    with suppress(NotFoundError):
        files = read_cache(model, revision=revision)
        return replace(files, notes=(f"from the local cache: {error.what}", *files.notes))
    lacking = "neither the local cache nor a bundled snapshot has it"
    try:
        files = _snapshot(model, revision)
        return replace(files, notes=(*files.notes, f"the Hub was not used: {error.what}"))
    except NotFoundError as absent:
        if revision not in (None, "main"):
            lacking = f"the local cache does not have '{revision}', and {absent.what}"
    raise type(error)(
        error.what,
        where=error.where,
        expected=error.expected,
        hint=f"{error.hint}; {printable(lacking, 300)}",
    ) from None


def _snapshot(model: str, revision: str | None) -> Files:
    from hfkv.source.snapshot import read_snapshot

    if revision not in (None, "main"):
        raise NotFoundError(
            f"snapshots are of the default revision, not of '{revision}'", where=model
        )
    return read_snapshot(model)


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
    from hfkv.source.store import Store

    store = Store()
    if beside is not None and source != "hub":
        found = store.read_bases(*beside).get(model)
        if found is not None:
            return found
    if source == "cache":
        return _cached_card(model)
    try:
        check_id(model)
        _check_online(model)
        from hfkv.source.hub import fetch_card_text

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
        raise NotFoundError("the local cache has no model card (README.md) of it", where=model)
    return files.texts["README.md"].decode("utf-8", "replace"), files.commit
