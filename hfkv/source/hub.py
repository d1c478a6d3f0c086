"""The Hub as a source: config, card, file list and safetensors headers, never weights.

Everything that does not wait for something else goes out at once. First, all together: the file
list, the config, the card, the first bytes of ``model.safetensors`` and, on ``main``, the one
request that gives every header of a sharded model. Then what the list adds: side files, and the
headers of the shards where that one request gave none. All of it is of one commit: what was asked
by a branch's name before its commit was known is taken only if the server says that it is of it.
What reads the answers is imported while they are on their way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from hfkv.errors import HeaderError, HfkvError, NotFoundError
from hfkv.reading import printable
from hfkv.source import limits
from hfkv.source.files import SIDE_FILES, Files, is_commit
from hfkv.source.hub_errors import MissingFileError
from hfkv.source.many_models import session
from hfkv.source.model_name import split_rendering
from hfkv.source.net import Answer, Net
from hfkv.source.progress import say
from hfkv.source.repository import Header, Listing, Repository, Text
from hfkv.tensors import TableBuilder, TensorTable

if TYPE_CHECKING:
    from hfkv.source.other_formats import Weights

__all__ = ["fetch_card_text", "fetch_hub"]

_SINGLE = "model.safetensors"
_ALWAYS = ("config.json", "README.md")


def fetch_hub(
    model: str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    known: Callable[[str], Files | None] | None = None,
) -> Files:
    """The files of a repository at a revision.

    Args:
        model: the Hub id, perhaps with one of its GGUF files
            (:func:`hfkv.source.model_name.split_rendering`).
        revision: branch, tag, ref, short or full commit.
        token: as in :func:`hfkv.source.identity.find_token`.
        known: gives the files of a commit that were read before. Where given, the commit alone is
            asked first, as all else is likely known.

    Raises:
        NotFoundError: no such repository or revision.
        GatedError: it asks for a login, or for its conditions to be accepted.
        NetworkError: the Hub could not be reached, or what answered was not the Hub.
        HeaderError: a safetensors header is malformed.
    """
    with session() as net:
        named, rendering = split_rendering(model)
        repository = Repository(named, revision, token, net)
        say(f"asking for {model}")
        listing: Listing | None = None
        if known is not None:
            listing = repository.listing()
            stored = known(listing.commit)
            if stored is not None:
                return stored
        return _Fetch(repository, net, listing, rendering).files()


def fetch_card_text(
    model: str, *, revision: str | None = None, token: str | bool | None = None
) -> tuple[str, str | None]:
    """The card of a repository and the commit it was read at."""
    with session() as net:
        found = Repository(model, revision, token, net).text("README.md")
    if found is None:
        raise NotFoundError("has no model card (README.md)", where=model)
    return found.body.decode("utf-8", "replace"), found.commit


class _Fetch:
    """The requests for one repository, from those that need nothing to those that need others."""

    def __init__(
        self,
        repository: Repository,
        net: Net,
        listing: Listing | None,
        rendering: str | None,
    ) -> None:
        self._repository = repository
        self._rendering = rendering
        self._net = net
        #: The commit where it is known from the start; a branch's name may move under us.
        pinned = repository.revision if is_commit(repository.revision) else None
        self._at = at = pinned if listing is None else listing.commit
        self._listing = listing
        self._head = _Once()
        self._whole: Future[Answer] | None = None
        if listing is None:
            self._asked = net.submit(repository.listing)
            if repository.moves_with_main and rendering is None:
                self._whole = net.submit(self._ask_whole, self._head, True)
        elif repository.moves_with_main and rendering is None and _SINGLE not in listing.names:
            self._whole = net.submit(self._ask_whole, self._head, False)
        wanted = [name for name in _ALWAYS if listing is None or name in listing.names]
        self._texts = {name: net.submit(repository.text, name, at) for name in wanted}
        self._single: Future[Header] | None = None
        if rendering is None and (listing is None or _SINGLE in listing.names):
            self._single = net.submit(repository.header, _SINGLE, at)

    def files(self) -> Files:
        from hfkv.source.weight_files import no_config

        repository = self._repository
        # The list says which errors are the repository's own, so it is heard first.
        listing = self._asked.result() if self._listing is None else self._listing
        for name in SIDE_FILES:
            if name in listing.names:
                self._texts[name] = self._net.submit(repository.text, name, listing.commit)
        found = self._weights(listing)
        texts = {**self._read_texts(listing), **found.texts}
        missing = {"tensors": found.reason} if found.reason else {}
        if "config.json" not in texts:
            missing["config.json"] = no_config(listing.names)
        if "README.md" not in texts:
            missing["README.md"] = "the repository has no model card (README.md)"
        notes = [*found.notes]
        if listing.id.lower() != repository.model.lower():
            notes.append(f"the repository was renamed: it is {printable(listing.id)} now")
        return Files(
            model=repository.model + (f":{self._rendering}" if self._rendering else ""),
            source="hub",
            revision=repository.revision,
            commit=listing.commit,
            created=listing.created,
            texts=texts,
            tensors=found.tensors,
            missing=missing,
            notes=tuple(notes),
            settled=found.settled,
        )

    def _weights(self, listing: Listing) -> Weights:
        from hfkv.source.hub_weights import HubReader
        from hfkv.source.other_formats import Weights, from_gguf, other_weights
        from hfkv.source.weight_files import choose_weights

        repository, names = self._repository, sorted(listing.names)
        reader = HubReader(repository, self._net, listing.commit)
        if self._rendering is not None:
            found = from_gguf(names, reader=reader, where=repository.model, wanted=self._rendering)
            assert found is not None  # or it was said not to be there
            return found
        weights, reason = choose_weights(
            listing.names, where=repository.model, index=self._index(listing)
        )
        if weights:
            return Weights(tensors=self._tensors(weights, listing))
        return other_weights(
            names, reason, commit=listing.commit, reader=reader, where=repository.model
        )

    def _index(self, listing: Listing) -> bytes | None:
        """The index of shards, where their names alone do not tell; it costs one round more."""
        from hfkv.source.weight_files import INDEX, needs_index

        if not needs_index(listing.names):
            return None
        text = self._repository.text(INDEX, listing.commit)
        if text is None:
            raise self._repository.missing_file(INDEX)
        return text.body

    def _read_texts(self, listing: Listing) -> dict[str, bytes]:
        found: dict[str, Text | None] = {}
        again: dict[str, Future[Text | None]] = {}
        for name, job in self._texts.items():
            if name not in listing.names:
                continue
            found[name] = text = job.result()
            # Asked by the branch's name, and the branch may have moved between two answers.
            if self._at is None and (text is None or text.commit != listing.commit):
                again[name] = self._net.submit(self._repository.text, name, listing.commit)
        for name, job in again.items():
            found[name] = job.result()
        lacking = next((name for name, text in found.items() if text is None), None)
        if lacking is not None:
            raise self._repository.missing_file(lacking)
        return {name: text.body for name, text in found.items() if text is not None}

    # -- headers ---------------------------------------------------------------------------

    def _tensors(self, weights: list[str], listing: Listing) -> TensorTable:
        from hfkv.source.hub_weights import HubReader, add_file

        if weights == [_SINGLE] and self._single is not None:
            header = self._first(self._single, listing)
            if header is not None:
                builder = TableBuilder()
                add_file(self._repository, _SINGLE, header, builder)
                return builder.table()
        found = self._from_one_answer(weights, listing)
        if found is not None:
            return found.table()
        return HubReader(self._repository, self._net, listing.commit).safetensors(weights)

    def _first(self, job: Future[Header], listing: Listing) -> Header | None:
        """What was asked before the commit was known, if it is of that commit."""
        try:
            header = job.result()
        except (MissingFileError, HeaderError):
            return None
        return header if self._at or header.commit == listing.commit else None

    def _ask_whole(self, head: _Once, early: bool) -> Answer:
        try:
            return self._repository.all_headers(head.give, early)
        finally:
            head.give(None)  # it failed: nobody need wait for it

    def _from_one_answer(self, weights: list[str], listing: Listing) -> TableBuilder | None:
        """What the one request for all headers gave, if it answered in time for this commit."""
        if self._whole is None or weights == [_SINGLE]:
            return None
        status = self._head.wait(limits.LIMITS.hedge)
        if status == 0:
            # It does not name its commit: only asked after one list and before another, which
            # agree, is it known.
            head = _Once()
            self._whole = self._net.submit(self._ask_whole, head, False)
            status = head.wait(limits.LIMITS.hedge)
        if status not in (None, 200) or (status is None and not self._whole.done()):
            return None
        try:
            answer = self._whole.result()
            if answer.status != 200:
                return None
            commit = answer.commit or self._repository.listing().commit
        except HfkvError:
            return None
        # Another host's word for it is nobody's: it is not said how long the answer is.
        if commit != listing.commit or not answer.home:
            return None
        from hfkv.source.safetensors_quick import read_headers

        return read_headers(answer.body, files=set(weights), where=self._repository.model)


class _Once:
    """A value that another thread gives, once."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._value: Any = None

    def give(self, value: Any) -> None:
        """Set it, if it was not."""
        if not self._event.is_set():
            self._value = value
            self._event.set()

    def wait(self, seconds: float) -> Any:
        """The value, or None where it has not come in time."""
        return self._value if self._event.wait(seconds) else None
