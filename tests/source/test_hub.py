"""The Hub as a source: errors that say what to do, and answers that are not the Hub's."""

from __future__ import annotations

import pytest

from hfkv.errors import GatedError, HeaderError, HfkvError, NetworkError, NotFoundError
from hfkv.source import fetch, fetch_card
from hfkv.source.repository import Listing, Repository
from hfkv.source.safetensors_header import parse_header
from tests.conftest import LLAMA, fetch_many
from tests.hub.server import COMMIT, Hub, Repo, Sparse

CONFIG = b'{"model_type": "llama"}'


@pytest.fixture
def small(hub: Hub) -> Hub:
    hub.repos["acme/small"] = Repo(files={"config.json": CONFIG, "README.md": b"# Small"})
    return hub


def _list(monkeypatch: pytest.MonkeyPatch, commit: str, *names: str) -> None:
    listing = Listing(id="acme/small", commit=commit, names=frozenset(names))
    monkeypatch.setattr(Repository, "listing", lambda _: listing)


def test_a_repository_at_a_revision(hub: Hub) -> None:
    files = fetch(LLAMA, token="hf_test", source="hub")
    assert (files.source, files.revision, files.commit) == ("hub", "main", COMMIT)
    assert files.tensors is not None
    assert files.tensors.parameters == 70_553_706_496
    assert fetch(LLAMA, token="hf_test", revision=COMMIT).commit == COMMIT


def test_weights_are_never_read(hub: Hub) -> None:
    fetch(LLAMA, token="hf_test")
    ranges = [path for _, path, _ in hub.requests if path.startswith("/cdn/")]
    assert len(ranges) == 30


@pytest.mark.parametrize(
    ("model", "options", "kind", "words"),
    [
        ("acme/none", {}, NotFoundError, ("no such repository", "hf auth login")),
        ("acme/small", {"revision": "v9"}, NotFoundError, ("v9", "/tree/main")),
        (LLAMA, {"source": "hub", "token": False}, GatedError, ("gated", LLAMA, "hf auth login")),
        ("not a model!", {}, NotFoundError, ("Hub id",)),
        ("../etc/passwd", {}, NotFoundError, ("no such file",)),
    ],
)
def test_errors_say_what_and_what_to_do(
    small: Hub, model: str, options: dict[str, object], kind: type, words: tuple[str, ...]
) -> None:
    with pytest.raises(kind) as caught:
        fetch(model, **options)  # type: ignore[arg-type]
    for word in words:
        assert word in str(caught.value)


def test_a_repository_without_safetensors_says_why(small: Hub) -> None:
    small.repos["acme/small"].files["pytorch_model.bin"] = b""
    assert "pytorch_model.bin" in fetch("acme/small").missing["tensors"]


@pytest.mark.parametrize(
    "fault", ["500", "429", "sign-in", "garbage", "long error", "gzip", "entry"]
)
def test_faults_are_one_clear_error(small: Hub, fault: str) -> None:
    small.fault = fault
    with pytest.raises(NetworkError) as caught:
        fetch("acme/small")
    assert "acme/small" in str(caught.value)


def test_a_server_that_ignores_ranges_is_not_read_to_the_end(small: Hub) -> None:
    small.fault = "no ranges"
    head = b'{"a": {"dtype": "BF16", "shape": [1099511627776], "data_offsets": [0, 2199023255552]}}'
    content = Sparse(len(head).to_bytes(8, "little") + head, 2**41 + 8 + len(head))
    small.repos["acme/small"].files["model.safetensors"] = content
    files = fetch("acme/small")
    assert files.tensors is not None
    assert files.tensors.bytes == 2**41


def test_a_truncated_header_is_refused(small: Hub) -> None:
    small.repos["acme/small"].files["model.safetensors"] = Sparse(b"\xff" * 8, 100)
    with pytest.raises(HeaderError):
        fetch("acme/small")
    small.fault = "truncated"
    with pytest.raises(HfkvError):
        fetch("acme/small")


def test_a_listed_file_that_is_not_there_is_named(
    small: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    _list(monkeypatch, COMMIT, "model.safetensors")
    with pytest.raises(NotFoundError, match=r"model\.safetensors"):
        fetch("acme/small", source="hub")


def test_a_branch_that_moves_gives_the_files_of_one_commit(
    small: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = "f" * 40
    repo = small.repos["acme/small"]
    repo.older[newer] = dict(repo.files)
    _list(monkeypatch, newer, "config.json")
    assert fetch("acme/small", source="hub").commit == newer
    assert any(f"/{newer}/config.json" in path for _, path, _ in small.requests)


def test_the_token_stays_at_home_and_out_of_messages(hub: Hub) -> None:
    fetch(LLAMA, token="hf_test", source="hub")
    assert hub.cdn_tokens == []
    with pytest.raises(HfkvError) as caught:
        fetch(LLAMA, token="hf_secret\nx", source="hub")
    assert "hf_secret" not in str(caught.value)


def test_a_duplicate_among_very_many_names_is_found_at_once() -> None:
    names = [str(number) for number in range(30_000)]
    entry = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
    raw = "{" + ",".join(f'"{name}":{entry}' for name in [*names, names[-1]]) + "}"
    with pytest.raises(HeaderError, match="twice"):
        parse_header(raw.encode(), where="x")


def test_many_at_once_report_each_failure(small: Hub) -> None:
    found = fetch_many(["acme/small", "acme/none", LLAMA], token="hf_test")
    assert [type(item).__name__ for item in found] == ["Files", "NotFoundError", "Files"]


def test_a_card_alone(small: Hub) -> None:
    assert fetch_card("acme/small") == ("# Small", COMMIT)


def test_no_network_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(NetworkError, match="neither the local cache nor a bundled snapshot"):
        fetch("acme/small")
    assert fetch(LLAMA).source == "snapshot"
