"""Fixtures: an empty Hugging Face home for every test, and the local Hub."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hfkv.errors import HfkvError
from hfkv.source import fetch, limits, overlap
from hfkv.source.connections import tls
from hfkv.source.files import Files
from hfkv.source.snapshot import read_snapshot
from tests.hub.server import CERTIFICATE, Hub, Repo, Sparse, serve, sharded

LLAMA = "meta-llama/Meta-Llama-3-70B"
CARD = b"""---
license: llama3
---
## Training Data

**Overview** Llama 3 was pretrained on over 15 trillion tokens of data from publicly available
sources. The fine-tuning data includes over 10M human-annotated examples.
"""


def fetch_many(models: Sequence[str], **options: Any) -> list[Files | HfkvError]:
    """The raw files of several models, or the errors that kept them from being read."""
    return overlap(lambda model: fetch(model, **options), models)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip on Windows what needs links, pipes with names, signals or a shell of POSIX."""
    if sys.platform == "win32":
        for item in items:
            if item.get_closest_marker("posix") is not None:
                item.add_marker(pytest.mark.skip(reason="needs POSIX"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Hugging Face home of its own, so that no test sees the machine's cache or token."""
    from huggingface_hub import constants

    folder = tmp_path / "hf-home"
    folder.mkdir()
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_ENDPOINT", "AI_AGENT", "AGENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "token"))
    return folder


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> limits.Limits:
    """Bounds of the network part that a test can wait for."""
    bounds = limits.Limits(connect=2.0, read=1.0, whole=4.0, patience=0.5, pause=0.01)
    monkeypatch.setattr(limits, "LIMITS", bounds)
    return bounds


@cache
def _llama() -> dict[str, bytes | Sparse]:
    files = read_snapshot(LLAMA)
    assert files.tensors is not None
    small = {"config.json": files.texts["config.json"], "README.md": CARD}
    return {**small, **sharded(files.tensors, 30)}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A running local Hub with the gated Llama 3 70B in thirty shards."""
    from huggingface_hub import constants

    repo = Repo(files=dict(_llama()), gated=True)
    with serve(Hub(repos={LLAMA: repo})) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        yield running


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No proxies, and the local Hub's certificate in place of the machine's own."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    tls.cache_clear()
    yield
    tls.cache_clear()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline mode, as HF_HUB_OFFLINE sets it."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def hfkv(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run the command in this process: exit code, stdout, stderr."""
    from hfkv.cli import main

    def run(*arguments: str) -> tuple[int, str, str]:
        before = sys.argv
        sys.argv = ["hfkv", *arguments]
        try:
            with pytest.raises(SystemExit) as stop:
                main()
        finally:
            sys.argv = before
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run
