"""The whole way to another release, for a few types, in a copy of this checkout.

From the release before the pinned one to the newest there is, whatever they are: slow, and needs a
package index.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("hfkv.generate", reason="not part of the wheel")
pytest.importorskip("torch", reason="needs the pinned torch")
from hfkv.errors import NetworkError
from hfkv.generate.environment import variables
from hfkv.generate.pins import newer, pins
from hfkv.versions import release

pytestmark = [pytest.mark.oracle, pytest.mark.posix]

ROOT = Path(__file__).parents[2]
#: What the steps read and write, beside the program.
COPIED = ("hfkv", "tests", "pyproject.toml", ".github", ".gitignore")
STEPS = ("classes", "modules", "peft")


def _older() -> tuple[str, str]:
    """The pinned release, and the one before it."""
    pinned = pins()["transformers"]
    known = json.loads((ROOT / "hfkv" / "data" / "releases.json").read_text())["first"]
    return pinned, max((v for v in known if release(v) < release(pinned)), key=release)


def _new_type(version: str) -> str:
    """A type that a release brought: the one with the smallest module table."""
    data = ROOT / "hfkv" / "data"
    first = json.loads((data / "releases.json").read_text())["first"][version]
    tables = json.loads((data / "modules" / "INDEX.json").read_text())["types"]
    return min(
        (name for name in first if name in tables),
        key=lambda name: (data / "modules" / f"{name}.json").stat().st_size,
    )


class Copy:
    """A checkout of its own, committed as it was copied."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in COPIED:
            source, target = ROOT / name, root / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "node_modules")
                shutil.copytree(source, target, ignore=ignored)
            else:
                root.mkdir(exist_ok=True)
                shutil.copy(source, target)
        self.git("init", "-q")
        self.commit()

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "core.autocrlf=false"]
        done = subprocess.run(
            ["git", *who, *arguments], cwd=self.root, check=True, capture_output=True, text=True
        )
        return done.stdout

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "tables")

    def fresh(self, version: str, *types: str, steps: tuple[str, ...]) -> tuple[str, str]:
        """Move to a release: what was printed, and the report."""
        command = [sys.executable, "-m", "hfkv.generate", "fresh", "--transformers", version]
        command += [*types, "--test", "none", "--report", "build/report.md"]
        done = subprocess.run(
            [*command, *(f"--step={name}" for name in steps)],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, (self.root / "build" / "report.md").read_text(encoding="utf-8")

    def said(self, name: str) -> bytes:
        return (self.root / name).read_bytes()


@pytest.fixture(scope="module")
def index() -> dict[str, str]:
    """The newest releases on the package index; what needs one is skipped where there is none."""
    try:
        return newer({"transformers": "0", "peft": "0"})
    except NetworkError as error:
        pytest.skip(str(error))


def test_what_is_newest_is_found_on_the_index(index: dict[str, str]) -> None:
    for name, version in index.items():
        assert release(version) >= release(pins()[name])


@pytest.mark.usefixtures("index")
def test_a_release_that_there_is_not_is_one_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hfkv.generate", "all", "--transformers", "9999.0"]
    done = subprocess.run(
        [*command, "--state", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: there is no transformers 9999.0 on the package index")
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("index")
def test_from_the_release_before_to_the_pinned_one(tmp_path: Path) -> None:
    """There and back: the tables that are made on the way back are those of this checkout."""
    pinned, older = _older()
    new = _new_type(pinned)
    copy = Copy(tmp_path / "copy")
    mine = [f"hfkv/data/{kind}/{new}.json" for kind in ("classes", "modules")]
    (recorded,) = (ROOT / "tests/fixtures/cache_goldens").glob(f"{new}-*.json")
    mine.append(recorded.relative_to(ROOT).as_posix())

    _, report = copy.fresh(older, "llama", steps=STEPS)
    assert f"# Tables of transformers {pinned} to {older}" in report
    assert f"\n- {new}\n" in report.partition("## Types gone")[2]
    assert f'"transformers=={older}"' in (copy.root / "pyproject.toml").read_text()
    index = json.loads(copy.said("hfkv/data/classes/INDEX.json"))
    assert index["transformers"] == older
    assert new not in index["types"]
    assert not (copy.root / mine[0]).exists()
    copy.commit()

    out, report = copy.fresh(pinned, "llama", new, steps=(*STEPS, "caches"))
    assert f"# Tables of transformers {older} to {pinned}" in report
    assert f"\n- **{new}**: " in report.partition("## New types")[2]
    assert "## Could not be made again" not in report
    assert "modules: 2 made, 0 kept from before, 0 failed, 0 left" in out
    for name in (*mine, "pyproject.toml", "hfkv/data/peft.json", "hfkv/data/classes/llama.json"):
        assert copy.said(name) == (ROOT / name).read_bytes(), name
    changed = copy.git("status", "--porcelain").splitlines()
    assert not [line for line in changed if "/modules/llama.json" in line]

    # Asked again, nothing is made again.
    out, again = copy.fresh(pinned, "llama", new, steps=("modules",))
    assert "modules: 0 made, 2 kept from before" in out
    assert again.partition("## What was made")[0] == report.partition("## What was made")[0]


def test_a_plan_that_holds_is_kept_and_one_that_does_not_is_told() -> None:
    from hfkv.generate.plan_again import again, held

    path = ROOT / "hfkv" / "data" / "plans" / "gpt_neox.json"
    plan = json.loads(path.read_text(encoding="utf-8"))["classes"]["GPTNeoXForCausalLM"]
    kept, said = again("gpt_neox", "GPTNeoXForCausalLM", plan, changed=True)
    assert (kept, said) == (plan, "holds")
    left, why = held("gpt_neox", "GPTNeoXForCausalLM", {**plan, "modules": plan["modules"][:-1]})
    assert left is None
    assert why
    # What one tree is wrong about is no longer spoken of.
    text = json.dumps(plan)
    biased = '["set", "attention_bias"], "then": ["hidden_size"], "else": null'
    assert biased in text
    wrong = json.loads(text.replace(biased, biased.replace("null", '["hidden_size"]')))
    less, said = again("gpt_neox", "GPTNeoXForCausalLM", wrong, changed=True)
    assert said.startswith("says less: ")
    assert "bias" in said
    assert biased.replace("null", '"?"') in json.dumps(less)
    # Why there is none is not asked again of a class whose modules are as they were.
    none = {"refused": "it was not found"}
    assert again("gpt_neox", "GPTNeoXForCausalLM", none, changed=False)[0] == none


def test_a_type_that_there_is_not_is_one_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hfkv.generate", "all", "lama", "--state", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    said = f"Error: transformers {pins()['transformers']} generates text with no type lama\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


def test_what_parts_build_with_is_imported_before_they_are_forked() -> None:
    """Of the modules that a part of a step needs only those of its own type are left to import."""
    script = (
        "import json, sys\n"
        "from hfkv.generate.steps import STEPS\n"
        "from hfkv.generate.warm import warm\n"
        "(step,) = (step for step in STEPS if step.name == 'caches')\n"
        "warm(step.source)\n"
        "before = set(sys.modules)\n"
        "step.make('qwen3')\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=variables(), capture_output=True, check=True
    )
    left = json.loads(told.stdout.splitlines()[-1])
    assert "transformers.models.qwen3.modeling_qwen3" in left
    assert len(left) < 100
