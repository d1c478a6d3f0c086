"""How often the Hub is asked, and in how many rounds; and that all of it is of one commit."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from hfkv.errors import HeaderError, HfkvError, NetworkError, NotFoundError
from hfkv.source import fetch, limits
from hfkv.source.files import Files
from hfkv.source.snapshot import read_snapshot
from hfkv.tensors import Tensor, TensorTable
from tests.conftest import LLAMA
from tests.hub.server import COMMIT, Hub, Repo, safetensors, sharded

CONFIG = b'{"model_type": "llama"}'
OLDER = "f" * 40


def _table(dtype: str = "BF16", layers: int = 4) -> TensorTable:
    names = [f"model.layers.{layer}.mlp.up_proj.weight" for layer in range(layers)]
    return TensorTable(Tensor(name=name, dtype=dtype, shape=(8, 4)) for name in names)


def _asked(hub: Hub) -> list[str]:
    return [path for _, path, _ in hub.requests]


@pytest.fixture
def far(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The Hub, with the Llama open to all, and time to wait for whole rounds."""
    hub.repos[LLAMA].gated = False
    bounds = replace(limits.LIMITS, hedge=30.0, read=30.0, whole=60.0)
    monkeypatch.setattr(limits, "LIMITS", bounds)
    return hub


def _in_rounds(hub: Hub, sizes: tuple[int, ...], model: str) -> Files:
    """The files of a model, read in rounds of so many requests, answered when all are there."""
    hub.together = sizes
    files = fetch(model)
    assert (hub.apart, hub.rounds, len(hub.requests)) == (0, len(sizes), sum(sizes))
    hub.together = ()
    return files


# -- rounds --------------------------------------------------------------------------------


def test_a_sharded_model_takes_three_rounds(far: Hub) -> None:
    # List, config, card, the single file and the one request for all headers; then each shard, at
    # the Hub and where that redirects to.
    files = _in_rounds(far, (5, 30, 30), LLAMA)
    assert files.tensors == read_snapshot(LLAMA).tensors


@pytest.mark.parametrize(("whole", "rounds"), [("named", (5,)), (True, (5, 1, 1))])
def test_all_headers_in_one_answer(far: Hub, whole: bool | str, rounds: tuple[int, ...]) -> None:
    # Where it does not name its commit, it is asked between two lists, which have to agree.
    far.repos[LLAMA].whole = whole
    assert _in_rounds(far, rounds, LLAMA).tensors == read_snapshot(LLAMA).tensors


def test_a_single_file_takes_two_rounds(far: Hub) -> None:
    single = {"config.json": CONFIG, "model.safetensors": safetensors(_table())}
    far.repos["acme/one"] = Repo(files={**single, "generation_config.json": b"{}"})
    files = _in_rounds(far, (5, 2), "acme/one")
    assert files.tensors == _table()
    assert set(files.texts) == {"config.json", "generation_config.json"}


def test_a_longer_header_takes_one_range_more_and_no_redirect_more(
    far: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, first=100))
    far.repos["acme/one"] = Repo(files={"model.safetensors": safetensors(_table())})
    assert _in_rounds(far, (5, 1, 1), "acme/one").tensors == _table()
    assert [path.startswith("/cdn/") for path in _asked(far)].count(True) == 2
    assert sum("/resolve/main/model.safetensors" in path for path in _asked(far)) == 1


def test_many_shards_take_no_round_more(far: Hub) -> None:
    """Above a hundred, as many go out at once."""
    table = _table(layers=163)
    far.repos["acme/many"] = Repo(files={"config.json": CONFIG, **sharded(table, 163)})
    assert _in_rounds(far, (5, 163, 163), "acme/many").tensors == table


def test_a_pinned_commit_is_not_asked_again_and_a_branch_once(far: Hub) -> None:
    first = fetch(LLAMA)
    far.forget()
    again = fetch(LLAMA)
    assert _asked(far) == [f"/api/models/{LLAMA}/revision/main"]
    far.forget()
    pinned = fetch(LLAMA, revision=COMMIT)
    assert far.requests == []
    for files in (again, pinned):
        assert files.source == "cache"
        assert (files.texts, files.tensors) == (first.texts, first.tensors)
    assert (again.revision, pinned.revision) == ("main", COMMIT)
    fetch(LLAMA, source="hub")
    assert len(far.requests) > 60


def test_a_branch_that_moved_is_read_anew(hub: Hub) -> None:
    repo = hub.repos["acme/one"] = Repo(files={"config.json": CONFIG})
    fetch("acme/one")
    repo.older[OLDER] = {"config.json": b'{"model_type": "qwen3"}'}
    repo.branches["main"], repo.revisions = OLDER, ()
    files = fetch("acme/one")
    assert (files.commit, files.texts["config.json"]) == (OLDER, b'{"model_type": "qwen3"}')
    assert fetch("acme/one", revision=COMMIT).texts["config.json"] == CONFIG


# -- one commit ----------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [False, True, "named"])
@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("moves_after", range(9))
def test_a_branch_that_moves_meanwhile_never_mixes_commits(
    hub: Hub, shards: int, whole: bool | str, moves_after: int
) -> None:
    def files(dtype: str, model_type: bytes) -> dict[str, Any]:
        table = _table(dtype)
        weights = sharded(table, 3) if shards > 1 else {"model.safetensors": safetensors(table)}
        return {"config.json": b'{"model_type": "%s"}' % model_type, "README.md": b"#", **weights}

    repo = hub.repos["acme/moving"] = Repo(files=files("BF16", b"old"), whole=whole)
    repo.older[OLDER] = files("F32", b"new")

    def move(handler: Any) -> bool:
        if len(hub.requests) > moves_after:
            repo.branches["main"], repo.revisions = OLDER, (COMMIT,)
        return False

    hub.hook = move
    found = fetch("acme/moving")
    new = found.commit == OLDER
    assert found.texts["config.json"] == b'{"model_type": "%s"}' % (b"new" if new else b"old")
    assert found.tensors == _table("F32" if new else "BF16")


def test_a_pinned_answer_of_another_commit_is_refused(hub: Hub) -> None:
    hub.repos["acme/one"] = Repo(files={"config.json": CONFIG})

    def lie(handler: Any) -> bool:
        if "/resolve/" not in handler.path:
            return False
        handler.answer(200, CONFIG, {"X-Repo-Commit": OLDER})
        return True

    hub.hook = lie
    with pytest.raises(NetworkError, match="another commit"):
        fetch("acme/one", revision=COMMIT, source="hub")


# -- the one request for all headers -------------------------------------------------------


def _fetch_whole(hub: Hub, answer: Any) -> Files:
    hub.repos["acme/sharded"] = Repo(files={"config.json": CONFIG, **sharded(_table(), 2)})

    def hook(handler: Any) -> bool:
        if "/safetensors-metadata/" not in handler.path:
            return False
        answer(handler)
        return True

    hub.hook = hook
    return fetch("acme/sharded", source="hub")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b'{"index": {}, "headers": {}}',
        b'{"index": {}, "headers": {"model-00001-of-00002.safetensors": {}}}',
        b'{"headers": 5}',
        b"[" * 100_000,
        b'{"index":{},"headers":{"model-00001-of-00002.safetensors":{"a":{"dtype":"BF16",'
        b'"shape":[1],"data_offsets":[0,2]},"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}},'
        b'"model-00002-of-00002.safetensors":{}}}',
    ],
)
def test_an_answer_that_is_not_all_headers_is_not_used(hub: Hub, body: bytes) -> None:
    assert _fetch_whole(hub, lambda handler: handler.answer(200, body)).tensors == _table()


@pytest.mark.parametrize("fault", ["hang", "reset", "500", "401", "slow"])
def test_an_endpoint_that_fails_is_done_without(hub: Hub, fault: str) -> None:
    def answer(handler: Any) -> None:
        if fault == "hang":
            handler.hang()
        elif fault == "reset":
            handler.reset()
        elif fault == "slow":
            handler.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        else:
            handler.refuse(int(fault), "Nope", "no")

    assert _fetch_whole(hub, answer).tensors == _table()


# -- names and revisions -------------------------------------------------------------------


def test_a_renamed_repository_is_followed_and_named(hub: Hub) -> None:
    hub.repos["acme/new"] = Repo(
        files={"config.json": CONFIG, "model.safetensors": safetensors(_table())}
    )
    hub.renamed["acme/old"] = "acme/new"
    files = fetch("acme/old")
    assert files.tensors == _table()
    assert any("acme/new" in note for note in files.notes)
    assert not fetch("acme/new").notes


@pytest.mark.parametrize(
    ("revision", "commit"),
    [
        ("main", COMMIT),
        ("v1.0", OLDER),
        ("refs/pr/7", OLDER),
        ("feature/a b", OLDER),
        (OLDER, OLDER),
        (OLDER[:7], OLDER),
        (COMMIT[:12], COMMIT),
        (COMMIT, COMMIT),
    ],
)
def test_every_kind_of_revision(hub: Hub, revision: str, commit: str) -> None:
    hub.repos["acme/many"] = Repo(
        files={"config.json": CONFIG},
        older={OLDER: {"config.json": b"{}"}},
        branches=dict.fromkeys(("v1.0", "refs/pr/7", "feature/a b"), OLDER),
    )
    for _ in range(2):
        files = fetch("acme/many", revision=revision)
        assert (files.commit, files.revision) == (commit, revision)
        assert files.texts["config.json"] == (CONFIG if commit == COMMIT else b"{}")


def test_more_than_a_thousand_files_are_listed_page_by_page(hub: Hub) -> None:
    many: dict[str, Any] = {f"a/{number:05d}.txt": b"" for number in range(2500)}
    files = {**many, "config.json": CONFIG, **sharded(_table(), 2)}
    repo = hub.repos["acme/many"] = Repo(files=files, listed=1000)
    assert fetch("acme/many").tensors == _table()
    pages = [path for path in _asked(hub) if "/tree/" in path]
    assert len(pages) == 3
    assert all(f"/tree/{COMMIT}" in path for path in pages)
    # A short list needs no pages.
    hub.forget()
    repo.files = {"config.json": CONFIG}
    fetch("acme/many", source="hub")
    assert not any("/tree/" in path for path in _asked(hub))


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:9/api/models/x",
        "file:///etc/passwd",
        "/elsewhere",
        "http://[",
        "//x/api/models/",
    ],
)
def test_a_next_page_elsewhere_is_refused(hub: Hub, link: str) -> None:
    names: dict[str, Any] = {f"{number}.txt": b"" for number in range(1000)}
    hub.repos["acme/many"] = Repo(files=names)

    def elsewhere(handler: Any) -> bool:
        if "/tree/" not in handler.path:
            return False
        handler.answer(200, b"[]", {"Link": f'<{link}>; rel="next"'})
        return True

    hub.hook = elsewhere
    with pytest.raises(NetworkError, match="next page"):
        fetch("acme/many")


def test_pages_without_an_end_are_given_up(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hfkv.source.repository._MOST_PAGES", 5)
    hub.repos["acme/many"] = Repo(files={f"{number}.txt": b"" for number in range(1000)})

    def again(handler: Any) -> bool:
        if "/tree/" not in handler.path:
            return False
        handler.answer(200, b"[]", {"Link": f'<{hub.url}{handler.path}>; rel="next"'})
        return True

    hub.hook = again
    with pytest.raises(NetworkError, match="pages"):
        fetch("acme/many")


def test_names_in_the_list_never_become_addresses(hub: Hub) -> None:
    names = ["../../etc/passwd", "model-00001-of-00001.safetensors/../x", "\x1b[31m", "README.md"]
    hub.repos["acme/odd"] = Repo(files=dict.fromkeys(names, b"x"))
    assert set(fetch("acme/odd").texts) == {"README.md"}
    assert not any(".." in path or "%2E" in path for path in _asked(hub))


def test_shards_that_hold_the_same_tensor_are_refused(hub: Hub) -> None:
    files: dict[str, Any] = {
        f"model-0000{n}-of-00002.safetensors": safetensors(_table()) for n in (1, 2)
    }
    hub.repos["acme/twice"] = Repo(files=files)
    with pytest.raises(HeaderError, match="twice"):
        fetch("acme/twice")


def test_a_missing_file_that_is_listed_is_named(hub: Hub) -> None:
    hub.repos["acme/one"] = Repo(files={"config.json": CONFIG, "README.md": b"#"})

    def gone(handler: Any) -> bool:
        if not re.search(r"/resolve/.*README", handler.path):
            return False
        handler.refuse(404, "EntryNotFound", "Entry not found")
        return True

    hub.hook = gone
    with pytest.raises(NotFoundError, match=r"README\.md"):
        fetch("acme/one")


def test_errors_of_the_repository_come_first(hub: Hub) -> None:
    with pytest.raises(HfkvError, match="gated"):
        fetch(LLAMA, token=False, source="hub")
