"""The Hub as a source: config, card, file list and safetensors headers, never weights.

Everything that does not wait for something else goes out at once: the file list beside config,
card and side files; then the first bytes of every shard. Tokens, endpoint, offline mode and user
agent are huggingface_hub's.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hfkv import __version__
from hfkv.errors import GatedError, HeaderError, HfkvError, NetworkError, NotFoundError
from hfkv.reading import describe, parse_json_object, printable
from hfkv.source.choose import (
    INDEX,
    SIDE_FILES,
    choose_weights,
    needs_index,
    no_config,
    one_table,
)
from hfkv.source.files import Files
from hfkv.source.header import header_length, parse_header
from hfkv.source.otherwise import Otherwise, otherwise
from hfkv.tensors import Tensor

if TYPE_CHECKING:
    import httpx2

__all__ = ["fetch_card_text", "fetch_hub"]

#: Most headers of shards are below this; a second range is asked for by the longer ones only.
_FIRST_BYTES = 200_000
#: Larger than any real config, card or file list.
_LARGEST_TEXT = 32 * 2**20
_CONNECTIONS = 16
#: Seconds to connect, and to wait for the next bytes.
_CONNECT, _READ = 4.0, 15.0
#: Seconds a whole answer may take: a server that drips byte by byte never meets a read timeout.
_WHOLE = 120.0
#: What is read of an error's body; the codes that matter are in its headers.
_LARGEST_ERROR = 64 * 2**10
_REPO = re.compile(r"[A-Za-z0-9][\w.\-]*(?:/[\w.\-]+)?", re.ASCII)


class _MissingFileError(Exception):
    """A file that the repository does not have."""


def fetch_hub(model: str, *, revision: str | None = None, token: str | bool | None = None) -> Files:
    """The files of a repository at a revision.

    Raises:
        NotFoundError: no such repository or revision.
        GatedError: it asks for a login, or for its conditions to be accepted.
        NetworkError: the Hub could not be reached, or what answered was not the Hub.
        HeaderError: a safetensors header is malformed.
    """
    hub = _Hub(model, revision, token)
    wanted = ("config.json", "README.md", *SIDE_FILES)
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        info_job = pool.submit(hub.info)
        text_jobs = {name: pool.submit(_or_none, hub.text, name) for name in wanted}
        # The file list says which errors are the repository's own, so it is heard first.
        try:
            commit, names = info_job.result()
            texts = {
                name: found
                for name, job in text_jobs.items()
                if (found := job.result()) is not None
            }
            # A branch may move between two answers: all of it must be of the one commit.
            hub.revision = commit
            for name in [name for name in wanted if hub.commits.get(name, commit) != commit]:
                again = _or_none(hub.text, name)
                texts.pop(name, None)
                if again is not None:
                    texts[name] = again
            index = _or_none(hub.text, INDEX) if needs_index(names) else None
            weights, reason = choose_weights(names, where=model, index=index)
            parts = list(zip(weights, pool.map(hub.header, weights), strict=True))
            other = (
                Otherwise(tensors=one_table(parts, where=model))
                if weights
                else otherwise(
                    names, reason, commit=commit, reader=_Beside(hub, token), where=model
                )
            )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    missing = {}
    if other.reason:
        missing["tensors"] = other.reason
    if "config.json" not in texts:
        missing["config.json"] = no_config(names)
    if "README.md" not in texts:
        missing["README.md"] = "the repository has no model card (README.md)"
    return Files(
        model=model,
        source="hub",
        revision=revision or "main",
        commit=commit,
        texts={**texts, **other.texts},
        tensors=other.tensors,
        missing=missing,
        notes=other.notes,
    )


def fetch_card_text(
    model: str, *, revision: str | None = None, token: str | bool | None = None
) -> tuple[str, str | None]:
    """The card of a repository and the commit it was read at."""
    hub = _Hub(model, revision, token)
    try:
        raw = hub.text("README.md")
    except _MissingFileError:
        raise NotFoundError("has no model card (README.md)", where=model) from None
    return raw.decode("utf-8", "replace"), hub.commit


def _or_none(read: Callable[[str], bytes], name: str) -> bytes | None:
    try:
        return read(name)
    except _MissingFileError:
        return None


class _Beside:
    """What ``otherwise`` asks of a repository on the Hub."""

    def __init__(self, hub: _Hub, token: str | bool | None) -> None:
        self.hub, self.token = hub, token

    def range(self, name: str, begin: int, end: int) -> tuple[bytes, int | None]:
        """Bytes of a file, and its size."""
        return self.hub._range(name, begin, end)

    def ask(self, path: str) -> Any:
        """What the API answers, or None where it has no such page."""
        url = f"{self.hub.endpoint}/api/models/{self.hub.model}{path}"
        try:
            return json.loads(self.hub.get(url, limit=_LARGEST_TEXT)[0])
        except (_MissingFileError, ValueError, RecursionError):
            return None

    def at(self, reference: str) -> tuple[list[str], Callable[[str], list[Tensor]]]:
        """The same repository at another revision."""
        other = _Hub(self.hub.model, reference, self.token)
        other.revision, names = other.info()
        return names, other.header


class _Hub:
    """One repository at one revision, over huggingface_hub's own client."""

    def __init__(self, model: str, revision: str | None, token: str | bool | None) -> None:
        from huggingface_hub import constants

        if not _REPO.fullmatch(model) or ".." in model or len(model) > 200:
            raise NotFoundError(
                f"'{printable(model)}' is neither a path that exists nor a Hub id",
                expected="an id such as meta-llama/Meta-Llama-3-70B",
            )
        if constants.HF_HUB_OFFLINE:
            raise NetworkError(
                "offline mode is on (HF_HUB_OFFLINE), so the Hub is not asked",
                where=model,
                hint="unset HF_HUB_OFFLINE, or use a directory or the local cache",
            )
        # Imported once it is needed: it brings the whole HTTP stack with it.
        from huggingface_hub.utils._headers import build_hf_headers

        self.model = model
        self.revision = revision or constants.DEFAULT_REVISION
        self.endpoint = constants.ENDPOINT.rstrip("/")
        self.headers = build_hf_headers(
            token=token, library_name="hfkv", library_version=__version__
        )
        self.commit: str | None = None
        #: By file, the commit that the server said its content is of.
        self.commits: dict[str, str] = {}

    def info(self) -> tuple[str, list[str]]:
        """The commit and the names of all files."""
        url = f"{self.endpoint}/api/models/{self.model}/revision/{quote(self.revision, safe='')}"
        try:
            raw, _ = self.get(url, limit=_LARGEST_TEXT)
        except _MissingFileError:
            raise self._not_the_hub(
                "a file is said to be missing, and none was asked for"
            ) from None
        where = f"{self.model}: file list"
        try:
            value = parse_json_object(raw, where=where)
        except HfkvError as error:
            raise self._not_the_hub(str(error)) from None
        commit, siblings = value.get("sha"), value.get("siblings")
        if not isinstance(commit, str) or not re.fullmatch(r"[0-9a-f]{40}", commit):
            raise self._not_the_hub(f"{where}: sha: found {describe(commit)}")
        if not isinstance(siblings, list):
            raise self._not_the_hub(f"{where}: siblings: found {describe(siblings)}")
        names = [
            item["rfilename"]
            for item in siblings
            if isinstance(item, dict) and isinstance(item.get("rfilename"), str)
        ]
        return commit, names

    def text(self, name: str) -> bytes:
        """A small file's content."""
        raw, response = self.get(self._url(name), limit=_LARGEST_TEXT)
        commit = response.headers.get("X-Repo-Commit")
        if commit:
            self.commit = self.commits[name] = commit
        return raw

    def header(self, name: str) -> list[Tensor]:
        """The tensors of one safetensors file, from its first bytes."""
        where = f"{self.model}: {printable(name)}"
        try:
            return self._header(name, where)
        except _MissingFileError:
            raise NotFoundError(
                "the file list names it, but it is not there",
                where=where,
                hint="try again: the repository may just be changing",
            ) from None

    def _header(self, name: str, where: str) -> list[Tensor]:
        raw, size = self._range(name, 0, _FIRST_BYTES)
        length = header_length(raw, where=where, file_size=size)
        if len(raw) < 8 + length:
            more, _ = self._range(name, len(raw), 8 + length)
            raw += more
        if len(raw) < 8 + length:
            raise HeaderError(
                f"the header ends after {len(raw)} bytes", where=where, expected=f"{8 + length}"
            )
        data_size = None if size is None else size - 8 - length
        return parse_header(raw[8 : 8 + length], where=where, data_size=data_size)[0]

    def _range(self, name: str, begin: int, end: int) -> tuple[bytes, int | None]:
        raw, response = self.get(
            self._url(name),
            headers={"Range": f"bytes={begin}-{end - 1}"},
            limit=end - begin,
            cut=True,
        )
        if response.status_code == 206:
            match = re.fullmatch(
                r"bytes ([0-9]+)-([0-9]+)/([0-9]+|\*)", response.headers.get("Content-Range", "")
            )
            if match is None or int(match.group(1)) != begin:
                raise self._not_the_hub(f"{name}: a range that was not asked for")
            return raw, None if match.group(3) == "*" else int(match.group(3))
        # A server that ignores ranges sends the whole file: only its beginning is of use, and
        # get() has stopped reading there.
        if begin:
            raise self._not_the_hub(f"{name}: the server ignores ranges")
        return raw, None

    def _url(self, name: str) -> str:
        revision = quote(self.revision, safe="")
        return f"{self.endpoint}/{self.model}/resolve/{revision}/{quote(name)}"

    # -- one request -----------------------------------------------------------------------

    def get(
        self,
        url: str,
        *,
        limit: int,
        headers: dict[str, str] | None = None,
        cut: bool = False,
    ) -> tuple[bytes, httpx2.Response]:
        """GET with redirects followed, at most ``limit`` bytes of body read.

        A longer body is cut there with ``cut``, and an error without.
        """
        import httpx2
        from huggingface_hub.utils._http import get_session

        try:
            with get_session().stream(
                "GET",
                url,
                headers={**self.headers, "Accept-Encoding": "identity", **(headers or {})},
                follow_redirects=True,
                timeout=httpx2.Timeout(_READ, connect=_CONNECT),
            ) as response:
                self._check(response)
                # Nothing packed was asked for, and unpacking is what a bomb waits for.
                encoding = response.headers.get("Content-Encoding", "identity")
                if encoding.strip().lower() not in ("", "identity"):
                    raise self._not_the_hub(f"{url}: unasked Content-Encoding {encoding}")
                body = bytearray()
                latest = time.monotonic() + _WHOLE
                for chunk in response.iter_raw():
                    body += chunk
                    if time.monotonic() > latest:
                        raise NetworkError(
                            f"the answer took more than {_WHOLE:.0f} s", where=self.model
                        )
                    if len(body) > limit:
                        if not cut:
                            raise self._not_the_hub(f"{url}: more than {limit} bytes")
                        break
                return bytes(body[:limit]), response
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            if isinstance(error, HfkvError):
                raise
            raise NetworkError(
                f"the Hub could not be reached at {self.endpoint}: "
                f"{type(error).__name__}: {printable(self._without_token(str(error)))}",
                where=self.model,
                hint="check the connection or HF_ENDPOINT; a directory works offline",
            ) from None

    def _check(self, response: httpx2.Response) -> None:
        """Turn an error answer into the error it means, as huggingface_hub does."""
        from huggingface_hub import errors
        from huggingface_hub.utils._http import hf_raise_for_status

        if response.status_code < 400:
            return
        page = f"{self.endpoint}/{self.model}"
        try:
            hf_raise_for_status(_shortened(response))
        except errors.GatedRepoError:
            raise GatedError(
                "the repository is gated and this login has no access",
                where=self.model,
                hint=f"ask for access at {page} and run hf auth login",
            ) from None
        except errors.RevisionNotFoundError:
            raise NotFoundError(
                f"has no revision '{printable(self.revision)}'",
                where=self.model,
                hint=f"see the branches and tags at {page}/tree/main",
            ) from None
        except errors.RepositoryNotFoundError:
            raise NotFoundError(
                "no such repository on the Hub, or it is private",
                where=self.model,
                hint="check the id; for a private one run hf auth login",
            ) from None
        except errors.EntryNotFoundError:
            raise _MissingFileError from None
        except errors.HfHubHTTPError as error:
            status = response.status_code
            if status in (401, 403):
                raise GatedError(
                    f"the Hub refused access ({status})",
                    where=self.model,
                    hint=f"see {page} and run hf auth login",
                ) from None
            said = self._without_token((str(error).splitlines() or [""])[0])
            retry = response.headers.get("Retry-After", "")
            raise NetworkError(
                f"the Hub answered {status}: {printable(said)}",
                where=self.model,
                hint=f"try again in {printable(retry, 20)} s" if retry else "try again later",
            ) from None

    def _without_token(self, text: str) -> str:
        """The HTTP stack quotes a header that it refuses to send, and the token is in one."""
        for name, value in self.headers.items():
            if name.lower() == "authorization":
                for secret in (value, value.removeprefix("Bearer ")):
                    # Quoted as bytes, so also as repr writes it.
                    text = text.replace(repr(secret)[1:-1], "***").replace(secret, "***")
        return text

    def _not_the_hub(self, what: str) -> NetworkError:
        return NetworkError(
            f"what answered at {self.endpoint} is not the Hub: {printable(what)}",
            where=self.model,
            hint="a sign-in page or a proxy may stand between; check HF_ENDPOINT",
        )


def _shortened(response: httpx2.Response) -> httpx2.Response:
    """An error answer with at most the beginning of its body, still packed if it was."""
    import httpx2

    body = bytearray()
    for chunk in response.iter_raw(4096):
        body += chunk
        if len(body) >= _LARGEST_ERROR:
            break
    kept = [
        (name, value)
        for name, value in response.headers.multi_items()
        if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
    ]
    return httpx2.Response(
        response.status_code, headers=kept, content=bytes(body), request=response.request
    )
