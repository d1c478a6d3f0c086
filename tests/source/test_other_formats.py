"""Repositories without safetensors: the bot's conversion, and GGUF files, over the local Hub."""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hfkv.errors import HeaderError, HfkvError
from hfkv.model import load
from hfkv.source import fetch, limits
from hfkv.source.conversion import find_conversion
from hfkv.source.store import Store
from hfkv.tensors import Tensor, TensorTable
from tests.facts.test_gguf import CASES
from tests.hub.server import COMMIT, Hub, Repo, Sparse, safetensors, sharded

NAME = "acme/old"
PR = "refs/pr/3"
PR_COMMIT = "3" * 40


def _offer(**change: Any) -> dict[str, Any]:
    return {
        "num": 3,
        "title": "Adding `safetensors` variant of this model",
        "status": "open",
        "isPullRequest": True,
        "author": {"name": "SFconvertbot"},
        **change,
    }


def _page(*offers: object) -> dict[str, Any]:
    return {"discussions": list(offers), "start": 0, "count": len(offers)}


@pytest.fixture
def old(hub: Hub) -> Repo:
    """A repository of PyTorch files alone, with the bot's conversion."""
    from hfkv.source.snapshot import read_snapshot

    files = read_snapshot("Qwen/Qwen3-4B")
    assert files.tensors is not None
    config = files.texts["config.json"]
    repo = Repo(
        files={"config.json": config, "pytorch_model.bin": Sparse(b"\x80", 8 * 10**9)},
        branches={PR: PR_COMMIT},
        older={PR_COMMIT: {"config.json": config, **sharded(files.tensors, 2)}},
        discussions=_page(_offer()),
        history={PR: [{"id": PR_COMMIT}, {"id": COMMIT}]},
    )
    hub.repos[NAME] = repo
    return repo


def test_the_bots_conversion_is_read(hub: Hub, old: Repo) -> None:
    model = load(NAME)
    assert model.commit == COMMIT
    assert model.parameters == load("Qwen/Qwen3-4B", source="snapshot").parameters
    assert model.lora(r=8).basis == "exact"
    assert any("conversion" in note and PR in note for note in model.facts.notes)
    assert all(path.count("model-0000") for _, path, _ in hub.requests if "/cdn/" in path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"discussions": None}, "no safetensors conversion"),
        ({"discussions": _page()}, "no safetensors conversion"),
        ({"discussions": []}, "no safetensors conversion"),
        ({"discussions": {"discussions": "x"}}, "no safetensors conversion"),
        ({"discussions": _page(_offer(author={"name": "mallory"}))}, "no safetensors conversion"),
        ({"discussions": _page(_offer(author=None))}, "no safetensors conversion"),
        ({"discussions": _page(_offer(status="closed"))}, "no safetensors conversion"),
        ({"discussions": _page(_offer(isPullRequest=False))}, "no safetensors conversion"),
        ({"discussions": _page(_offer(title="safetensors"))}, "no safetensors conversion"),
        ({"discussions": _page(_offer(num="3"))}, "no safetensors conversion"),
        ({"discussions": _page(_offer(num=-3), 5, None)}, "no safetensors conversion"),
        ({"history": {}}, f"{PR}) is of an earlier commit"),
        (
            {"history": {PR: [{"id": "a" * 40}, {"id": "b" * 40}]}},
            "earlier commit; `revision='refs/pr/3'`",
        ),
        ({"history": {PR: [5, 5]}}, "earlier commit"),
        ({"older": {PR_COMMIT: {"config.json": b"{}"}}}, "holds no safetensors files"),
    ],
)
def test_what_is_no_conversion_is_not_used(old: Repo, change: dict[str, Any], words: str) -> None:
    for name, value in change.items():
        setattr(old, name, value)
    model = load(NAME)
    assert words in model.facts.missing["tensors"]
    # What the config alone says is answered all the same.
    assert model.kv_cache(tokens=10).bytes == 10 * 147_456
    figure = model.lora(r=8)
    known = load("Qwen/Qwen3-4B", source="snapshot").lora(r=8)
    assert (figure.parameters, figure.basis) == (known.parameters, "exact")
    assert figure.all_parameters == known.all_parameters
    assert any("no weights were seen" in note and words in note for note in figure.notes)


def test_the_newest_offer_of_the_commit_at_hand_is_taken() -> None:
    offers = [_page(*(_offer(num=number) for number in (1, 2, 7, 9)))]
    history = {"refs%2Fpr%2F7": COMMIT, "refs%2Fpr%2F2": COMMIT}

    def ask(path: str) -> Any:
        if path.startswith("/discussions"):
            return offers[0]
        below = history.get(path.removeprefix("/commits/"), "0" * 40)
        return [{"id": "f" * 40}, {"id": below}]

    found = find_conversion(ask, COMMIT)
    assert found is not None
    assert (found.reference, found.current) == ("refs/pr/7", True)


def test_pages_of_discussions_are_followed_to_a_bound() -> None:
    asked: list[str] = []

    def ask(path: str) -> Any:
        asked.append(path)
        return {"discussions": [_offer(title="x")], "start": 0, "count": 10**6}

    assert find_conversion(ask, COMMIT) is None
    assert len(asked) == 5


# -- GGUF ----------------------------------------------------------------------------------------


def _gguf(case: str) -> Sparse:
    raw = zlib.decompress(base64.b64decode(CASES[case]["header"]))
    return Sparse(raw, CASES[case]["size"])


def test_a_repository_of_gguf_files_is_answered(hub: Hub) -> None:
    hub.repos["acme/q-GGUF"] = Repo(
        files={
            "README.md": b"# Q",
            "q-Q8_0.gguf": _gguf("qwen3_moe-q8"),
            "q-Q4_K_M.gguf": Sparse(b"never read", 10),
            "mmproj-F16.gguf": Sparse(b"never read", 10),
        }
    )
    model = load("acme/q-GGUF")
    assert model.kv_cache(tokens=10, dtype="bf16").basis == "documented"
    assert model.lora(r=8).parameters
    assert model.weight_bytes is not None
    (note,) = model.facts.notes
    assert "q-Q8_0.gguf, one of 2 renderings" in note


def test_a_split_gguf_is_answered(hub: Hub) -> None:
    parts = {
        case.replace("llama-split", "m") + ".gguf": _gguf(case)
        for case in CASES
        if "-split-" in case
    }
    hub.repos["acme/split"] = Repo(files={**parts})
    assert load("acme/split").parameters == load_case("llama").parameters
    parts.pop(sorted(parts)[1])
    hub.repos["acme/cut"] = Repo(files={**parts})
    with pytest.raises(HeaderError, match="part 2 of"):
        load("acme/cut")


def _several() -> Repo:
    return Repo(
        files={
            "q-Q8_0.gguf": _gguf("qwen3_moe-q8"),
            "q-UD-Q4_K_M.gguf": Sparse(b"never read", 10),
            "q-Q4_K_M.gguf": Sparse(b"never read", 10),
            "BF16/q-00001-of-00002.gguf": Sparse(b"never read", 10),
            "config.json": b'{"model_type": "nonsense"}',
            "model.safetensors": Sparse(b"never read", 10),
        }
    )


@pytest.mark.parametrize("name", ["Q8_0", "q8_0", "q-Q8_0", "q-Q8_0.gguf"])
def test_one_of_several_renderings_can_be_named(hub: Hub, name: str) -> None:
    hub.repos["acme/q"] = _several()
    model = load(f"acme/q:{name}")
    assert model.model == f"acme/q:{name}"
    assert model.weight_bytes == load_case("qwen3_moe-q8").weight_bytes
    assert model.facts.notes == ("read from the header of q-Q8_0.gguf",)
    # Kept by its own name, beside what others are kept by.
    hub.forget()
    assert load(f"acme/q:{name}").weight_bytes == model.weight_bytes
    assert hub.asked == ["/api/models/acme/q/revision/main"]
    assert [entry.model for entry in Store().entries()] == [f"acme/q:{name}"]
    assert [entry.model for entry in Store().clear("acme/q")] == [f"acme/q:{name}"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Q4_K_M", "2 GGUF files are called Q4_K_M.*q-Q4_K_M.gguf, q-UD-Q4_K_M.gguf"),
        ("Q5_K_M", "no GGUF files are called Q5_K_M.*q-Q8_0.gguf"),
        ("M", "2 GGUF files are called M"),
        ("8_0", "no GGUF files are called 8_0"),
        ("BF16", "part 2 of 2"),
        ("config.json", "no GGUF files"),
    ],
)
def test_a_rendering_that_is_not_one_is_refused(hub: Hub, name: str, reason: str) -> None:
    hub.repos["acme/q"] = _several()
    with pytest.raises(HfkvError, match=reason):
        load(f"acme/q:{name}")


def test_a_rendering_by_its_file_in_a_folder(hub: Hub) -> None:
    hub.repos["acme/q"] = Repo(files={"Q8/a.gguf": _gguf("qwen3_moe-q8"), "b.gguf": Sparse(b"", 0)})
    for name in ("Q8/a.gguf", "Q8", "a", "a.gguf"):
        assert load(f"acme/q:{name}").weight_bytes == load_case("qwen3_moe-q8").weight_bytes


def test_parts_are_read_at_once(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repos["acme/split"] = Repo(
        files={
            case.replace("llama-split", "m") + ".gguf": _gguf(case)
            for case in CASES
            if "-split-" in case
        }
    )
    parts = len(hub.repos["acme/split"].files)
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, read=30.0, whole=60.0))
    # The list and what goes with it; the redirects; the headers.
    hub.together = (5, parts, parts)
    load("acme/split")
    assert (hub.apart, len(hub.requests)) == (0, 5 + 2 * parts)


def load_case(case: str) -> Any:
    from tests.facts.test_gguf import _model

    return _model(case)


def test_a_long_vocabulary_is_read_by_more_ranges(hub: Hub) -> None:
    head = _gguf("llama").head
    text = b"x" * 1000
    extra = b"".join(
        struct.pack("<Q", len(part)) + part for part in (b"tokenizer.ggml.merges",)
    ) + struct.pack("<IIQ", 9, 8, 5000)
    extra += (struct.pack("<Q", len(text)) + text) * 5000
    keys = struct.unpack_from("<Q", head, 16)[0]
    raw = head[:16] + struct.pack("<Q", keys + 1) + extra + head[24:]
    raw += bytes(-len(raw) % 32)
    hub.repos["acme/long"] = Repo(files={"m.gguf": Sparse(raw, CASES["llama"]["size"] + 2**23)})
    assert load("acme/long").parameters == load_case("llama").parameters
    # Asked of the Hub once; from then on where its redirect led.
    paths = [path for _, path, _ in hub.requests if "m.gguf" in path]
    assert [path.startswith("/cdn/") for path in paths] == [False, True, True]


def test_a_truncated_gguf_is_refused(hub: Hub) -> None:
    whole = _gguf("llama")
    for size in (0, 3, 24, len(whole.head) // 2, whole.size - 1):
        hub.repos["acme/cut"] = Repo(files={"m.gguf": Sparse(whole.head[:size], size)})
        with pytest.raises(HfkvError, match=r"m\.gguf|acme/cut"):
            fetch("acme/cut", source="hub")


# -- paths ---------------------------------------------------------------------------------------


def _write(folder: Path, case: str, name: str = "") -> Path:
    path = folder / (name or f"{case}.gguf")
    content = _gguf(case)
    path.write_bytes(content.read(0, content.size))
    return path


def test_a_gguf_file_by_its_path(tmp_path: Path, hfkv: Callable[..., Any]) -> None:
    path = _write(tmp_path, "gemma2")
    code, out, _ = hfkv("kv", str(path), "--tokens", "1000", "--kv-dtype", "bf16", "--json")
    assert code == 0
    value = json.loads(out)
    assert (value["bytes"], value["basis"]) == (408_192, "documented")
    code, out, _ = hfkv("compare", str(path), "--rank", "4")
    assert code == 0
    assert "documented" in out


def test_a_directory_of_gguf_files(tmp_path: Path) -> None:
    _write(tmp_path, "qwen3_moe-q8", "m-Q8_0.gguf")
    assert load(str(tmp_path)).lora(r=8).parameters
    _write(tmp_path, "qwen3_moe", "m-F16.gguf")
    model = load(str(tmp_path))
    assert model.kv_cache(tokens=1).dtype == "float16"
    assert "m-F16.gguf, one of 2" in model.facts.notes[0]


def test_any_part_of_a_split_file_stands_for_all(tmp_path: Path) -> None:
    parts = [_write(tmp_path, case) for case in CASES if "-split-" in case]
    for part in parts:
        assert load(str(part)).parameters == load_case("llama").parameters
    parts[2].unlink()
    with pytest.raises(HeaderError, match="part 3 of"):
        load(str(parts[0]))


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_file_of_weights_alone_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(safetensors(load_case("llama").facts.tensors).head)
    with pytest.raises(HfkvError, match="weights alone"):
        load(str(tmp_path / name))


def test_a_gguf_that_is_no_model_says_what_it_is(tmp_path: Path) -> None:
    raw = bytearray(_gguf("llama").read(0, 10**6))
    at = raw.index(b"general.type") + len("general.type") + 4 + 8
    assert raw[at : at + 5] == b"model"
    raw[at : at + 5] = b"mmprj"
    (tmp_path / "m.gguf").write_bytes(raw)
    model = load(str(tmp_path / "m.gguf"))
    with pytest.raises(HfkvError, match="holds 'mmprj', not a model"):
        model.kv_cache(tokens=1)


# -- the store -----------------------------------------------------------------------------------


@pytest.mark.parametrize("offers", [None, _page()])
def test_that_nothing_is_offered_is_not_kept(hub: Hub, old: Repo, offers: Any) -> None:
    given, old.discussions = old.discussions, offers
    assert load(NAME).parameters is None
    assert Store().entries() == []
    # Offered a day later, of the very same commit.
    old.discussions = given
    assert load(NAME).parameters == load("Qwen/Qwen3-4B", source="snapshot").parameters
    hub.forget()
    assert load(NAME).lora(r=8).basis == "exact"
    assert [path for _, path, _ in hub.requests] == [f"/api/models/{NAME}/revision/main"]


def test_a_gguf_beside_pytorch_files_is_not_kept_while_a_conversion_may_come(hub: Hub) -> None:
    files: dict[str, Any] = {"m.gguf": _gguf("llama"), "pytorch_model.bin": Sparse(b"\x80", 10)}
    hub.repos["acme/both"] = Repo(files=files)
    assert load("acme/both").parameters == load_case("llama").parameters
    assert Store().entries() == []


@pytest.mark.parametrize("case", ["llama", "qwen3_moe-q8"])
def test_a_gguf_is_read_off_the_store_as_off_the_hub(hub: Hub, case: str) -> None:
    hub.repos["acme/q-GGUF"] = Repo(files={"q.gguf": _gguf(case)})
    first = load("acme/q-GGUF")
    hub.forget()
    again = load("acme/q-GGUF")
    assert hub.asked == ["/api/models/acme/q-GGUF/revision/main"]
    assert again.source == "cache"
    for ask in (
        lambda model: model.kv_cache(tokens=100).to_json(),
        lambda model: model.lora(r=8, dtype="bf16").to_json(),
        lambda model: model.weight_bytes,
    ):
        assert ask(again) == ask(first)


# -- what safetensors need more ------------------------------------------------------------------


def test_the_index_is_asked_where_names_do_not_tell(hub: Hub) -> None:
    table = load("Qwen/Qwen3-4B", source="snapshot").facts.tensors
    assert table is not None
    files = sharded(table, 2)
    index = "model.safetensors.index.json"
    asked = []
    for name, change in (("acme/usual", lambda text: text), ("acme/odd", _renamed)):
        hub.repos[name] = Repo(files={change(file): raw for file, raw in files.items()})
        raw = files[index]
        assert isinstance(raw, bytes)
        hub.repos[name].files[index] = change(raw.decode()).encode()
        hub.forget()
        assert fetch(name).tensors == table
        asked.append(sum(path.endswith(index) for _, path, _ in hub.requests))
    # The one request for all headers names the index as well.
    assert asked == [1, 2]


def _renamed(text: str) -> str:
    return re.sub(r"model-(\d+)-of-\d+\.safetensors", r"part_\1.safetensors", text)


@pytest.mark.parametrize("whole", [False, "named"])
def test_two_shards_with_one_tensor_are_named(hub: Hub, whole: bool | str) -> None:
    shard = safetensors(TensorTable([Tensor(name="a.0.b", dtype="BF16", shape=(2, 2))]))
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index = json.dumps({"metadata": {}, "weight_map": {"a.0.b": names[0]}}).encode()
    files: dict[str, bytes | Sparse] = {names[0]: shard, names[1]: shard}
    hub.repos["acme/two"] = Repo(
        files={**files, "model.safetensors.index.json": index}, whole=whole
    )
    with pytest.raises(HeaderError, match=r"acme/two: 'a\.0\.b' is in model-00001.* and in model-"):
        fetch("acme/two")
