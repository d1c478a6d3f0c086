"""Many models at once: overlapped, within limits, each failure beside the successes."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import hfkv as library
from hfkv.errors import HfkvError, NetworkError
from hfkv.source import fetch, limits
from hfkv.source.many_models import session
from hfkv.source.progress import listening
from hfkv.source.retry_after import asked_wait, spent
from hfkv.source.workers import Workers
from tests.conftest import LLAMA, fetch_many
from tests.hub.server import Hub, Repo

Run = Callable[..., tuple[int, str, str]]
CONFIG = b'{"model_type": "llama"}'


@pytest.fixture
def fifty(hub: Hub) -> list[str]:
    names = [f"acme/model-{number}" for number in range(50)]
    for name in names:
        hub.repos[name] = Repo(files={"config.json": CONFIG, "README.md": b"#"})
    return names


def _threads() -> int:
    return sum(thread.name == "hfkv" for thread in threading.enumerate())


def test_fifty_models_overlap_and_failures_stay_beside(hub: Hub, fifty: list[str]) -> None:
    # The first are answered when so many have come that no one model can ask them.
    hub.together = (60,)
    fifty[7], fifty[30] = "acme/none", "not a model!"
    found = library.load_many(fifty)
    assert hub.apart == 0
    kinds = [type(item).__name__ for item in found]
    assert kinds[7] == kinds[30] == "NotFoundError"
    assert kinds.count("Model") == 48
    assert [item.model for item in found if isinstance(item, library.Model)] == [
        name for name in fifty if name.startswith("acme/model-")
    ]


def test_no_more_than_the_limit_at_once(
    hub: Hub, fifty: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, connections=4))
    at_once, most, lock = 0, 0, threading.Lock()

    def count(handler: Any) -> bool:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.002)
        handler.protocol()
        with lock:
            at_once -= 1
        return True

    hub.hook = count
    assert not any(isinstance(item, HfkvError) for item in fetch_many(fifty[:12]))
    assert most <= 4


def test_connections_are_used_again(hub: Hub, fifty: list[str]) -> None:
    opened = set()

    def note(handler: Any) -> bool:
        opened.add(handler.client_address)
        return False

    hub.hook = note
    fetch_many(fifty[:20])
    assert len(opened) < len(hub.requests) / 1.5


def test_compare_prints_the_successes_and_lists_the_errors(hfkv: Run, hub: Hub) -> None:
    models = (LLAMA, "acme/none", LLAMA)
    code, out, err = hfkv("compare", *models, "--token", "hf_test", "--json")
    first, failed, last = json.loads(out)
    assert code == 1
    assert first["kv_cache"]["bytes"] == last["kv_cache"]["bytes"] == 32_768_000_000
    assert failed["model"] == "acme/none"
    assert failed["error"]["type"] == "NotFoundError"
    assert failed["error"]["message"] in err
    for form in ("human", "markdown", "csv", "agent", "quiet"):
        code, out, err = hfkv("compare", *models, "--token", "hf_test", "--format", form)
        assert (code, "acme/none" in err) == (1, True)
        assert out.strip()
    code, out, err = hfkv("compare", "acme/none", "acme/neither")
    assert (code, out.strip(), err.count("Error:")) == (1, "", 2)


# -- servers that ask to wait --------------------------------------------------------------


class _Clock:
    """Time that passes where somebody waits; in place of a session's clock and its stop."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return time.monotonic() + sum(self.waits)

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return False

    def is_set(self) -> bool:
        return False

    def set(self) -> None:
        pass


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    made = _Clock()
    bounds = replace(limits.LIMITS, patience=5000.0)
    monkeypatch.setattr(limits, "LIMITS", bounds)
    monkeypatch.setattr("hfkv.source.session.time", made)
    return made


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "900"},
        {"RateLimit": '"api";r=0;t=900'},
        {"ratelimit": '"resolvers";r=0;t=900'},
    ],
)
def test_a_server_that_asks_to_wait_is_waited_for(
    hub: Hub, clock: _Clock, headers: dict[str, str]
) -> None:
    """By all requests of that kind, each asked no more than once again; and told of."""

    def hook(handler: Any) -> bool:
        refused = len(hub.requests) == 1
        handler.answer(429 if refused else 200, b"{}", headers if refused else {})
        return True

    hub.hook = hook
    heard: list[str] = []
    with session() as net, listening(heard.append):
        net._stop = clock  # type: ignore[assignment]
        assert net.get(f"{hub.url}/api/x", where="x", limit=9).status == 200
        assert len(hub.requests) == 2
        assert 800 < sum(clock.waits) <= 900
        net._hold(f"{hub.url}/api/x", 900, "x")
        # What is not of this kind goes on meanwhile.
        net.get(f"{hub.url}/x", where="x", limit=9)
        assert sum(clock.waits) <= 900
        net.get(f"{hub.url}/api/y", where="y", limit=9)
        assert 1700 < sum(clock.waits) <= 1800
    assert "the Hub asks to wait 900 s" in heard
    assert len(hub.requests) == 4


def test_a_wait_beyond_patience_is_said_at_once(hub: Hub, fifty: list[str]) -> None:
    hub.hook = lambda handler: handler.answer(429, b"", {"Retry-After": "300"}) or True
    found = fetch_many(fifty[:10], source="hub")
    assert all(isinstance(item, NetworkError) for item in found)
    assert "300 s" in str(found[0])
    # Nothing was asked a second time.
    assert len({path for _, path, _ in hub.requests}) == len(hub.requests)


def test_a_spent_budget_is_respected_before_it_is_exceeded(hub: Hub, clock: _Clock) -> None:
    before: list[float] = []

    def hook(handler: Any) -> bool:
        before.append(sum(clock.waits))
        left = 2 - len(hub.requests)
        handler.answer(200, b"{}", {"RateLimit": f'"api";r={left};t=900'} if left >= 0 else {})
        return True

    hub.hook = hook
    with session() as net:
        net._stop = clock  # type: ignore[assignment]
        for _ in range(3):
            net.get(f"{hub.url}/api/x", where="x", limit=9)
    assert before[:2] == [0, 0]
    assert 800 < before[2] <= 900


def test_what_servers_ask_for() -> None:
    from email.utils import formatdate

    soon = asked_wait({"Retry-After": formatdate(time.time() + 30, usegmt=True)})
    assert soon is not None
    assert 28 < soon <= 30
    assert asked_wait({"Retry-After": "-5"}) is None
    assert asked_wait({"Retry-After": "9" * 400}) is None
    assert spent({"RateLimit": '"api";r=0;t=55, "x"'}) == 55
    assert spent({"RateLimit": "nonsense"}) is None


# -- event loops ---------------------------------------------------------------------------


def test_the_event_loop_goes_on_meanwhile(hub: Hub, fifty: list[str]) -> None:
    """No request is answered before the loop has gone on since it came."""
    goes_on = threading.Semaphore(0)
    stood_still: list[str] = []

    def hook(handler: Any) -> bool:
        if not goes_on.acquire(timeout=10):
            stood_still.append(handler.path)
        return False

    hub.hook = hook

    async def both() -> tuple[Any, Any]:
        async def tick() -> None:
            while True:
                await asyncio.sleep(0)
                goes_on.release()
                await asyncio.sleep(0.001)

        ticking = asyncio.ensure_future(tick())
        one, many = await asyncio.gather(
            library.aload(fifty[0]), library.aload_many([*fifty[1:3], "acme/none"])
        )
        ticking.cancel()
        return one, many

    one, many = asyncio.run(both())
    assert stood_still == []
    assert one.model == fifty[0]
    assert [type(item).__name__ for item in many] == ["Model", "Model", "NotFoundError"]
    hub.hook = None
    with pytest.raises(library.NotFoundError):
        asyncio.run(library.aload("acme/none"))


def test_cancelling_ends_the_requests(hub: Hub, fifty: list[str]) -> None:
    arrived, answered = hub.fall_silent()

    async def impatient() -> None:
        loading = asyncio.ensure_future(library.aload_many(fifty))
        await asyncio.get_running_loop().run_in_executor(None, arrived.wait)
        loading.cancel()
        await loading

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(impatient())
    while _threads() and not answered:
        time.sleep(0.01)
    # All threads ended, and the server had still said nothing to any of them.
    assert (_threads(), answered) == (0, [])


def test_nothing_is_left_behind(hub: Hub, fifty: list[str]) -> None:
    import os

    fetch_many(fifty[:3])
    files = len(os.listdir("/dev/fd"))
    for name in fifty[:10]:
        fetch(name, source="hub")
    fetch_many(fifty)
    assert _threads() == 0
    # The server's side of a connection may take a moment to close.
    deadline = time.monotonic() + 2
    while len(os.listdir("/dev/fd")) > files and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(os.listdir("/dev/fd")) <= files


def test_workers_take_no_jobs_after_the_end() -> None:
    workers = Workers(2)
    assert workers.submit(lambda: 1).result() == 1
    workers.close(wait=1)
    assert workers.submit(lambda: 1).cancelled()


def test_progress_is_heard_from_every_thread(hub: Hub, fifty: list[str]) -> None:
    heard: list[str] = []
    with listening(heard.append):
        fetch_many(fifty[:3])
    assert any("answers" in text for text in heard)
    heard.clear()
    fetch(fifty[4])
    assert heard == []
