"""The example repository shows every kind of check, is clean, and its lock is what hfkv writes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from hfkv.check.run import check, documents, parts
from hfkv.check.settings import find_settings

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "checked"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: None) -> Path:
    """A copy of it, the working directory."""
    copy = tmp_path / "checked"
    shutil.copytree(EXAMPLE, copy)
    monkeypatch.chdir(copy)
    return copy


def test_it_is_clean(example: Path, hfkv: Run) -> None:
    code, out, err = hfkv("check")
    assert (code, out) == (0, "")
    assert err.startswith("no findings in ")
    assert hfkv("lock", "--check") == (0, "", "")


def test_its_lock_is_what_hfkv_writes(example: Path, hfkv: Run) -> None:
    before = (example / "hfkv.lock").read_bytes()
    (example / "hfkv.lock").unlink()
    assert hfkv("lock", "--source", "snapshot")[0] == 0
    assert (example / "hfkv.lock").read_bytes() == before
    assert len(before) < 4000 * before.count(b'"provenance"')


def test_it_shows_every_kind_of_check(example: Path) -> None:
    settings = find_settings(example)
    found = {
        part.asked.kind if part.asked else part.kind
        for document in documents(settings, (), [])
        for part in parts(settings, document)
    }
    formats = {"PEFT LORA", "TRL", "axolotl", "LLaMA-Factory", "torchtune"}
    assert found == {"config", "claims"} | formats
    assert len(settings.budgets) == 3
    silenced = find_settings(example)
    (example / "training/llama_factory.yaml").write_text(
        (example / "training/llama_factory.yaml").read_text("utf-8").replace("hfkv: ignore", "")
    )
    assert [item.code for item in check(silenced).findings] == ["HFKV201"]


def test_the_hooks_and_the_action_are_as_documented() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert [hook["id"] for hook in hooks] == ["hfkv-check", "hfkv-lock"]
    shown = yaml.safe_load((EXAMPLE / ".pre-commit-config.yaml").read_text("utf-8"))
    assert [hook["id"] for hook in shown["repos"][0]["hooks"]] == ["hfkv-check", "hfkv-lock"]
    action = yaml.safe_load((ROOT / ".github/actions/hfkv-check/action.yml").read_text("utf-8"))
    workflow = yaml.safe_load((EXAMPLE / ".github/workflows/hfkv.yml").read_text("utf-8"))
    assert action["runs"]["using"] == "composite"
    (used,) = [
        step["uses"] for step in workflow["jobs"]["check"]["steps"] if "hfkv" in step["uses"]
    ]
    assert (ROOT / used.partition("@")[0].removeprefix("hfkv/hfkv/") / "action.yml").is_file()
    for step in action["runs"]["steps"]:
        if "run" in step:
            assert step["shell"] == "bash"
            assert "${{ inputs" not in step["run"]  # an input is never a part of a command
