"""The network of a page in a browser: its ``fetch``, which nothing there can wait for.

A page has one thread, and what blocks it never hears an answer. So a call is done in turns. Where
it needs an answer that is not there, the turn ends (:class:`Waiting`); all that was asked for
until then goes out at once, and the call begins anew with what came back. It asks the same again,
so it is the code that reads over sockets, unchanged, and the rounds are the same.

A browser follows redirects by itself and shows only the last answer: what the Hub says as it
redirects (the commit, the linked size and ETag) is not seen, and not made up. It takes the token
off a request that leaves for another origin, as :mod:`hfkv.source.session` does.

Source: https://fetch.spec.whatwg.org (HTTP-redirect fetch, CORS-exposed header names).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar
from urllib.parse import urlsplit

from hfkv.errors import NetworkError
from hfkv.reading import printable
from hfkv.source import limits
from hfkv.source.net import LINKED, TRY_AGAIN, Answer
from hfkv.source.origin import origin_of
from hfkv.source.progress import say
from hfkv.source.retry_after import asked_wait

__all__ = ["AtOnce", "Fetch", "FetchError", "Session", "Waiting", "js_fetch"]

_T = TypeVar("_T")
#: What a page may not say of itself, and the browser says in its place.
_ITS_OWN = ("user-agent", "accept-encoding")


class Waiting(BaseException):
    """Ends a turn: an answer is needed that is still to be asked for. No error, so none's to
    catch."""


class FetchError(Exception):
    """No answer, or not all of it. A page is never told why."""


class AtOnce:
    """In the place of :class:`hfkv.source.workers.Workers` where there are no threads."""

    def submit(self, job: Callable[..., _T], *arguments: Any) -> Future[_T]:
        """Do ``job(*arguments)`` now, and keep how it ended."""
        future: Future[_T] = Future()
        try:
            future.set_result(job(*arguments))
        except BaseException as error:
            future.set_exception(error)
        return future

    def close(self, wait: float = 0.0) -> None:
        """Nothing is under way."""


class Headers(Mapping[str, str]):
    """Header names, in any case, to values."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._values = {name.lower(): value for name, value in pairs.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What ``fetch`` gave: the last answer's address, status, headers, and the body so far."""

    url: str
    status: int
    headers: Headers
    body: bytes


#: ``fetch(url, headers, enough)``: ``enough`` is called with the status, headers and body so far,
#: first with an empty body, and once it is true no more is read. Raises FetchError.
Fetch = Callable[
    [str, Mapping[str, str], Callable[[int, Headers, bytearray], bool]], Awaitable[Fetched]
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    url: str
    where: str
    headers: Mapping[str, str]
    limit: int
    wanted: Callable[[bytearray], int] | None
    on_head: Callable[[int, Mapping[str, str]], None] | None


_Key = tuple[str, str, int]


class Session:
    """One call's requests, shared by all models that it reads; a :class:`hfkv.source.net.Net`."""

    def __init__(self, fetch: Fetch | None = None) -> None:
        self._fetch = js_fetch if fetch is None else fetch
        #: By address, range, and the how-many-th time of asking in one turn.
        self._answers: dict[_Key, Answer | NetworkError] = {}
        self._asked: dict[_Key, _Asked] = {}
        self._times: Counter[tuple[str, str]] = Counter()
        self._in_turns = False
        self._waited = 0.0

    def submit(self, job: Callable[..., _T], *arguments: Any) -> Future[_T]:
        """Do a job now; one that waits says so where its result is wanted."""
        return AtOnce().submit(job, *arguments)

    def cancel(self) -> None:
        """Nothing goes on beside :meth:`complete`, which is what can be cancelled."""

    def close(self) -> None:
        """There is nothing to give back."""

    async def complete(self, read: Callable[[], _T]) -> _T:
        """``read()``, begun anew until it needs no answer more."""
        self._in_turns = True
        while True:
            self._times.clear()
            try:
                return read()
            except Waiting:
                await self._ask()

    # -- within a turn ---------------------------------------------------------------------

    def get(
        self,
        url: str,
        *,
        where: str,
        limit: int,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        wanted: Callable[[bytearray], int] | None = None,
        on_head: Callable[[int, Mapping[str, str]], None] | None = None,
    ) -> Answer:
        """As :meth:`hfkv.source.net.Net.get` has it; raises Waiting where there is no answer."""
        if not self._in_turns:
            raise NetworkError(
                "what runs in a browser cannot stand still until the Hub answers",
                where=where,
                hint="await hfkv.aload(...), or use source='snapshot'",
            )
        said = {
            name: text for name, text in (headers or {}).items() if name.lower() not in _ITS_OWN
        }
        if token is not None:
            said["Authorization"] = f"Bearer {token}"
        same = url, said.get("Range", "")
        self._times[same] += 1
        key = (*same, self._times[same])
        found = self._answers.get(key)
        if found is None:
            self._asked[key] = _Asked(
                url=url, where=where, headers=said, limit=limit, wanted=wanted, on_head=on_head
            )
            raise Waiting
        if isinstance(found, NetworkError):
            raise found
        if on_head is not None:
            on_head(found.status, found.headers)
        return found

    # -- between turns ---------------------------------------------------------------------

    async def _ask(self) -> None:
        """Ask all at once what the turn noted."""
        asked, self._asked = self._asked, {}
        say(f"{len(self._answers)} of {len(self._answers) + len(asked)} answers")
        jobs = [asyncio.ensure_future(self._answer(item)) for item in asked.values()]
        try:
            answers = await asyncio.gather(*jobs)
        except BaseException:
            for job in jobs:
                job.cancel()
            raise
        self._answers.update(zip(asked, answers, strict=True))

    async def _answer(self, asked: _Asked) -> Answer | NetworkError:
        """The answer to one request, or why there is none."""
        bounds = limits.LIMITS
        tries = 0
        while True:
            pause = bounds.pause * 2**tries
            try:
                found = await asyncio.wait_for(self._once(asked), bounds.whole)
            except (FetchError, asyncio.TimeoutError) as error:
                if tries >= bounds.retries:
                    what = str(error) or "the answer took too long"
                    return _failed(asked, what, "check the connection; bundled models need none")
            else:
                asks = asked_wait(found.headers)
                held = found.status == 429 or (found.status == 503 and asks is not None)
                if held:
                    pause = max(asks or 0.0, 4 * pause)
                    self._waited += pause
                    if self._waited > bounds.patience:
                        return NetworkError(
                            f"the Hub answered {found.status}: it asks to wait {pause:.0f} s",
                            where=asked.where,
                            hint="try again then; a token raises the limit",
                        )
                    say(f"the Hub asks to wait {pause:.0f} s")
                elif found.status not in TRY_AGAIN or tries >= bounds.retries:
                    long = len(found.body) > asked.limit and asked.wanted is None
                    if long and found.status < 300:
                        return _failed(asked, f"an answer of more than {asked.limit} bytes", "")
                    return _read(asked, found)
            tries += 1
            await asyncio.sleep(pause)

    async def _once(self, asked: _Asked) -> Fetched:
        def enough(status: int, headers: Headers, body: bytearray) -> bool:
            if status >= 300:
                return len(body) >= limits.LIMITS.error
            if not body and asked.on_head is not None:
                asked.on_head(status, headers)
            if asked.wanted is None:
                return len(body) > asked.limit
            return len(body) >= min(asked.limit, asked.wanted(body))

        return await self._fetch(asked.url, asked.headers, enough)


def _read(asked: _Asked, found: Fetched) -> Answer:
    """The answer, of a body as long as was wanted."""
    home = origin_of(found.url) == origin_of(asked.url)
    headers, body = found.headers, found.body
    if asked.wanted is not None and found.status < 300:
        body = body[: min(asked.limit, asked.wanted(bytearray(body)))]
    if found.status == 206 and "Content-Range" not in headers:
        # Every such answer has it, and not every server lets a page see it. That the range begins
        # where it was asked to is what the status says; how long the file is stays unknown.
        begin = int(asked.headers["Range"].removeprefix("bytes=").partition("-")[0])
        there = f"bytes {begin}-{begin + max(len(body), 1) - 1}/*"
        headers = Headers({**headers, "Content-Range": there})
    return Answer(
        status=found.status,
        headers=headers,
        body=body,
        url=found.url,
        home=home,
        commit=headers.get("X-Repo-Commit") if home else None,
        redirected=found.url != asked.url,
        linked={name: headers[name] for name in LINKED if home and name in headers},
    )


def _failed(asked: _Asked, what: str, hint: str) -> NetworkError:
    parts = urlsplit(asked.url)
    return NetworkError(
        f"the Hub could not be read at {parts.scheme}://{parts.netloc}: {printable(what)}",
        where=asked.where,
        hint=hint,
    )


async def js_fetch(
    url: str, headers: Mapping[str, str], enough: Callable[[int, Headers, bytearray], bool]
) -> Fetched:
    """:data:`Fetch` by the browser's own, of which pyodide's ``js`` is the way there.

    Neither cookies nor the page's address are sent: the token that was given is the only login.
    """
    js: Any = import_module("js")
    to_js = import_module("pyodide.ffi").to_js
    control = js.AbortController.new()
    options = {
        "headers": dict(headers),
        "credentials": "omit",
        "referrerPolicy": "no-referrer",
        "signal": control.signal,
    }
    body = bytearray()
    try:
        response = await js.fetch(url, to_js(options, dict_converter=js.Object.fromEntries))
        said = Headers(dict(js.Object.fromEntries(response.headers).to_py()))
        status, final = int(response.status), str(response.url or url)
        if not enough(status, said, body) and response.body:
            reader = response.body.getReader()
            while not (part := await reader.read()).done:
                body += part.value.to_bytes()
                if enough(status, said, body):
                    break
    except import_module("pyodide.ffi").JsException as error:
        if not js.navigator.onLine:
            raise FetchError("this browser is offline") from None
        raise FetchError(str(error)) from None
    finally:
        # Also where this was cancelled; what has ended does not mind.
        control.abort()
    return Fetched(url=final, status=status, headers=said, body=bytes(body))
