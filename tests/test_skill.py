"""The skill for agents: where ``hf skills`` looks, and true to the commands that it names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hfkv.cli import COMMANDS

ROOT = Path(__file__).parent.parent
MARKET = json.loads((ROOT / ".claude-plugin" / "marketplace.json").read_text(encoding="utf-8"))
(PLUGIN,) = MARKET["plugins"]
FOLDER = ROOT / PLUGIN["source"]
SKILL = (FOLDER / "SKILL.md").read_text(encoding="utf-8")
Run = Callable[..., tuple[int, str, str]]

#: The real ``hf``, with the bucket that it reads its marketplace from in a folder.
HF = """
import shutil, sys
from pathlib import Path
from huggingface_hub import HfApi
from huggingface_hub._buckets import BucketFile
from huggingface_hub.cli.hf import main

bucket = Path(sys.argv.pop(1))

def download(self, bucket_id, files, **_):
    assert bucket_id == "huggingface/skills"
    for source, target in files:
        path = source if isinstance(source, str) else source.path
        shutil.copy(bucket / path, target)

def tree(self, bucket_id, prefix=None, recursive=None, **_):
    for path in (bucket / prefix).rglob("*"):
        name = path.relative_to(bucket).as_posix()
        yield BucketFile(type="file", path=name, size=path.stat().st_size, xetHash="0" * 64)

HfApi.download_bucket_files, HfApi.list_bucket_tree = download, tree
main()
"""


def _hf(bucket: Path, home: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HF, str(bucket), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=cwd,
        env={**os.environ, "HOME": str(home), "HF_HUB_DISABLE_UPDATE_CHECK": "1"},
    )


def test_hf_skills_add_installs_it(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub.cli._skills", reason="`hf skills` came with 1.9")
    pytest.importorskip("huggingface_hub._buckets")
    from huggingface_hub import constants

    if not hasattr(constants, "AGENTS_SKILLS_LOCAL_PATH"):
        pytest.skip("its folders were others before 1.30")
    bucket = tmp_path / "bucket"
    copied = bucket / PLUGIN["source"]
    copied.mkdir(parents=True)
    (copied / "SKILL.md").write_text(SKILL, encoding="utf-8")
    (bucket / "marketplace.json").write_text(json.dumps(MARKET), encoding="utf-8")
    project = tmp_path / "project"
    project.mkdir()
    done = _hf(bucket, tmp_path, "skills", "add", "hfkv", cwd=project)
    assert done.returncode == 0, done.stderr
    installed = project / constants.AGENTS_SKILLS_LOCAL_PATH / "hfkv" / "SKILL.md"
    assert installed.read_text(encoding="utf-8") == SKILL
    # This repository has it where `hf` and agents look for a project's own.
    assert FOLDER == ROOT / constants.AGENTS_SKILLS_LOCAL_PATH / "hfkv"
    listed = _hf(bucket, tmp_path, "skills", "list", "--format", "json", cwd=ROOT)
    assert listed.returncode == 0, listed.stderr
    (row,) = json.loads(listed.stdout)
    assert (row["name"], row["project"]) == ("hfkv", "yes")


def test_the_front_matter_is_what_agents_read() -> None:
    import yaml

    _, front, body = SKILL.split("---\n", 2)
    value = yaml.safe_load(front)
    assert value["name"] == FOLDER.name == "hfkv"
    assert set(value) == {"name", "description"}
    assert 100 < len(value["description"]) <= 1024
    assert len(body.splitlines()) < 500


@pytest.mark.parametrize("line", re.findall(r"^- `hfkv ([^`]+)`", SKILL, re.MULTILINE))
def test_every_command_answers(hfkv: Run, offline: None, line: str) -> None:
    if line in ("check", "lock"):
        assert line in COMMANDS
        return
    code, out, _ = hfkv(*line.split(), "--format", "agent")
    assert code == 0
    assert out.strip()


def test_no_command_is_named_that_is_none() -> None:
    named = set(re.findall(r"`hfkv ([a-z]+)", SKILL))
    assert named <= set(COMMANDS)
    assert {"compare", "kv", "lora", "rank", "tokens", "check", "lock"} <= named
