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
from hfkv.source.progress import listening
from hfkv.source.retry_after import asked_wait, spent
from hfkv.source.session import session
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
    hub.latency = 0.05
    fifty[7], fifty[30] = "acme/none", "not a model!"
    begin = time.monotonic()
    found = library.load_many(fifty)
    # One after another they would take 50 x 2 x 0.05 s at the least.
    assert time.monotonic() - begin < 3
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


def _limited(hub: Hub, seconds: float, headers: dict[str, str]) -> list[float]:
    """Refuse everything with 429 until ``seconds`` after the first; when each request came."""
    came: list[float] = []

    def hook(handler: Any) -> bool:
        came.append(time.monotonic())
        if came[-1] - came[0] >= seconds:
            return False
        handler.answer(429, b"", headers)
        return True

    hub.hook = hook
    return came


@pytest.mark.parametrize(
    "headers",
    [{"Retry-After": "1"}, {"RateLimit": '"api";r=0;t=1'}, {"ratelimit": '"resolvers";r=0;t=1'}],
)
def test_a_server_that_asks_to_wait_is_waited_for(
    hub: Hub, fifty: list[str], headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, patience=5.0))
    came = _limited(hub, 0.9, headers)
    heard: list[str] = []
    with listening(heard.append):
        found = fetch_many(fifty[:5])
    assert not any(isinstance(item, HfkvError) for item in found)
    # Between the first refusal and the end of the wait, nothing new was asked.
    late = [moment - came[0] for moment in came if 0.5 < moment - came[0] < 0.9]
    assert late == []


def test_a_wait_beyond_patience_is_said_at_once(hub: Hub, fifty: list[str]) -> None:
    _limited(hub, 1000, {"Retry-After": "300"})
    begin = time.monotonic()
    found = fetch_many(fifty[:10], source="hub")
    assert time.monotonic() - begin < 3
    assert all(isinstance(item, NetworkError) for item in found)
    assert "300 s" in str(found[0])


def test_a_spent_budget_is_respected_before_it_is_exceeded(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, patience=5.0))
    came: list[float] = []

    def hook(handler: Any) -> bool:
        came.append(time.monotonic())
        handler.answer(200, b"{}", {"RateLimit": f'"api";r={2 - len(came)};t=1'})
        return True

    hub.hook = hook
    with session() as net:
        for _ in range(3):
            net.get(f"{hub.url}/api/x", where="x", limit=9)
    assert came[1] - came[0] < 0.5
    assert came[2] - came[1] > 0.9


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
    hub.latency = 0.1

    async def both() -> tuple[Any, Any, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.ensure_future(tick())
        one, many = await asyncio.gather(
            library.aload(fifty[0]), library.aload_many([*fifty[1:3], "acme/none"])
        )
        ticking.cancel()
        return one, many, ticks

    one, many, ticks = asyncio.run(both())
    assert one.model == fifty[0]
    assert [type(item).__name__ for item in many] == ["Model", "Model", "NotFoundError"]
    assert ticks > 3
    with pytest.raises(library.NotFoundError):
        asyncio.run(library.aload("acme/none"))


def test_cancelling_ends_the_requests(hub: Hub, fifty: list[str]) -> None:
    hub.hook = lambda handler: handler.hang() or True

    async def impatient() -> None:
        await asyncio.wait_for(library.aload_many(fifty), 0.2)

    begin = time.monotonic()
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(impatient())
    assert time.monotonic() - begin < 1.5
    while _threads() and time.monotonic() - begin < 5:
        time.sleep(0.01)
    assert _threads() == 0


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
