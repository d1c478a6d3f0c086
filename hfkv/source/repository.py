"""One repository at one revision: its file list, small files, and parts of large ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote, urljoin, urlsplit

from hfkv.errors import HeaderError, HfkvError, NetworkError, NotFoundError
from hfkv.reading import describe, parse_json_object, printable
from hfkv.source import limits
from hfkv.source.files import is_commit
from hfkv.source.hub_errors import MissingFileError, check, not_the_hub
from hfkv.source.identity import find_token, user_agent
from hfkv.source.model_name import is_id
from hfkv.source.net import Answer, Net
from hfkv.source.origin import origin_of
from hfkv.source.safetensors_header import LARGEST_HEADER, header_length

__all__ = ["Header", "Listing", "Repository", "Text"]

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)")
#: From so many files on, the repository's page may name only a part of them.
_PAGE = 1000
_MOST_PAGES = 1000
#: Further ranges that one header may need: a server may give less than was asked.
_MORE_RANGES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A repository at one commit: its canonical id, the commit, the names of all files; and when
    the repository was made, where the Hub says."""

    id: str
    commit: str
    names: frozenset[str]
    created: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A small file's content and the commit that the server said it is of; None: it did not."""

    body: bytes
    commit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The JSON of a safetensors header, the bytes of data after it, and its commit, if known."""

    raw: bytes
    data_size: int | None
    commit: str | None


class Repository:
    """One repository of the endpoint, asked over one session.

    Raises:
        NetworkError: the endpoint is no address.
    """

    def __init__(
        self, model: str, revision: str | None, token: str | bool | None, session: Net
    ) -> None:
        from huggingface_hub import constants

        self.model = model
        self.revision = revision or constants.DEFAULT_REVISION
        self.moves_with_main = self.revision == constants.DEFAULT_REVISION
        self.endpoint = constants.ENDPOINT.rstrip("/")
        self._token = find_token(token)
        self._headers = {"User-Agent": user_agent()}
        self._session = session
        #: Where the redirect for a file led, and its size.
        self._led: dict[tuple[str, str], tuple[Answer, int | None]] = {}
        #: By commit and name, the sizes that the list of files gave.
        self._sizes: dict[tuple[str, str], int] = {}
        try:
            origin_of(self.endpoint)
        except ValueError:
            raise NetworkError(
                "HF_ENDPOINT is not an address",
                where=printable(self.endpoint),
                expected="one such as https://huggingface.co",
            ) from None

    # -- what there is ---------------------------------------------------------------------

    def listing(self) -> Listing:
        """The commit that the revision stands for, and the names of all its files."""
        where = f"{self.model}: file list"
        answer = self._api(f"revision/{quote(self.revision, safe='')}")
        try:
            value = parse_json_object(answer.body, where=where)
        except HfkvError as error:
            raise self._not_the_hub(str(error)) from None
        commit, siblings, name = value.get("sha"), value.get("siblings"), value.get("id")
        if not isinstance(commit, str) or not is_commit(commit):
            raise self._not_the_hub(f"{where}: sha: found {describe(commit)}")
        if is_commit(self.revision) and commit != self.revision:
            raise self._not_the_hub(f"{where}: sha: another commit than was asked for")
        if not isinstance(siblings, list):
            raise self._not_the_hub(f"{where}: siblings: found {describe(siblings)}")
        names = {
            item["rfilename"]
            for item in siblings
            if isinstance(item, dict) and isinstance(item.get("rfilename"), str)
        }
        if len(siblings) >= _PAGE:
            names |= self._tree(commit)
        known = name if isinstance(name, str) and is_id(name) else self.model
        created = value.get("createdAt")
        return Listing(
            id=known,
            commit=commit,
            names=frozenset(names),
            created=printable(created, 40) if isinstance(created, str) else None,
        )

    def _tree(self, commit: str) -> set[str]:
        """The names of all files by the paged list, which is complete however many there are."""
        where = f"{self.model}: file list"
        names: set[str] = set()
        answer = self._api(f"tree/{commit}?recursive=true")
        for _ in range(_MOST_PAGES):
            try:
                page = json.loads(answer.body)
            except (ValueError, RecursionError):
                raise self._not_the_hub(f"{where}: not JSON") from None
            if not isinstance(page, list):
                raise self._not_the_hub(f"{where}: found {describe(page)}")
            for item in page:
                if not isinstance(item, dict) or not isinstance(item.get("path"), str):
                    continue
                if item.get("type") == "file":
                    names.add(item["path"])
                    if type(item.get("size")) is int:
                        self._sizes[commit, item["path"]] = item["size"]
            following = re.search(r'<([^<>]*)>\s*;\s*rel="next"', answer.headers.get("Link", ""))
            if following is None:
                return names
            try:
                url = urljoin(answer.url, following[1])
                same = origin_of(url) == origin_of(answer.url)
            except ValueError:
                same = False
            if not same or "/api/models/" not in urlsplit(url).path:
                raise self._not_the_hub(f"{where}: its next page is {following[1]}")
            answer = self._get(url, limit=limits.LIMITS.text, token=answer.home)
        raise self._not_the_hub(f"{where}: more than {_MOST_PAGES} pages")

    # -- small files -----------------------------------------------------------------------

    def text(self, name: str, commit: str | None = None) -> Text | None:
        """A small file's content, at ``commit`` or at the revision; None where there is none."""
        try:
            answer = self._get(self._url(name, commit), limit=limits.LIMITS.text)
        except MissingFileError:
            return None
        self._same(name, answer.commit, commit)
        if not answer.home:
            body = answer.body
            self._check_served(name, answer, answer.linked, len(body), commit, body)
        return Text(body=answer.body, commit=answer.commit)

    # -- headers ---------------------------------------------------------------------------

    def all_headers(self, on_head: Callable[[int], None], early: bool) -> Answer:
        """Every header of a sharded model on ``main`` in one answer, where the Hub gives that.

        Args:
            on_head: called with the status, as soon as that is known; with 0 where the answer does
                not say of which commit it is, and was asked too early to tell by other means.
            early: the commit of ``main`` was not known before this was asked. An answer that does
                not name its commit is then not read.
        """
        keep = not early

        def head(status: int, headers: Mapping[str, str]) -> None:
            nonlocal keep
            keep = keep or "X-Repo-Commit" in headers
            on_head(status if keep or status != 200 else 0)

        most = limits.LIMITS.headers
        return self._session.get(
            f"{self.endpoint}/api/models/{self.model}/safetensors-metadata/"
            "model.safetensors.index.json",
            where=self.model,
            limit=most,
            token=self._token,
            headers=self._headers,
            on_head=head,
            wanted=lambda _: most if keep else 0,
        )

    def header(self, name: str, commit: str | None = None) -> Header:
        """The header of a safetensors file, from its first bytes; the rest is never read.

        Raises:
            MissingFileError: the repository has no such file.
            HeaderError: its length cannot be that of a header.
        """
        where = f"{self.model}: {printable(name)}"
        first = limits.LIMITS.first
        answer, raw, size = self._range(
            self._url(name, commit),
            name,
            0,
            first,
            commit=commit,
            wanted=_up_to_header,
            limit=8 + LARGEST_HEADER,
        )
        self._same(name, answer.commit, commit)
        length = header_length(raw, where=where, file_size=size)
        for _ in range(_MORE_RANGES):
            if len(raw) >= 8 + length:
                break
            # Where the redirect led: its address is signed for this one file.
            more = self._more(answer, name, commit, len(raw), 8 + length, size)
            if not more:
                break
            raw += more
        if len(raw) < 8 + length:
            raise HeaderError(
                f"the header ends after {len(raw)} bytes", where=where, expected=f"{8 + length}"
            )
        data_size = None if size is None else size - 8 - length
        return Header(raw=raw[8 : 8 + length], data_size=data_size, commit=answer.commit)

    def _more(
        self, answer: Answer, name: str, commit: str | None, begin: int, end: int, size: int | None
    ) -> bytes:
        at = commit or answer.commit
        if answer.redirected:
            linked = None if answer.home else answer.linked
            try:
                _, raw, again = self._range(
                    answer.url, name, begin, end, commit=at, token=answer.home, linked=linked
                )
            except HfkvError:
                pass  # an address that has expired; the Hub gives a new one
            else:
                if size in (None, again):
                    return raw
        _, raw, again = self._range(self._url(name, at), name, begin, end, commit=at)
        if size is not None and again != size:
            raise self._not_the_hub(f"{name}: it had {size} bytes, then {again}")
        return raw

    def read_range(self, name: str, begin: int, end: int, commit: str) -> tuple[bytes, int | None]:
        """Bytes ``begin`` to ``end`` of a file at ``commit``, and the file's size.

        Fewer where the file ends before. Raises MissingFileError where there is no such file.
        """
        known = self._led.get((name, commit))
        if known is not None:
            answer, size = known
            return self._more(answer, name, commit, begin, end, size), size
        answer, raw, size = self._range(self._url(name, commit), name, begin, end, commit=commit)
        self._same(name, answer.commit, commit)
        self._led[name, commit] = (answer, size)
        return raw, size

    def _range(
        self,
        url: str,
        name: str,
        begin: int,
        end: int,
        *,
        commit: str | None,
        token: bool = True,
        linked: Mapping[str, str] | None = None,
        wanted: Callable[[bytearray], int] | None = None,
        limit: int | None = None,
    ) -> tuple[Answer, bytes, int | None]:
        """A range's answer, its bytes, and the size of the whole file, where that is known.

        ``linked`` is what the Hub said of the file, where ``url`` is the place it redirected to.
        """
        for tries in range(2):
            answer, raw, size = self._ask_range(url, name, begin, end, token, wanted, limit)
            if linked is None and answer.home:
                break
            said = answer.linked if linked is None else linked
            try:
                size = self._check_served(name, answer, said, size, commit)
                break
            except NetworkError:
                # It may have been a fault that passes, in what it said of its size.
                if tries:
                    raise
        return answer, raw, size

    def _ask_range(
        self,
        url: str,
        name: str,
        begin: int,
        end: int,
        token: bool,
        wanted: Callable[[bytearray], int] | None,
        limit: int | None,
    ) -> tuple[Answer, bytes, int | None]:
        answer = self._get(
            url,
            limit=end - begin if limit is None else limit,
            token=token,
            headers={"Range": f"bytes={begin}-{end - 1}"},
            wanted=wanted or (lambda _: end - begin),
            empty=True,
        )
        if answer.status == 416:
            # Nothing lies there: the file ends at or before the first byte asked for.
            found = re.fullmatch(r"bytes \*/([0-9]{1,19})", answer.headers.get("Content-Range", ""))
            if found is None or int(found[1]) > begin:
                raise self._not_the_hub(f"{name}: it refuses a range of bytes that exists")
            return answer, b"", int(found[1])
        if answer.status == 206:
            found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != begin or int(found[2]) < begin:
                raise self._not_the_hub(f"{name}: it sent a range of bytes that was not asked for")
            size = None if found[3] == "*" else int(found[3])
            if size is not None and int(found[2]) >= size:
                raise self._not_the_hub(f"{name}: it sent a range beyond the end of the file")
            return answer, answer.body[: int(found[2]) + 1 - begin], size
        # A server that ignores ranges sends the whole file: only its beginning is of use, and
        # reading has stopped there.
        if begin:
            raise self._not_the_hub(f"{name}: the server ignores ranges")
        length = answer.headers.get("Content-Length", "")
        return answer, answer.body, int(length) if re.fullmatch(r"[0-9]{1,19}", length) else None

    # -- one request -----------------------------------------------------------------------

    def _url(self, name: str, commit: str | None) -> str:
        revision = quote(commit or self.revision, safe="")
        return f"{self.endpoint}/{self.model}/resolve/{revision}/{quote(name)}"

    def at(self, reference: str) -> Repository:
        """The same repository at another revision, over the same session."""
        other = copy(self)
        other.revision, other.moves_with_main = reference, False
        return other

    def page(self, path: str) -> Answer:
        """A page of the API, by its path after the repository's, which begins with a slash.

        Raises:
            MissingFileError: it has no such page.
        """
        url = f"{self.endpoint}/api/models/{self.model}{path}"
        return self._get(url, limit=limits.LIMITS.text)

    def _api(self, path: str) -> Answer:
        url = f"{self.endpoint}/api/models/{self.model}/{path}"
        try:
            return self._get(url, limit=limits.LIMITS.text)
        except MissingFileError:
            raise self._not_the_hub(
                "it says that a file is missing, though none was asked for"
            ) from None

    def _get(
        self,
        url: str,
        *,
        limit: int,
        token: bool = True,
        headers: dict[str, str] | None = None,
        wanted: Callable[[bytearray], int] | None = None,
        empty: bool = False,
    ) -> Answer:
        answer = self._session.get(
            url,
            where=self.model,
            limit=limit,
            token=self._token if token else None,
            headers={**self._headers, **(headers or {})},
            wanted=wanted,
        )
        if not (empty and answer.status == 416):
            check(
                answer,
                endpoint=self.endpoint,
                model=self.model,
                revision=self.revision,
                token=self._token,
            )
        return answer

    def _same(self, name: str, found: str | None, asked: str | None) -> None:
        if asked is not None and found not in (None, asked):
            raise self._not_the_hub(f"{name} is of another commit than was asked for")

    def _check_served(
        self,
        name: str,
        answer: Answer,
        linked: Mapping[str, str],
        size: int | None,
        commit: str | None,
        body: bytes | None = None,
    ) -> int | None:
        """Refuse what another host than the Hub serves, if it is not the file that the Hub named.

        Args:
            name: of the file.
            answer: that host's.
            linked: what the Hub said as it redirected there.
            size: of the whole file, as that host says.
            commit: the commit of the file, where it was asked by that.
            body: the whole file, where it was read.

        Returns:
            The file's size, where either of them says it.
        """
        said = linked.get("X-Linked-Size", "")
        told = int(said) if re.fullmatch(r"[0-9]{1,19}", said) else None
        if told is None and commit is not None:
            told = self._sizes.get((commit, name))
        mine = _etag(linked.get("X-Linked-ETag"))
        theirs = _etag(answer.headers.get("ETag")) if answer.status < 300 else ""
        if body is not None and re.fullmatch(_ETAG_KINDS[0], mine):
            theirs = sha256(body).hexdigest()
        found = expected = ""
        if told is not None and size is not None and told != size:
            found, expected = f"{size} bytes", f"{told}"
        elif _comparable(mine, theirs) and theirs not in (mine, linked.get("X-Xet-Hash")):
            found, expected = f"the ETag {printable(theirs, 80)}", printable(mine, 80)
        if not found:
            return told if size is None else size
        place = urlsplit(answer.url)
        raise NetworkError(
            f"{place.scheme}://{place.netloc} serves another file than the Hub named: {found}",
            where=f"{self.model}: {printable(name)}",
            expected=f"{expected}, as the Hub says",
            hint="try again later; something between may have changed it",
        )

    def missing_file(self, name: str) -> NotFoundError:
        """The error for a file that the list names and the repository does not have."""
        return NotFoundError(
            "the file list names it, but it is not there",
            where=f"{self.model}: {printable(name)}",
            hint="try again: the repository may just be changing",
        )

    def _not_the_hub(self, what: str) -> NetworkError:
        return not_the_hub(what, endpoint=self.endpoint, model=self.model)


#: Kinds of ETag by how they are written: SHA-256, SHA-1 of git, MD5 as S3 writes it.
_ETAG_KINDS = ("[0-9a-f]{64}", "[0-9a-f]{40}", "[0-9a-f]{32}(?:-[0-9]+)?")


def _etag(text: str | None) -> str:
    """An ETag without its quotation marks; "" where there is none."""
    return (text or "").strip().removeprefix("W/").strip('"')


def _comparable(one: str, other: str) -> bool:
    """Whether two ETags of the same file would be the same.

    The Hub's is a file's SHA-256; a store such as S3 has one of its own kind, which says nothing
    of it.
    """
    kinds = [
        next((kind for kind in _ETAG_KINDS if re.fullmatch(kind, text, re.IGNORECASE)), "")
        for text in (one, other)
    ]
    return bool(one and other) and kinds[0] == kinds[1]


def _up_to_header(body: bytearray) -> int:
    """Bytes of a safetensors file that are wanted: its length, then as much as that says."""
    return 8 if len(body) < 8 else 8 + int.from_bytes(body[:8], "little")
