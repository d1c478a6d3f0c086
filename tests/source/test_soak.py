"""Ten thousand requests with random faults: no answer is wrong, and nothing is left behind."""

from __future__ import annotations

import os
import random
import resource
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from hfkv.errors import HfkvError
from hfkv.source import limits
from hfkv.source.files import Files
from hfkv.tensors import Tensor, TensorTable
from tests.conftest import fetch_many
from tests.hub.server import COMMIT, Hub, Repo, safetensors, serve, sharded
from tests.source.test_faults import FAULTS
from tests.source.test_http2 import TEXT

pytestmark = pytest.mark.oracle

REQUESTS = 10_000
#: However slow the machine; the requests made until then have to be right as well.
SECONDS = 60
#: One request in so many is hit.
RARITY = 12
#: Faults that last longer than a test can wait for, many times over.
FAULTS_USED = sorted(set(FAULTS) - {"a head without an end", "a header line without an end"})


def _model(number: int) -> tuple[Repo, dict[str, bytes], TensorTable]:
    table = TensorTable(
        Tensor(name=f"layers.{layer}.w", dtype="BF16", shape=(number + 1, 8)) for layer in range(9)
    )
    texts = {
        "config.json": b'{"model_type": "llama", "n": %d}' % number,
        "README.md": b"# Model %d\n" % number * 50,
        "generation_config.json": b'{"n": %d}' % number,
    }
    weights = sharded(table, 3) if number % 2 else {"model.safetensors": safetensors(table)}
    repo = Repo(files={**texts, **weights}, whole=[False, True, "named"][number % 3])
    return repo, texts, table


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def anywhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty Hub, in clear or over TLS."""
    from huggingface_hub import constants

    secure = request.param == "HTTP/2"
    if secure:
        request.getfixturevalue("trusted")
    with serve(Hub(), secure=secure, http2=secure) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        yield running


def test_no_answer_is_wrong_and_nothing_leaks(
    anywhere: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = anywhere
    faults_used = FAULTS_USED
    if hub.url.startswith("https"):
        faults_used = sorted(set(FAULTS_USED) - TEXT)
    bounds = replace(limits.LIMITS, read=0.3, whole=1.5, pause=0.001, patience=0.2, connections=24)
    monkeypatch.setattr(limits, "LIMITS", bounds)
    chance, lock = random.Random(0), threading.Lock()
    models = {f"acme/m{number}": _model(number) for number in range(20)}
    hub.repos.update({name: repo for name, (repo, _, _) in models.items()})

    def hook(handler: Any) -> bool:
        with lock:
            fault = chance.choice(faults_used) if chance.randrange(RARITY) == 0 else None
        if fault is None:
            return False
        try:
            FAULTS[fault](handler)
        except (KeyError, OSError):  # the fault wants the body of a file that there is not
            handler.reset()
        return True

    hub.hook = hook
    right = failed = asked = 0
    files_before, memory_before = 0, 0
    begin = time.monotonic()
    while asked < REQUESTS and time.monotonic() - begin < SECONDS:
        names = list(models)
        chance.shuffle(names)
        for found in fetch_many(names, source="hub", token="hf_secret"):
            if isinstance(found, HfkvError):
                failed += 1
                assert "hf_secret" not in str(found)
                continue
            assert isinstance(found, Files)
            _, texts, table = models[found.model]
            assert (found.texts, found.tensors, found.commit) == (texts, table, COMMIT)
            right += 1
        asked += len(hub.requests)
        hub.forget()
        if not files_before:
            files_before = len(os.listdir("/dev/fd"))
            memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert hub.cdn_tokens == []
    assert right > 100
    assert right > failed
    assert not [thread for thread in threading.enumerate() if thread.name == "hfkv"]
    deadline = time.monotonic() + 3
    while len(os.listdir("/dev/fd")) > files_before + 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(os.listdir("/dev/fd")) <= files_before + 3
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_before
    assert grown < 50 * 1024
    print(f"{asked} requests in {time.monotonic() - begin:.0f} s: {right} right, {failed} errors")
