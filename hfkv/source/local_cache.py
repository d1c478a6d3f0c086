"""The local Hugging Face cache, in the layout that huggingface_hub writes, and the store.

No network.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hfkv.errors import NotFoundError, SourceError
from hfkv.source.files import Files, is_commit
from hfkv.source.model_name import split_rendering
from hfkv.source.store import Store

__all__ = ["read_cache"]


def read_cache(model: str, *, revision: str | None = None) -> Files:
    """The files of a model as the local cache has them.

    Raises:
        NotFoundError: the cache does not have that model or revision.
    """
    from huggingface_hub import constants

    # As huggingface_hub names it; its own function would import the whole HTTP stack.
    repository, rendering = split_rendering(model)
    name = constants.REPO_ID_SEPARATOR.join(["models", *repository.split("/")])
    folder = Path(constants.HF_HUB_CACHE) / name
    wanted = revision or constants.DEFAULT_REVISION
    commit = _commit(folder, wanted)
    store = Store()
    if commit is not None:
        # The same commit in the store is whole; the folder has what was downloaded of it.
        stored = store.read(model, commit)
        if stored is not None:
            return replace(stored, revision=wanted)
        snapshot = folder / "snapshots" / commit
        if snapshot.is_dir():
            from hfkv.source.directory import read_directory

            return read_directory(
                snapshot,
                model=model,
                source="cache",
                revision=wanted,
                commit=commit,
                rendering=rendering,
            )
    try:
        return store.read_revision(model, wanted)
    except NotFoundError:
        raise NotFoundError(
            f"the local Hugging Face cache has no revision {wanted} of it",
            where=model,
            hint=f"hf download {repository} config.json README.md fills it",
        ) from None


def _commit(folder: Path, revision: str) -> str | None:
    if is_commit(revision):
        return revision
    reference = folder / "refs" / revision
    # A revision may hold slashes (refs/pr/1) but must not lead out of the folder.
    if ".." in Path(revision).parts or Path(revision).is_absolute() or Path(revision).drive:
        return None
    try:
        text = reference.read_text("ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot be read: {error}", where=str(reference)) from None
    return text if is_commit(text) else None
