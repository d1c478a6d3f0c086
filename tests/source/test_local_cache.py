"""The local Hugging Face cache, in the layout that huggingface_hub itself writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hfkv.errors import NotFoundError
from hfkv.source import fetch
from tests.hub.server import COMMIT


def test_the_folder_is_named_as_huggingface_hub_names_it() -> None:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    for model in ("gpt2", "meta-llama/Meta-Llama-3-70B"):
        name = constants.REPO_ID_SEPARATOR.join(["models", *model.split("/")])
        assert name == repo_folder_name(repo_id=model, repo_type="model")


def _fill(home: Path) -> None:
    folder = home / "hub" / "models--acme--small"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text('{"model_type": "llama"}')


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_a_cached_model_is_read_at_its_commit(
    home: Path, offline: None, revision: str | None
) -> None:
    _fill(home)
    files = fetch("acme/small", revision=revision)
    assert (files.source, files.commit) == ("cache", COMMIT)
    assert "config.json" in files.texts


def test_shards_that_the_cache_lacks_cost_the_table_alone(home: Path, offline: None) -> None:
    _fill(home)
    snapshot = home / "hub" / "models--acme--small" / "snapshots" / COMMIT
    weights = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
    (snapshot / weights["a"]).write_bytes(b"")
    assert "does not have all of them" in fetch("acme/small").missing["tensors"]


@pytest.mark.parametrize("revision", ["v2", "../../x", "/etc", "0" * 40])
def test_what_the_cache_lacks_is_refused(home: Path, offline: None, revision: str) -> None:
    _fill(home)
    with pytest.raises(NotFoundError):
        fetch("acme/small", revision=revision, source="cache")
