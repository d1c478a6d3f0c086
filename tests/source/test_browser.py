"""The network of a page: the same files as over sockets, in turns, by a fetch that shows less."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from hfkv.errors import GatedError, HfkvError, NetworkError, NotFoundError
from hfkv.source import fetch, limits, many_models
from hfkv.source.browser import Fetched, FetchError, Headers, Session
from hfkv.source.files import Files
from hfkv.source.many_models import in_turns
from tests.conftest import LLAMA
from tests.hub.server import COMMIT, Hub, Repo, sharded

#: What a server lets a page see.
EXPOSED = frozenset({"x-error-code", "x-error-message", "x-repo-commit", "link", "content-range"})
Enough = Callable[[int, Headers, bytearray], bool]


class Browser:
    """``fetch`` as browsers have it, over the standard library; ``rounds`` are what it was asked
    at once."""

    def __init__(self, exposed: frozenset[str] = EXPOSED, faults: int = 0) -> None:
        self.exposed, self.faults = exposed, faults
        self.asked: list[str] = []

    async def __call__(self, url: str, headers: Mapping[str, str], enough: Enough) -> Fetched:
        self.asked.append(url)
        assert not {"user-agent", "accept-encoding"} & {name.lower() for name in headers}
        if self.faults:
            self.faults -= 1
            raise FetchError("Failed to fetch")
        return await asyncio.to_thread(self._follow, url, dict(headers), enough)

    def _follow(self, url: str, headers: dict[str, str], enough: Enough) -> Fetched:
        for _ in range(20):
            parts = urlsplit(url)
            net = http.client.HTTPConnection(parts.netloc, timeout=10)
            try:
                net.request("GET", url.split(parts.netloc, 1)[1], headers=headers)
                answer = net.getresponse()
                if answer.status in (301, 302, 307, 308):
                    following = urljoin(url, answer.headers["Location"])
                    if urlsplit(following).netloc != parts.netloc:
                        headers.pop("Authorization", None)
                    url = following
                    continue
                seen = dict(answer.headers.items())
                said = Headers({n: t for n, t in seen.items() if n.lower() in self.exposed})
                body = bytearray()
                while not enough(answer.status, said, body) and (piece := answer.read(4096)):
                    body += piece
                return Fetched(url=url, status=answer.status, headers=said, body=bytes(body))
            finally:
                net.close()
        raise FetchError("too many redirects")


@pytest.fixture(autouse=True)
def without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a browser, and without its pauses."""
    monkeypatch.setattr(many_models, "_THREADS", False)
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, pause=0.001))


def ask(browser: Browser, read: Callable[[], Any]) -> Any:
    """What ``read`` gives, in turns."""
    return asyncio.run(in_turns(read, Session(browser)))


def same(one: Files, other: Files) -> None:
    """Both are the same but for where they came from."""
    assert one.tensors is not None
    assert other.tensors is not None
    assert list(one.tensors) == list(other.tensors)
    assert (one.texts, one.commit, one.missing) == (other.texts, other.commit, other.missing)


@pytest.mark.parametrize("whole", [False, True, "named"])
@pytest.mark.parametrize("shards", [1, 30])
def test_the_files_are_those_of_a_socket(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, whole: bool | str, shards: int
) -> None:
    from hfkv.source.snapshot import read_snapshot

    tensors = read_snapshot(LLAMA).tensors
    assert tensors is not None
    small = {n: c for n, c in hub.repos[LLAMA].files.items() if n in ("config.json", "README.md")}
    files = {**small, **sharded(tensors, shards)}
    if shards == 1:
        files = {**small, "model.safetensors": files["model-00001-of-00001.safetensors"]}
    hub.repos[LLAMA] = Repo(files=files, whole=whole)
    browser = Browser()
    found = ask(browser, lambda: fetch(LLAMA, source="hub", token=False))
    assert found.source == "hub"
    assert found.commit == COMMIT
    if shards == 30:  # one answer for all headers, or each of them, once
        assert len(browser.asked) <= (6 if whole == "named" else 7 if whole else 36)
    monkeypatch.setattr(many_models, "_THREADS", True)
    same(found, fetch(LLAMA, source="hub", token=False))


def test_where_the_range_is_not_shown_it_is_the_one_that_was_asked(hub: Hub) -> None:
    browser = Browser(exposed=EXPOSED - {"content-range"})
    same(
        ask(browser, lambda: fetch(LLAMA, source="hub", token="hf_test")),
        ask(Browser(), lambda: fetch(LLAMA, source="hub", token="hf_test")),
    )


def test_the_token_goes_to_the_hub_alone(hub: Hub) -> None:
    ask(Browser(), lambda: fetch(LLAMA, source="hub", token="hf_test"))
    assert hub.cdn_tokens == []
    with pytest.raises(GatedError, match="gated"):
        ask(Browser(), lambda: fetch(LLAMA, source="hub", token=False))


def test_faults_are_tried_again_and_then_told(hub: Hub) -> None:
    found = ask(Browser(faults=2), lambda: fetch(LLAMA, source="hub", token="hf_test"))
    assert found.tensors is not None
    with pytest.raises(NetworkError, match=r"could not be read.*Failed to fetch"):
        ask(Browser(faults=1000), lambda: fetch(LLAMA, source="hub", token="hf_test"))
    # As everywhere, what this place has of it answers instead.
    found = ask(Browser(faults=1000), lambda: fetch(LLAMA, token="hf_test"))
    assert found.source == "cache"


def test_a_hub_that_asks_to_wait_is_heard(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.fault = "429"
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, patience=5))
    browser = Browser(exposed=EXPOSED | {"retry-after"})
    with pytest.raises(NetworkError, match="429: it asks to wait 7 s"):
        ask(browser, lambda: fetch(LLAMA, source="hub", token=False))


def test_what_is_not_there_is_not_found(hub: Hub) -> None:
    with pytest.raises(NotFoundError, match="no such repository"):
        ask(Browser(), lambda: fetch("nobody/nothing", source="hub", token=False))


def test_many_models_share_their_turns(hub: Hub) -> None:
    import hfkv

    hub.repos["a/b"] = hub.repos["c/d"] = Repo(files=hub.repos[LLAMA].files)
    found = ask(Browser(), lambda: hfkv.load_many(["a/b", "c/d", "e/f"], source="hub", token=False))
    assert [type(item).__name__ for item in found] == ["Model", "Model", "NotFoundError"]


def test_a_call_that_cannot_wait_says_so(hub: Hub) -> None:
    with pytest.raises(HfkvError, match=r"await hfkv\.aload"):
        fetch(LLAMA, source="hub", token=False)
