"""Addresses of models: what each names, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hfkv
from hfkv.errors import HfkvError, InputError
from hfkv.source import fetch
from hfkv.source.model_name import is_id, split_rendering
from hfkv.source.reference import reference
from tests.conftest import LLAMA
from tests.hub.server import Hub

Run = Callable[..., tuple[int, str, str]]
HUB = "https://huggingface.co"
COMMIT = "0123456789abcdef0123456789abcdef01234567"

NAMED = {
    f"{HUB}/Qwen/Qwen3-8B": ("Qwen/Qwen3-8B", None),
    f"{HUB}/Qwen/Qwen3-8B/": ("Qwen/Qwen3-8B", None),
    "HTTP://HuggingFace.co/Qwen/Qwen3-8B": ("Qwen/Qwen3-8B", None),
    "https://huggingface.co:443/Qwen/Qwen3-8B": ("Qwen/Qwen3-8B", None),
    "https://www.huggingface.co/Qwen/Qwen3-8B": ("Qwen/Qwen3-8B", None),
    "huggingface.co/Qwen/Qwen3-8B": ("Qwen/Qwen3-8B", None),
    "hf.co/unsloth/Qwen3-8B-GGUF:Q4_K_M": ("unsloth/Qwen3-8B-GGUF:Q4_K_M", None),
    "https://hf.co/Qwen/Qwen3-8B?library=transformers#top": ("Qwen/Qwen3-8B", None),
    f"{HUB}/gpt2": ("gpt2", None),
    f"{HUB}/gpt2/tree/main": ("gpt2", "main"),
    f"{HUB}/Qwen/Qwen3-8B/tree/main": ("Qwen/Qwen3-8B", "main"),
    f"{HUB}/Qwen/Qwen3-8B/tree/refs%2Fpr%2F7": ("Qwen/Qwen3-8B", "refs/pr/7"),
    f"{HUB}/Qwen/Qwen3-8B/tree/refs/pr/7": ("Qwen/Qwen3-8B", "refs/pr/7"),
    f"{HUB}/Qwen/Qwen3-8B/commit/{COMMIT}": ("Qwen/Qwen3-8B", COMMIT),
    f"{HUB}/Qwen/Qwen3-8B/blob/main/config.json": ("Qwen/Qwen3-8B", "main"),
    f"{HUB}/Qwen/Qwen3-8B/resolve/v1/model.safetensors?download=true": ("Qwen/Qwen3-8B", "v1"),
    f"{HUB}/a/b-GGUF/blob/main/b-Q4_K_M.gguf": ("a/b-GGUF:b-Q4_K_M.gguf", "main"),
    f"{HUB}/a/b-GGUF/blob/main/Q4/b-00001-of-00002.gguf": (
        "a/b-GGUF:Q4/b-00001-of-00002.gguf",
        "main",
    ),
    "hf://Qwen/Qwen3-8B": ("Qwen/Qwen3-8B", None),
    "hf://models/Qwen/Qwen3-8B": ("Qwen/Qwen3-8B", None),
    "hf://Qwen/Qwen3-8B@v1": ("Qwen/Qwen3-8B", "v1"),
    "hf://Qwen/Qwen3-8B@v1/config.json": ("Qwen/Qwen3-8B", "v1"),
    "hf://Qwen/Qwen3-8B@refs/pr/7/config.json": ("Qwen/Qwen3-8B", "refs/pr/7"),
    "hf://gpt2@main": ("gpt2", "main"),
    "hf://a/b-GGUF@main/x.gguf": ("a/b-GGUF:x.gguf", "main"),
    "Qwen/Qwen3-8B@v1": ("Qwen/Qwen3-8B", "v1"),
    "gpt2@main": ("gpt2", "main"),
    "Qwen/Qwen3-8B@refs/pr/7": ("Qwen/Qwen3-8B", "refs/pr/7"),
    "a/b-GGUF:Q4_K_M@v1": ("a/b-GGUF:Q4_K_M", "v1"),
    "a/b-GGUF@v1:Q4_K_M": ("a/b-GGUF:Q4_K_M", "v1"),
}
PLAIN = ("Qwen/Qwen3-8B", "gpt2", "./a", "/a/b@c", "a/b:Q4_K_M", "C:\\models\\a", "~/a@b", "a b@c")
REFUSED = (
    f"{HUB}/",
    f"{HUB}/datasets/squad",
    f"{HUB}/spaces/a/b",
    f"{HUB}/api/models/a/b",
    f"{HUB}/a/b/discussions/3",
    f"{HUB}/a/b/tree",
    f"{HUB}/a/b/tree/main/original",
    f"{HUB}/a/b/blob/main/original/params.json",
    f"{HUB}/a/b/tree/..",
    f"{HUB}/a/b/tree/%2e%2e%2f%2e%2e",
    f"{HUB}/a/b/tree/a%00b",
    f"{HUB}/../../etc/passwd",
    f"{HUB}/a%2F..%2Fb/c",
    f"{HUB}/a/b%20c",
    "https://example.org/a/b",
    "https://huggingface.co.example.org/a/b",
    "https://huggingface.co@example.org/a/b",
    "https://huggingface.co:8080/a/b",
    "https://huggingface.co:no/a/b",
    "https://[::1/a/b",
    "file:///etc/passwd",
    "ftp://huggingface.co/a/b",
    "s3://a/b",
    "hf://datasets/a/b",
    "hf://buckets/a/b",
    "hf://",
    "hf://a/b@",
    "hf://a/../b",
    "Qwen/Qwen3-8B@",
    "Qwen/Qwen3-8B@..",
    "Qwen/Qwen3-8B@a b",
    "Qwen/Qwen3-8B@a@{1}",
    "Qwen/Qwen3-8B@" + "a" * 300,
    "a/b:Q4@v1:Q8",
)


@pytest.mark.parametrize(("written", "named"), NAMED.items())
def test_an_address_names_one_model(written: str, named: tuple[str, str | None]) -> None:
    assert reference(written, None) == named


@pytest.mark.parametrize("written", PLAIN)
def test_an_id_and_a_path_are_as_before(written: str) -> None:
    assert reference(written, None) is None


@pytest.mark.parametrize("written", REFUSED)
def test_what_names_no_model_is_refused(written: str, offline: None) -> None:
    with pytest.raises(InputError):
        reference(written, None)
    with pytest.raises(HfkvError):
        hfkv.load(written)


def test_a_token_in_an_address_is_not_repeated(hfkv: Run) -> None:
    code, out, err = hfkv("kv", "https://me:hf_secret@huggingface.co/a/b")
    assert (code, out) == (2, "")
    assert "hf_secret" not in err
    _, _, err = hfkv("kv", "https://example.org/a/b?Signature=hf_secret")
    assert "hf_secret" not in err


def test_a_revision_is_said_once(hfkv: Run, offline: None) -> None:
    code, _, err = hfkv("kv", f"{LLAMA}@v1", "--revision", "v2")
    assert code == 2
    assert "revision 'v1'" in err
    assert "'v2'" in err
    assert "--revision" in err
    code, out, _ = hfkv("kv", f"{HUB}/{LLAMA}/tree/main", "--revision", "main", "-q")
    assert (code, out.strip()) == (0, "32768000000")


def test_an_address_is_read_as_its_id(hfkv: Run, offline: None) -> None:
    plain = hfkv("compare", LLAMA, "--json")[1]
    for written in (f"{HUB}/{LLAMA}", f"hf://{LLAMA}", f"hf.co/{LLAMA}"):
        assert hfkv("compare", written, "--json")[1] == plain
    assert hfkv("tokens", f"{HUB}/{LLAMA}", "-q")[1].strip() == "15000000000000"


def test_an_address_is_never_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: None
) -> None:
    (tmp_path / LLAMA).mkdir(parents=True)
    (tmp_path / LLAMA / "config.json").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert hfkv.load(LLAMA).source == "directory"
    assert hfkv.load(f"{HUB}/{LLAMA}").source == "snapshot"
    with pytest.raises(InputError, match="no directory"):
        hfkv.load(f"{HUB}/{LLAMA}", source="directory")


def test_a_path_with_an_at_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "me" / "model@v1").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert reference("me/model@v1", None) is None


def test_the_mirror_of_the_endpoint_is_the_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setenv("HF_TOKEN", "hf_test")
    files = fetch(f"{hub.url}/{LLAMA}/tree/main")
    assert (files.model, files.source, files.revision) == (LLAMA, "hub", "main")
    monkeypatch.setattr(constants, "ENDPOINT", "https://mirror.example/hf")
    assert reference("https://mirror.example/hf/a/b", None) == ("a/b", None)
    for other in ("https://mirror.example/a/b", "https://mirror.example:81/hf/a/b"):
        with pytest.raises(InputError):
            reference(other, None)


@given(st.text(max_size=80))
def test_whatever_is_typed_names_an_id_or_is_refused(text: str) -> None:
    for written in (text, f"{HUB}/{text}", f"hf://{text}", f"a/b@{text}"):
        try:
            found = reference(written, None)
        except InputError:
            continue
        if found is not None:
            name, revision = found
            assert is_id(split_rendering(name)[0]) or is_id(name.partition(":")[0])
            assert revision is None or ("\0" not in revision and ".." not in revision)


def test_a_name_much_like_one_that_is_here(hfkv: Run, offline: None, home: Path) -> None:
    (home / "hub" / "models--acme--rocket-7b").mkdir(parents=True)
    for typed, meant in (
        ("meta-lama/Meta-Llama-3-70B", LLAMA),
        ("Meta-Llama-3-70B", LLAMA),
        ("acme/rockets-7b", "acme/rocket-7b"),
    ):
        code, _, err = hfkv("kv", typed)
        assert code == 1
        assert f"did you mean {meant}?" in err
    # Another number is another model.
    assert "did you mean" not in hfkv("kv", "acme/rocket-8b")[2]
    assert "did you mean" not in hfkv("kv", "nobody/nothing")[2]
