"""Rounds of random faults, kills and damage: no answer is wrong, nothing is half-written or left.

Seeded and counted: a round that fails is found again by its seed. The long one runs with the
oracles.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from hfkv.errors import HfkvError
from hfkv.source import limits
from hfkv.source.files import Files
from hfkv.source.store import Store
from hfkv.tensors import Tensor, TensorTable
from tests.conftest import fetch_many
from tests.hub.server import COMMIT, Hub, Repo, Sparse, safetensors, serve, sharded
from tests.source.test_faults import FAULTS

OLDER = "f" * 40
#: One request in so many is hit.
RARITY = 12
#: But those that last longer than many rounds can wait for.
FAULTS_USED = sorted(set(FAULTS) - {"a head without an end", "a header line without an end"})
#: Reads all models over and over, until it is killed.
READER = """
import json, sys
from dataclasses import replace
from hfkv.source import fetch, limits, overlap
limits.LIMITS = replace(limits.LIMITS, read=0.3, whole=1.5, pause=0.001, patience=0.2)
while True:
    overlap(fetch, json.loads(sys.argv[1]))
"""


def _files(number: int, dtype: str) -> tuple[dict[str, bytes | Sparse], TensorTable]:
    table = TensorTable(
        Tensor(name=f"layers.{layer}.w", dtype=dtype, shape=(number + 1, 8)) for layer in range(9)
    )
    texts: dict[str, bytes | Sparse] = {
        "config.json": b'{"model_type": "llama", "n": %d, "dtype": "%s"}'
        % (number, dtype.encode()),
        "README.md": b"# Model %d\n" % number * 50,
        "generation_config.json": b'{"n": %d}' % number,
    }
    if number % 4 == 2:  # large enough that the Hub has it elsewhere
        text = texts["config.json"]
        assert isinstance(text, bytes)
        texts["config.json"] = Sparse(text, len(text))
    weights = sharded(table, 3) if number % 2 else {"model.safetensors": safetensors(table)}
    return {**texts, **weights}, table


@dataclass
class _Soak:
    """The Hub with its models, what each is at each commit, and what has come of the rounds."""

    hub: Hub
    #: Has other files under the same names, all of them valid.
    impostor: Hub
    home: Path
    chance: random.Random
    right: dict[tuple[str, str], tuple[dict[str, bytes], TensorTable]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for number in range(12):
            name = f"acme/m{number}"
            repo = Repo(files={}, whole=[False, True, "named"][number % 3])
            for commit, dtype in ((COMMIT, "BF16"), (OLDER, "F32")):
                files, table = _files(number, dtype)
                if commit == COMMIT:
                    repo.files = files
                else:
                    repo.older[commit] = files
                texts = {
                    key: value.head if isinstance(value, Sparse) else value
                    for key, value in files.items()
                    if "safetensors" not in key
                }
                self.right[name, commit] = texts, table
            self.hub.repos[name] = repo
            others, _ = _files(number + 100, "BF16")
            self.impostor.repos[name] = Repo(files=others, older={OLDER: others})
        self.hub.hook = self.hook

    @property
    def models(self) -> list[str]:
        return list(self.hub.repos)

    def hook(self, handler: Any) -> bool:
        """Hit one request in so many with a fault, or send it to the impostor."""
        with self.lock:
            fault = self.chance.choice(FAULTS_USED) if self.chance.randrange(RARITY) == 0 else ""
            away = handler.at_cdn and self.chance.randrange(RARITY) == 0
            self.counts["faults"] += bool(fault)
            self.counts["sent away"] += away and not fault
        try:
            if fault:
                FAULTS[fault](handler)
            elif away:
                handler.answer(302, b"", {"Location": self.impostor.cdn + handler.path})
        except (KeyError, OSError):  # the fault wants the body of a file that there is not
            handler.reset()
        return bool(fault or away)

    # -- what a round does -----------------------------------------------------------------

    def ask(self) -> None:
        """Read some models, from wherever they may come."""
        names = self.chance.sample(self.models, 5)
        source = self.chance.choice(["auto", "auto", "hub", "cache"])
        revision = self.chance.choice([None, None, COMMIT, OLDER])
        for name, found in zip(
            names,
            fetch_many(names, source=source, revision=revision, token="hf_secret"),
            strict=True,
        ):
            self.check(name, found, revision)

    def check(self, name: str, found: Files | HfkvError | None, revision: str | None) -> None:
        """An answer is right, or it is one error."""
        self.counts["asked"] += 1
        if not isinstance(found, Files):
            self.counts["errors"] += 1
            assert "hf_secret" not in str(found)
            return
        assert found.commit in (COMMIT, OLDER)
        assert revision in (None, found.commit)
        assert (found.texts, found.tensors) == self.right[name, found.commit]
        self.counts["right"] += 1

    def move(self) -> None:
        """Let a branch stand for another commit."""
        repo = self.hub.repos[self.chance.choice(self.models)]
        moved = "main" in repo.branches
        repo.branches = {} if moved else {"main": OLDER}
        repo.revisions = ("main", COMMIT) if moved else (COMMIT,)

    def damage(self) -> None:
        """Change something in the store, as a failing disk or an editor does."""
        found = [path for path in (self.home / "hfkv").rglob("*") if path.is_file()]
        if not found:
            return
        path = self.chance.choice(sorted(found))
        raw = bytearray(path.read_bytes())
        kind = self.chance.choice(["cut", "flip", "empty", "other", "nonsense"])
        if kind == "cut":
            raw = raw[: self.chance.randrange(len(raw) + 1)]
        elif kind == "flip" and raw:
            raw[self.chance.randrange(len(raw))] ^= 1 << self.chance.randrange(8)
        elif kind == "other":  # of another model or commit, and sound by itself
            raw = bytearray(self.chance.choice(found).read_bytes())
        elif kind != "flip":
            raw = bytearray(b"" if kind == "empty" else b"[" * 100_000)
        path.write_bytes(raw)
        self.counts["damaged"] += 1

    def clear(self) -> None:
        """Begin with an empty store."""
        Store().clear()

    def kill(self) -> None:
        """Kill a process that reads and writes, after so many requests."""
        before = len(self.hub.requests)
        wanted = before + self.chance.randrange(1, 120)
        environment = {**os.environ, "HF_ENDPOINT": self.hub.url, "HF_HOME": str(self.home)}
        with subprocess.Popen(
            [sys.executable, "-c", READER, json.dumps(self.models)], env=environment
        ) as process:
            while len(self.hub.requests) < wanted and process.poll() is None:
                time.sleep(0.001)
            assert process.poll() is None
            process.send_signal(signal.SIGKILL)
        self.counts["killed"] += 1
        self.look()

    def look(self) -> None:
        """What is in the store is whole: the record of that very model and commit, or absent."""
        for entry in Store().entries():
            found = Store().read(entry.model, entry.commit)
            if found is not None:
                assert (found.texts, found.tensors) == self.right[entry.model, entry.commit]

    def run(self, rounds: int, kills: int) -> None:
        """So many rounds, so many of which kill a process."""
        steps = [self.ask, self.ask, self.ask, self.move, self.damage, self.damage, self.clear]
        killing = set(self.chance.sample(range(rounds), kills))
        files_before = memory_before = 0
        for number in range(rounds):
            if number in killing:
                self.kill()
            self.chance.choice(steps)()
            self.ask()
            self.hub.forget()
            if number == rounds // 5:
                files_before = len(os.listdir("/dev/fd"))
                memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.look()
        # Without faults everything is read again, whatever was damaged.
        self.hub.hook = None
        limits.LIMITS = replace(limits.LIMITS, read=20.0, whole=60.0, patience=60.0)
        for name, found in zip(self.models, fetch_many(self.models), strict=True):
            assert isinstance(found, Files), str(found)
            self.check(name, found, None)
        assert self.hub.cdn_tokens == self.impostor.cdn_tokens == []
        assert not any(token for _, _, token in self.impostor.requests)
        # Of each killed process no more than the files that it was writing.
        left = list(self.home.rglob(".writing-*"))
        assert len(left) <= kills * limits.LIMITS.models
        deadline = time.monotonic() + 10
        while _left_open() > files_before + 3 and time.monotonic() < deadline:
            time.sleep(0.05)  # the server's side of a connection may take a moment to close
        assert _left_open() <= files_before + 3
        assert not [thread for thread in threading.enumerate() if thread.name == "hfkv"]
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_before < 50 * 1024
        print(dict(self.counts))


def _left_open() -> int:
    return len(os.listdir("/dev/fd"))


@pytest.fixture(params=["plain", "TLS"])
def hubs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Hub]]:
    """A Hub and an impostor, in clear or over TLS."""
    from huggingface_hub import constants

    secure = request.param == "TLS"
    if secure:
        request.getfixturevalue("trusted")
    bounds = replace(limits.LIMITS, read=0.15, whole=1.0, pause=0.001, patience=0.1, connections=24)
    monkeypatch.setattr(limits, "LIMITS", bounds)
    with serve(Hub(), secure=secure) as hub, serve(Hub(), secure=secure) as impostor:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        yield [hub, impostor]


@pytest.mark.parametrize("hubs", ["plain"], indirect=True)
def test_a_few_rounds(hubs: list[Hub], home: Path) -> None:
    soak = _Soak(*hubs, home, random.Random(1))
    soak.run(rounds=25, kills=2)
    assert soak.counts["right"] > soak.counts["asked"] / 3


@pytest.mark.oracle
def test_many_rounds(hubs: list[Hub], home: Path) -> None:
    soak = _Soak(*hubs, home, random.Random(2))
    soak.run(rounds=120, kills=6)
    assert soak.counts["right"] > soak.counts["asked"] / 3
    assert min(soak.counts[kind] for kind in ("faults", "sent away", "damaged", "killed")) > 5
