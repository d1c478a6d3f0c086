"""The table of an older line of transformers, held against what that line's own classes did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hfkv
from hfkv.data import read_json
from hfkv.dtypes import torch_name
from hfkv.errors import HfkvError, UnsupportedError
from hfkv.release_lines import line_versions
from tests.census.goldens import compact
from tests.census.line_goldens import LINE, load, recorded

GOLDENS = load()
TYPES: dict[str, Any] = read_json("lines", f"{LINE}.json")["types"]
#: One of each kind: dense, sliding, experts, latent, a state, states beside attention, a window.
CHOSEN = ("llama", "gemma2", "mixtral", "granitemoe", "deepseek_v3", "mamba", "falcon_h1", "lfm2")


def _title(golden: dict[str, Any]) -> str:
    return f"{golden['model_type']}-{golden['name']}"


@pytest.mark.parametrize("golden", GOLDENS, ids=_title)
def test_a_cache_is_what_the_class_kept(golden: dict[str, Any]) -> None:
    entry = TYPES.get(golden["model_type"], {})
    model = hfkv.load(golden["raw"], transformers=LINE)
    for tokens, layers in golden["held"].items():
        if "cache" not in entry:
            with pytest.raises(UnsupportedError):
                model.kv_cache(tokens=int(tokens), dtype="bf16")
            continue
        encoder = golden["encoder"]
        try:
            figure = model.kv_cache(tokens=int(tokens), encoder_tokens=encoder, dtype="bf16")
        except hfkv.InputError:
            figure = model.kv_cache(
                tokens=int(tokens), dtype="bf16"
            )  # nothing of an encoder is kept
        assert figure.basis == "exact"
        assert layers == compact(
            [(t.name, t.shape, torch_name(t.dtype)) for t in layer.tensors]
            for layer in figure.layers
        )


@pytest.mark.parametrize("golden", GOLDENS, ids=_title)
def test_an_adapter_is_what_peft_made(golden: dict[str, Any]) -> None:
    from hfkv.generate.line_held import ADAPTERS

    entry = TYPES.get(golden["model_type"], {})
    model = hfkv.load({**golden["raw"], "architectures": [golden["name"]]}, transformers=LINE)
    try:
        assert model.built.basis == "exact"
    except UnsupportedError:
        return  # not proved, or the config alone is not enough
    assert golden["name"] in entry["modules"]
    for key, made in golden["adapters"].items():
        if made is None:
            with pytest.raises(HfkvError):
                model.lora(ADAPTERS[key])
            continue
        figure = model.lora(ADAPTERS[key])
        assert [figure.trainable_parameters, figure.all_parameters] == made


def test_every_type_of_the_table_has_a_recording() -> None:
    assert {golden["model_type"] for golden in GOLDENS} >= {
        name for name, entry in TYPES.items() if "cache" in entry
    }


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables under which a Python finds the libraries of the line before those of today; torch
    is the same."""
    folder = tmp_path_factory.mktemp("line")
    given = os.environ.get("HFKV_LINE")
    if given is None:
        made = line_versions(LINE)
        wanted = [f"{name}=={version}" for name, version in made.items()]
        wanted += ["huggingface_hub<1", "tokenizers<=0.23", "requests", "urllib3", "idna"]
        wanted += ["charset-normalizer", "certifi"]
        # Only in a process of its own: once this one looks for pip, setuptools hands out Python's
        # own distutils, and then fails where it is imported after (as PEFT does for BOFT).
        install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
        found = subprocess.run(
            [*install, str(folder), *wanted],
            capture_output=True,
            timeout=300,
            check=False,
        )
        if found.returncode:
            pytest.skip("there is no pip, or no index to install the line from")
    root = Path(hfkv.__file__).parent.parent
    return {**os.environ, "PYTHONPATH": os.pathsep.join([given or str(folder), str(root)])}


@pytest.mark.oracle
def test_recordings_are_what_the_line_does_today(
    environment: dict[str, str], tmp_path: Path
) -> None:
    chosen = [golden for golden in GOLDENS if golden["model_type"] in CHOSEN]
    assert {golden["model_type"] for golden in chosen} == set(CHOSEN)
    for golden in chosen:
        trial = {
            "raw": golden["raw"],
            "origin": "default",
            "changed": [],
            "lengths": [int(tokens) for tokens in golden["held"]],
            "encoder": golden["encoder"],
        }
        place = tmp_path / f"{golden['model_type']}.{golden['name']}.json"
        place.write_text(json.dumps([trial]), encoding="utf-8")
    asked = [sys.executable, "-m", "hfkv.generate", "line_held", str(tmp_path)]
    subprocess.run(asked, env=environment, check=True, timeout=300, capture_output=True)
    versions = json.loads((tmp_path / "versions").read_text(encoding="utf-8"))
    assert versions == line_versions(LINE)
    for golden in chosen:
        place = tmp_path / f"{golden['model_type']}.{golden['name']}.held"
        first = json.loads(place.read_text(encoding="utf-8"))[0]
        again = recorded(golden["model_type"], golden["name"], first)
        assert again == golden, golden["model_type"]
