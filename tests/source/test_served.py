"""What another host serves is the file that the Hub named, or it is refused and not kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hfkv.errors import NetworkError
from hfkv.source import fetch, limits
from hfkv.tensors import Tensor, TensorTable
from tests.hub.server import COMMIT, Hub, Repo, Sparse, safetensors, serve, sharded

MODEL = "acme/model"
CONFIG = b'{"model_type": "llama"}'


def _table(layers: int, width: int = 8) -> TensorTable:
    return TensorTable(
        Tensor(name=f"model.layers.{layer}.mlp.up_proj.weight", dtype="BF16", shape=(width, 4))
        for layer in range(layers)
    )


@pytest.fixture
def other(hub: Hub) -> Iterator[Hub]:
    """Another host, to which the CDN of ``hub`` redirects what is asked of it."""
    with serve(Hub()) as running:

        def away(handler: Any) -> bool:
            if handler.at_cdn:
                handler.answer(302, b"", {"Location": running.cdn + handler.path})
            return bool(handler.at_cdn)

        hub.hook = away
        yield running


def _kept(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


def _large(content: bytes) -> Sparse:
    """A file that the Hub has elsewhere, though it is small."""
    return Sparse(content, len(content))


def _gguf(tensors: int) -> Sparse:
    """A GGUF header of so many tensors without data."""
    from struct import pack

    def text(value: str) -> bytes:
        return pack("<Q", len(value)) + value.encode()

    head = b"GGUF" + pack("<IQQ", 3, tensors, 1)
    head += text("general.architecture") + pack("<I", 8) + text("llama")
    for number in range(tensors):
        head += text(f"blk.{number}.ffn_up.weight") + pack("<IQIQ", 1, 32, 0, 128 * number)
    head += bytes(-len(head) % 32)
    return Sparse(head, len(head) + 128 * tensors)


def _files(kind: str, right: bool) -> dict[str, bytes | Sparse]:
    """A repository in which one file is elsewhere, or another valid one in its place."""
    single = {"config.json": CONFIG, "README.md": b"# Card"}
    if kind == "header":
        return {**single, "model.safetensors": safetensors(_table(3 if right else 1))}
    if kind == "shards":
        return {**single, **sharded(_table(4, 8 if right else 4), 2)}
    if kind == "config":
        config = CONFIG if right else b'{"model_type": "gpt_neox"}'
        return {**single, "config.json": _large(config)}
    if kind == "card":
        return {**single, "README.md": _large(b"# Card" if right else b"# Another card")}
    if kind == "index":
        index = {"weight_map": {"a": "weights.safetensors" if right else "w.safetensors"}}
        # Names that do not tell how many shards there are, so that the index is read.
        return {
            **single,
            "model.safetensors.index.json": _large(json.dumps(index).encode()),
            "weights.safetensors": safetensors(_table(1)),
            "w.safetensors": safetensors(_table(1)),
        }
    assert kind == "gguf"
    return {**single, "model.gguf": _gguf(3 if right else 1)}


KINDS = ("header", "shards", "config", "card", "index", "gguf")


@pytest.mark.parametrize("kind", KINDS)
def test_another_valid_file_in_its_place_is_refused_and_not_kept(
    hub: Hub, other: Hub, home: Path, kind: str
) -> None:
    hub.repos[MODEL] = Repo(files=_files(kind, right=True))
    other.repos[MODEL] = Repo(files=_files(kind, right=False))
    with pytest.raises(NetworkError, match="another file than the Hub named"):
        fetch(MODEL)
    assert _kept(home) == []
    # The same file at that other host is as good as ever.
    other.repos[MODEL] = Repo(files=_files(kind, right=True))
    found = fetch(MODEL)
    hub.hook = None
    plain = fetch(MODEL, source="hub")
    assert (found.texts, found.tensors) == (plain.texts, plain.tensors)


@pytest.mark.parametrize("kind", ["header", "gguf"])
def test_a_range_that_follows_comes_of_the_same_file(
    hub: Hub, home: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first range is the right file's, those after it another's."""
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, first=64))
    monkeypatch.setattr("hfkv.source.other_formats._FIRST", 64)
    hub.repos[MODEL] = Repo(files=_files(kind, right=True))
    wrong = next(item for item in _files(kind, right=False).values() if isinstance(item, Sparse))

    def swap(handler: Any) -> bool:
        begin, end = handler.headers.get("Range", "bytes=0-0")[6:].split("-")
        if not handler.at_cdn or begin == "0":
            return False
        end = min(int(end) + 1, wrong.size)
        span = f"bytes {begin}-{end - 1}/{wrong.size}"
        handler.answer(206, wrong.read(int(begin), end), {"Content-Range": span})
        return True

    hub.hook = swap
    with pytest.raises(NetworkError, match="another file than the Hub named"):
        fetch(MODEL)
    assert _kept(home) == []


def test_all_headers_in_one_answer_are_taken_from_the_hub_alone(hub: Hub) -> None:
    hub.repos[MODEL] = Repo(files=_files("shards", right=True), whole="named")
    wrong = Repo(files=_files("shards", right=False), whole="named")
    with serve(Hub(repos={MODEL: wrong})) as running:

        def away(handler: Any) -> bool:
            if "/safetensors-metadata/" not in handler.path:
                return False
            handler.answer(
                302, b"", {"Location": running.url + handler.path, "X-Repo-Commit": COMMIT}
            )
            return True

        hub.hook = away
        assert fetch(MODEL).tensors == _table(4)


SHA, MD5, GIT = "a" * 64, "c" * 32, "d" * 40


@pytest.mark.parametrize(
    ("linked", "served", "taken"),
    [
        ({"X-Linked-ETag": f'"{SHA}"'}, f'"{SHA}"', True),
        ({"X-Linked-ETag": f'"{SHA}"'}, f'W/"{SHA}"', True),
        ({"X-Linked-ETag": f'"{SHA}"'}, f'"{"b" * 64}"', False),
        ({"X-Linked-ETag": f'"{GIT}"'}, f'"{"e" * 40}"', False),
        ({"X-Linked-ETag": '"abc"'}, '"abd"', False),
        # Of other kinds: of the parts of an upload, of the store's own blocks, of a web server.
        ({"X-Linked-ETag": f'"{SHA}"'}, f'"{MD5}"', True),
        ({"X-Linked-ETag": f'"{SHA}"'}, f'"{MD5}-19"', True),
        ({"X-Linked-ETag": f'"{SHA}"'}, '"5f0c-6123"', True),
        ({"X-Linked-ETag": f'"{SHA}"', "X-Xet-Hash": "b" * 64}, f'"{"b" * 64}"', True),
        ({"X-Linked-ETag": f'"{SHA}"'}, None, True),
        ({}, f'"{SHA}"', True),
        ({"X-Linked-Size": "12"}, None, False),
        ({"X-Linked-Size": "many"}, None, True),
    ],
)
def test_etags_and_sizes_where_both_sides_give_one(
    hub: Hub, home: Path, linked: dict[str, str], served: str | None, taken: bool
) -> None:
    content = safetensors(_table(3))
    hub.repos[MODEL] = Repo(files={"config.json": CONFIG, "model.safetensors": content})

    def hook(handler: Any) -> bool:
        if handler.at_cdn:
            end = min(limits.LIMITS.first, content.size)
            headers = {"Content-Range": f"bytes 0-{end - 1}/{content.size}"}
            handler.answer(
                206, content.read(0, end), {**headers, **({"ETag": served} if served else {})}
            )
            return True
        if not handler.path.endswith("model.safetensors"):
            return False
        place = {"Location": f"{hub.cdn}/x", "X-Repo-Commit": COMMIT}
        handler.answer(302, b"", {**place, **linked})
        return True

    hub.hook = hook
    if taken:
        assert fetch(MODEL).tensors == _table(3)
        return
    with pytest.raises(NetworkError, match="another file than the Hub named"):
        fetch(MODEL)
    assert _kept(home) == []


@pytest.mark.parametrize("right", [True, False])
def test_a_whole_file_of_the_same_size_is_known_by_its_hash(
    hub: Hub, home: Path, right: bool
) -> None:
    served = CONFIG if right else CONFIG.replace(b"llama", b"qwen3")
    hub.repos[MODEL] = Repo(files={"config.json": _large(served)})

    def hook(handler: Any) -> bool:
        if handler.at_cdn or not handler.path.endswith("config.json"):
            return False
        place = {"Location": f"{hub.cdn}/cdn/{MODEL}//{COMMIT}/config.json"}
        said = {"X-Linked-Size": f"{len(CONFIG)}", "X-Linked-ETag": sha256(CONFIG).hexdigest()}
        handler.answer(302, b"", {**place, **said, "X-Repo-Commit": COMMIT})
        return True

    hub.hook = hook
    if right:
        assert fetch(MODEL).texts["config.json"] == CONFIG
        return
    with pytest.raises(NetworkError, match="another file than the Hub named"):
        fetch(MODEL)
    assert _kept(home) == []


def test_the_size_in_the_list_of_files_counts_where_the_redirect_says_none(
    hub: Hub, home: Path
) -> None:
    many: dict[str, Any] = {f"a/{number}.txt": b"" for number in range(1000)}
    hub.repos[MODEL] = Repo(files={**many, **sharded(_table(4), 2)}, listed=1000)
    wrong = safetensors(_table(1))

    def hook(handler: Any) -> bool:
        if handler.at_cdn:
            span = f"bytes 0-{wrong.size - 1}/{wrong.size}"
            handler.answer(206, wrong.read(0, wrong.size), {"Content-Range": span})
            return True
        if not handler.path.endswith("-of-00002.safetensors"):
            return False
        handler.answer(302, b"", {"Location": f"{hub.cdn}/x", "X-Repo-Commit": COMMIT})
        return True

    hub.hook = hook
    with pytest.raises(NetworkError, match="another file than the Hub named"):
        fetch(MODEL)
    assert _kept(home) == []
