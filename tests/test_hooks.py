"""The hooks under the real pre-commit, which clones this checkout and builds an environment of it.

Slow, and needs a package index: an oracle test. Once installed, the hooks run without a network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.oracle

ROOT = Path(__file__).parent.parent
SHIPPED = ("hfkv", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml", ".github")
#: No way out, for whatever would try.
NOWHERE = {
    "HF_ENDPOINT": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
}
CONFIG = """\
repos:
  - repo: {repo}
    rev: {rev}
    hooks:
      - id: hfkv-check
        args: [{args}]
      - id: hfkv-lock
"""


def _git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", *names, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


class Scratch:
    """A repository that uses the hooks: the example, in a clone of its own."""

    def __init__(self, root: Path, repo: Path, rev: str, home: Path) -> None:
        self.root = root
        self._repo, self._rev, self._home = repo, rev, home
        shutil.copytree(ROOT / "examples" / "checked", root)
        _git(root, "init", "-q")
        self.configure()
        _git(root, "add", "-A")
        _git(root, "commit", "-q", "-m", "start")

    def configure(self, args: str = "") -> None:
        text = CONFIG.format(repo=self._repo.as_uri(), rev=self._rev, args=args)
        (self.root / ".pre-commit-config.yaml").write_text(text, "utf-8")

    def change(self, path: str, old: str, new: str) -> None:
        file = self.root / path
        text = file.read_bytes().decode()
        assert old in text
        file.write_bytes(text.replace(old, new, 1).encode())

    def run(self, *arguments: str, offline: bool = True) -> tuple[int, str]:
        _git(self.root, "add", "-A")
        environment = {
            **os.environ,
            "PRE_COMMIT_HOME": str(self._home),
            **(NOWHERE if offline else {}),
        }
        done = subprocess.run(
            [sys.executable, "-m", "pre_commit", *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Path]:
    """A repository of hooks made of this checkout, its revision, and pre-commit's own cache."""
    pytest.importorskip("pre_commit")
    repo = tmp_path_factory.mktemp("hooks") / "hfkv"
    repo.mkdir()
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, repo / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
            )
        else:
            shutil.copy(ROOT / name, repo / name)
    _git(repo, "init", "-q")
    _git(repo, "add", "-A")
    _git(repo, "commit", "-q", "-m", "checkout")
    rev = _git(repo, "rev-parse", "HEAD")
    home = tmp_path_factory.mktemp("pre-commit")
    first = Scratch(tmp_path_factory.mktemp("first") / "project", repo, rev, home)
    code, out = first.run("install-hooks", offline=False)
    assert code == 0, out
    return repo, rev, home


@pytest.fixture
def scratch(tmp_path: Path, hooks: tuple[Path, str, Path]) -> Scratch:
    """The example repository with the hooks installed."""
    return Scratch(tmp_path / "project", *hooks)


def test_the_environment_is_small(hooks: tuple[Path, str, Path]) -> None:
    core, _, _ = (ROOT / "pyproject.toml").read_text("utf-8").partition("[project.optional-")
    if '"matplotlib' in core:
        pytest.skip("matplotlib is a dependency of the core, and most of the environment")
    (folder,) = {path.resolve() for path in hooks[2].glob("repo*/py_env-*")}
    whole = sum(
        path.lstat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    assert whole < 60 * 10**6


def test_a_clean_repository_passes(scratch: Scratch) -> None:
    code, out = scratch.run("run", "--all-files", "--verbose")
    assert code == 0, out
    assert "no findings" in out
    assert out.count("Passed") == 2


BREAKS = {
    "HFKV101": ("training/trl.yaml", "- q_proj\n  - k_proj\n  - v_proj\n  - o_proj", "- c_attn"),
    "HFKV102": ("adapters/support/adapter_config.json", '"v_proj"', '"vproj"'),
    "HFKV103": ("training/axolotl.yml", "lora_r: 32", "lora_r: 90000"),
    "HFKV104": ("adapters/support/adapter_config.json", '{"down_proj"', '{"gate_proj"'),
    "HFKV105": ("training/llama_factory.yaml", "embed_tokens", "wte"),
    "HFKV106": ("adapters/tiny/adapter_config.json", '"r": 4', '"r": 8'),
    "HFKV201": ("pyproject.toml", '"80GiB"', '"24GiB"'),
    "HFKV301": ("README.md", "147,456 bytes", "147,000 bytes"),
    "HFKV302": ("README.md", "18.0 GiB<!-- /hfkv -->", "18.0 GiB"),
    "HFKV401": ("models/tiny/config.json", '"model_type": "llama"', '"model_type": "llamb"'),
    "HFKV402": ("models/tiny/config.json", '"hidden_size": 16', '"hidden_size": "16"'),
    "HFKV403": ("models/tiny/config.json", '"num_key_value_heads": 2', '"num_key_value_heads": 4'),
    "HFKV002": ("training/trl.yaml", "Qwen/Qwen3-8B", "Qwen/Qwen3-4B"),
    "HFKV004": ("hfkv.lock", '"num_hidden_layers": 36', '"num_hidden_layers": 35'),
    "HFKV111": ("training/axolotl.yml", "lora_target_linear", "lora_target_linaer"),
    "HFKV112": ("training/axolotl.yml", "lora_r: 32", "lora_r: 32\nsequence_len: 1048576"),
    "HFKV001": ("adapters/tiny/adapter_config.json", "{", "["),
}


@pytest.mark.parametrize("wanted", BREAKS)
def test_each_kind_of_finding_fails_the_commit(scratch: Scratch, wanted: str) -> None:
    path, old, new = BREAKS[wanted]
    scratch.change(path, old, new)
    code, out = scratch.run("run")
    assert code == 1, out
    assert f" {wanted} " in out
    assert "Traceback" not in out


def test_what_is_ignored_passes(scratch: Scratch) -> None:
    scratch.change("training/axolotl.yml", "lora_r: 32", "lora_r: 90000  # hfkv: ignore[HFKV103]")
    scratch.change("pyproject.toml", '"80GiB"', '"24GiB"')
    scratch.change("pyproject.toml", "[[tool.hfkv.budget]]", "[[tool.hfkv.budget]] # hfkv: ignore")
    code, out = scratch.run("run")
    assert code == 1  # the axolotl config exceeds its budget as well
    assert " HFKV103 " not in out
    assert out.count(" HFKV201 ") == 1
    scratch.change("training/axolotl.yml", "ignore[HFKV103]", "ignore[HFKV103, HFKV2]")
    assert scratch.run("run")[0] == 0


def test_it_mends_and_fails_once(scratch: Scratch) -> None:
    scratch.configure("--fix")
    before = (scratch.root / "README.md").read_bytes()
    scratch.change("README.md", "147,456 bytes", "147,000 bytes")
    code, out = scratch.run("run")
    assert code == 1
    assert "files were modified by this hook" in out
    assert (scratch.root / "README.md").read_bytes() == before
    code, out = scratch.run("run", "--files", "README.md")
    assert code == 0, out


def test_a_model_that_nobody_locked_fails_the_lock_hook(scratch: Scratch) -> None:
    scratch.change("README.md", "lora meta-llama/Meta-Llama-3-70B", "lora google/gemma-2b-it")
    code, out = scratch.run("run", "hfkv-lock", "--all-files")
    assert code == 1, out
    assert "HFKV006" in out
    assert "google/gemma-2b-it is not in hfkv.lock: run `hfkv lock`" in out
