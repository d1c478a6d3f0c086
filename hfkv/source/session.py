"""One call's use of the network: connections, threads, waiting, tries, redirects, the token.

Everything that a server sends is untrusted. What is promised of every answer: it ends within
:class:`hfkv.source.limits.Limits`, in time and in size; it is whole; the token went to the
endpoint's own scheme, host and port and to nowhere else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from hfkv.errors import NetworkError
from hfkv.reading import printable
from hfkv.source import limits
from hfkv.source.connections import Connections, FaultError, RefusedError, Request
from hfkv.source.meter import Meter, kind_of
from hfkv.source.net import LINKED, TRY_AGAIN, Answer
from hfkv.source.origin import Origin, origin_of
from hfkv.source.progress import say
from hfkv.source.retry_after import asked_wait, spent
from hfkv.source.workers import Workers

__all__ = ["Session"]

_T = TypeVar("_T")
_REDIRECTS = (301, 302, 303, 307, 308)


class Session:
    """Connections and threads of one call, shared by all models that it reads.

    Args:
        patience: seconds to wait, in all, because the server asked to; that of the limits unless
            given.
        meter: told of every answer.
    """

    def __init__(self, *, patience: float | None = None, meter: Meter | None = None) -> None:
        self._patience, self._meter = patience, meter
        self._lock = threading.Lock()
        self._connections = Connections()
        self._workers = Workers(_most_connections())
        self._stop = threading.Event()
        #: By origin and kind of address, when a server that asked to wait may be asked again.
        self._gates: dict[tuple[Origin, str], float] = {}
        self._waited = 0.0
        self._asked = self._answered = 0

    def submit(self, job: Callable[..., _T], *arguments: Any) -> Future[_T]:
        """Have a job done beside this thread."""
        return self._workers.submit(job, *arguments)

    def cancel(self) -> None:
        """End all requests now; they fail, and no more are made. From any thread."""
        self._stop.set()
        self._connections.cut()

    def close(self) -> None:
        """End what is still under way and close every connection."""
        self.cancel()
        self._workers.close(wait=1.0)
        self._connections.close()

    # -- one request -----------------------------------------------------------------------

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
        """As :meth:`hfkv.source.net.Net.get` has it."""
        bounds = limits.LIMITS
        until = time.monotonic() + bounds.whole
        asked = Request(dict(headers or {}), token, limit, wanted, on_head)
        tries = refusals = 0
        with self._lock:
            self._asked += 1
        while True:
            try:
                until += self._pass_gate(url)
                answer = self._follow(url, asked, until)
            except FaultError as fault:
                tries += 1
                left = until - time.monotonic()
                pause = bounds.pause * 2 ** (tries - 1)
                if tries > bounds.retries or left < pause:
                    raise self._failed(url, str(fault), where) from None
                self._sleep(pause, where)
                continue
            except RefusedError as refused:
                raise self._failed(url, str(refused), where) from None
            asks = asked_wait(answer.headers)
            if answer.status == 429 or (answer.status == 503 and asks is not None):
                refusals += 1
                # A server that names no time, or none at all, is given longer each time.
                backing_off = 4 * bounds.pause * 2 ** (refusals - 1)
                self._hold(url, max(asks or 0.0, backing_off), where)
                continue
            if answer.status in TRY_AGAIN and tries < bounds.retries:
                tries += 1
                self._sleep(bounds.pause * 2 ** (tries - 1), where)
                continue
            remaining = spent(answer.headers)
            if remaining and answer.status < 400:
                self._hold(url, remaining, where, strict=False)
            with self._lock:
                self._answered += 1
                progress = f"{self._answered} of {self._asked} answers"
            say(progress)
            return answer

    def _follow(self, url: str, asked: Request, until: float) -> Answer:
        home: Origin | None = None
        commit: str | None = None
        linked: dict[str, str] = {}
        at_home = True
        for hop in range(limits.LIMITS.redirects + 1):
            try:
                origin = origin_of(url)
            except ValueError:
                raise RefusedError(f"{printable(url, 80)} is not an address") from None
            home = home or origin
            # Once a redirect has led away, the token stays behind, also if another leads back.
            at_home = at_home and origin == home
            headers = {"Accept-Encoding": "identity", **asked.headers}
            if at_home and asked.token is not None:
                headers["Authorization"] = f"Bearer {asked.token}"
            status, said, body = self._connections.exchange(origin, url, headers, asked, until)
            if self._meter is not None and at_home:
                self._meter.note(url, said)
            if at_home:
                commit = commit or said.get("X-Repo-Commit")
                linked.update({name: said[name] for name in LINKED if name in said})
            target = said.get("Location")
            if status not in _REDIRECTS or not target:
                return Answer(
                    status=status,
                    headers=said,
                    body=body,
                    url=url,
                    home=at_home,
                    commit=commit,
                    redirected=hop > 0,
                    linked=linked,
                )
            try:
                target = urljoin(url, target)
                scheme = urlsplit(target).scheme
            except ValueError:
                raise RefusedError(f"redirected to {printable(target, 80)}") from None
            if scheme not in ("http", "https") or (origin.scheme == "https" and scheme == "http"):
                raise RefusedError(f"redirected from {origin.scheme} to {printable(target, 80)}")
            url = target
        raise RefusedError(f"redirected more than {limits.LIMITS.redirects} times")

    # -- waiting ---------------------------------------------------------------------------

    def _hold(self, url: str, seconds: float, where: str, *, strict: bool = True) -> None:
        """Ask nothing of this kind for ``seconds``; with ``strict``, an error beyond patience."""
        patience = limits.LIMITS.patience if self._patience is None else self._patience
        now = time.monotonic()
        gate = _gate(url)
        with self._lock:
            begin = max(now, self._gates.get(gate, now))
            more = max(0.0, now + seconds - begin)
            bearable = self._waited + more <= patience
            if bearable:
                self._waited += more
                self._gates[gate] = begin + more
        if not bearable and strict:
            raise NetworkError(
                f"the Hub answered 429: it asks to wait {seconds:.0f} s",
                where=where,
                expected=f"at most {patience:.0f} s of waiting in all",
                hint="try again then; a login (hf auth login) raises the limit",
            )
        if bearable and more > 1:
            say(f"the Hub asks to wait {seconds:.0f} s")

    def _pass_gate(self, url: str) -> float:
        """Wait until this kind may be asked; the seconds that took."""
        begin = time.monotonic()
        while True:
            with self._lock:
                left = self._gates.get(_gate(url), 0.0) - time.monotonic()
            if left <= 0:
                return time.monotonic() - begin
            if self._stop.wait(left):
                raise RefusedError("stopped")

    def _sleep(self, seconds: float, where: str) -> None:
        if self._stop.wait(seconds):
            raise NetworkError("stopped", where=where)

    def _failed(self, url: str, what: str, where: str) -> NetworkError:
        parts = urlsplit(url)
        if self._stop.is_set():
            return NetworkError("stopped", where=where)
        return NetworkError(
            f"the Hub could not be read at {parts.scheme}://{parts.netloc}: {printable(what)}",
            where=where,
            hint="check the connection or HF_ENDPOINT; a directory works offline",
        )


def _gate(url: str) -> tuple[Origin, str]:
    return origin_of(url), kind_of(url)


def _most_connections() -> int:
    most = limits.LIMITS.connections
    try:
        import resource
    except ImportError:
        return most
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    # Some shells allow 256 files; half of them are left to whoever else is in the process.
    return most if allowed == resource.RLIM_INFINITY else max(4, min(most, allowed // 2))
